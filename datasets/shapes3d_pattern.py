"""The faint pattern of hexagons, with one smudge, on the walls and the floor of 3D Shapes.

A tile of 64 x 64 brightnesses, fitted by least absolute errors to all walls and floors in 50 real images. Fitted
to 25 of them it explains the other 25 as well: see `docs/datasets.md`. The tile repeats in both directions.
"""

import base64
import zlib

import numpy as np

from .shapes3d_solids import Floats

STEPS_TO_ONE = 400
"""A step of the tile is this part of full brightness; 0 is as bright as the light makes it."""

TILE = np.frombuffer(
    zlib.decompress(
        base64.b85decode(
            "c-"
            "j@0S#RUYc7<!6NlNN=pBo^^OOXHnbMlhl=Jsh1k|@qYku_!8h7AKQkyU%|^{rL=7OCLDuLqJ+va<VZM4n#Hy>OJqIc!`q){Q|B!j"
            "$fZylT2{%ajUdrT2lcn__exq}B@Id2ov2i}53Orf%FkDtD>1^Fi?1repRy;Y{JL1ItPhHJq-_g1h1?#g*3QakUL6I-"
            "FN{DmDmNk_xHzL^wD0=aw50X&@`UFl=w^M2HCZWK4!|%4>FVA`NwA7ou(&S8!9^Zbo~omC*H%m_(+CH&e8g;mBk!lTw<@Pf=MV*f"
            "3R<(ib}|wWUP6Wwt^H>83+hjb?P{s5BafVM7QugvT%;M|0Yj#Z%4FyewJBbDr8cXm^f%8+hg7I?hK?hQYFJ%Q>&F8B0|iTg;)3=e"
            "A;zj&mPILXP=N`yp;P=9GxJ^xeJ=#h7(IrXec4>|uExmW^G=<tT1o|9xakHB#NobY%@*K2<Hx%)3{TQrM<lZkih>2X7R!7C**D39"
            "QUGqRbo?hp=!qq4%?Pv6SW<Ez%eGJH1)1MRf#9j1X@V^iW`aiHE}W(!kk`q41A#V8(^25t7)!qa)T@P~rT}gp%AY$4{s!%Q5}nf^"
            "nVV#ZW9P=E!PcYaFCDmXmdI+)&Z1tK-TDgY!RxQv7WV2E+5-"
            "_L)mlDcR0M8%cRY$|{v&d1S1O;Ku?lrf44f#NkVQyq|SlRr#}H+Bu#36-JyHK1WitOQ+vyH1s*fj^#5BOQdUiGJ$cPH*3N>wa-"
            "4J*He~1TO!?yr+JI0Td;?vZ}8ivQBcA!n)#l|LKyb@_VQT>@~`_^S^6W*UAf8na!&7(N=}Zg-"
            "NmJ$*}wX7Q)LT*$X`aYi3oSGwDC*TG?sIZek#VwC4@TD!kcrlQfXx-_Jgy9ot+n#tD_u!&mpEX5ziI3HXtY)Vj@JEVNNUWVUBfic"
            ">@&-X40u?BQDC4LQ}5vtf^qcUir3Y#g5V~5;0@zbP#4KGW!NKhEAPcSDIFJ?-"
            "jXJG;UGXS_sNcCY593lF_w+twTlerD9}VjDy$7f{RucQ^SNy5P2O7QjAw5reGXqY{7+AMh<~vRPv0|z_G+~>|U92ZKiJ6qE~GC<E"
            "KqukGM|@=j9;Vd;|e+D-(IAlrYZbcH!)`F06m7a<L*j5hx^ht7CcQ=8_3b-"
            "Xjr?QsS0m%4J!@Cd9UW#>k7{!>N#@2nA20k~$p2giFc8b1pTaVp+y-"
            "2o<`_`6N#GVMW4K70VlttE%c_QS9<&s9KV|m=d*2QV<*x`L3Zpa$;61jmB8pS{0P3)`nkef^=;%ES*)Yxuj-"
            "3epJfRGepo8g??uJjY#;6(T&)F9I~n^hp~XB7RhL~k~L*B&~{yoz{iPQt8yNFVw7wrTioTs4-"
            "U;&+7^)_21v&vAYtQxzv3F5HcMJp4&1=oB5tsohv&9LjMF+z95`?uGfb)Uei{ev97D&MfhR%S@g4IC_5B`B^dl|fnvU#BDzB$c=i"
            "d9Q6fKJn1)o?QSRiuFTY#T^-xcP%BKb9jh+`O**He|FU;BPa*q`Cth~N?r-I^&8I<7}r5`m$?=mZ1FXx<bs2NX-FP%d=GL75d1dP"
            "KD#Xzz=w6-"
            "DR4Dvc0o9|2IIe7hb}3A)W|VF*(u7aYemP+Ve3l+m(6aS%=*W*MjyDKS=8TuObtvRGJPqESxsli90~4J(spf7!Ax9#e7dTful_T4"
            "98xeY;ADGXG|?0U+yN|0xkiQ2~<`L6Z=iF6WqHL^;jRi8>P3`7DHzylx2-WvV=#oDyn=ZXVGo91d%-"
            "Mv!AKFZ2uM+7Hm}0OdmQbx?8+&xufY%(`v|3(?QhTo{q-JVwmJ+Vy=rQjW_R^}dWd_~=;>v=CSUYubR(-"
            "cBpxY(pyen5blE8w67#_uhv}QdMvw1R?VW$Z6R%K8BDCpNKkOJ%S$j0ZUzpJdUKch>K|%gKn-2uS1l?Pu-ZafL+3jl0!RN)`F5l-"
            "bbJYB8+T=pIDIT02ct8$DG&Bk9jYRv)WZDbM9Ev@NK9KbTO5J$$wd~NAMkj)1EI*1C`i!bbt`>l3+6Sru!hAu&NY7DhDK7b|AK8+"
            "g#`yFOsg)47%ZH*o4*qZKzQ#wai@<@Zv^?ZO>FH>VcHJEK7h^CS`0HHxE>u7nBx4vY&l9LC#@lR}30wb?Fag;(V&Bt$4`OFr9dU&"
            "I9C*0c2I;L?U7|(#el&#8P@3C(I9J67`>38W+3n!#unX-7z7=Sin$v1^pg9kP36s4eM@JFolO;X-"
            "mgzGYazB`5X%z#@gvg8lVv^2os)D-"
            "ovh_qI6pF+Z%`DNP#7*1cBHGNywB15m`BTaHB1F_$IBft_d$sh^x)H`m@%Om_iasf%_EX4`+Xr7c8taMn+5AC~el^)XvyuX^Rc`b"
            "m#7_mN>n!M)IpQNw9xc?k{@GnJXnkpj<V-8asuHv5F90Ri+Y@L$`0gz-"
            "BbT;BQ8K<5E-azlI5tXrO_iP=tu5@>2$#$8t*NOz>bAm1WS9W4kJ{Y_rgc<MV9Wc>&yqlYw&4v>Yd-xR9P}VmzSX_g9a6<jbG;X^"
            "DZ%{SaX)1KPF)MiZA=qB4*B3dv~SS55?s?>2cE1l!NGeGcv8wRF$-"
            "uSfs<QVKU5=kd8_$t7wBfY!w+gnofc2wwUCv|(phqyx?K?rZEm@2{@CzaG!$vc6tBg0M<`FueH*X#;_JjHUaNGECJ~z=0u2X*7Q)"
            "X|4B<&-"
            ">7Qef;_S=;!udACJxa1q>?*;!pzqoU;D6+PPbER_=CFDKHC6YiuG`>ym74yXUj*`p0AFK0m(Nd(xK#JCn({>OX$kBQq`qT~heAmD"
            ">$X2w2AHo`f?0uqrL>3y$B9ZTlR7I8SN~{f_!mtTp|{q!3IRxkGScW$owvIJr2$m8X%KGW_3Hf4@Kb_U}KB-"
            "|wI6_A&aQqG*S^hoFF76e1DZbIB>LOTZN78Im+4*c=s^=l1#j*>_)m|9SuF=IQ=9q(b+&Z&|r*3)^t|0N>}8zX_wl3KW9;pCAk?0"
            "^W508t3lo@p13F@zwtRvod#8miZM%`Y`BOw7%9HP0?h4k1hvOZveS)aHM`UdVPO~+VxZW*$uBRI7F^&EeIQN&13^MaAIzlv(Y;Xb"
            "6oG+&0*bCTX0tg_n-"
            "9MkB_g%{rP!shoQaS3*3XmkBTxauG*M3RSm6~@d2(~nriH$s1#)CLw*a_ozLg%0fW;&o_~Jd`{#Xx4?*#kQ@}Om%1#Ye3#HgOZQx"
            "K8^bFcpWZKSsiG{@J^>J^z$Gz)X*#G+{q-5$EMA|v-N<f95DMCOzU!;KR$D<0*)xnhoGIdka;r;&c-"
            "gezrw~nvjSh`W%LXh(a2alvmTi*wWAHXnKLfq$527MvV?f|-"
            "++XlC$=VN%ZUzt{ooc{L{6^I7u*vA9n$lNWN8VD2MPa#(~vrINv7kJtYL?e~j|M|N2!{7hBryoW_YK>7fH$(6%2y3Op<pBmmB6zi"
            "I97Pam%wHDEi;T6?NnOO_@ip`#+_D_QwQ%3IBI>s{7&;(l?Zn}XxLLDd@Ds50^|)kxyU4@ebp5ji%)i?E`+ax>;Ik&uQ)e7gdq&("
            "`xs%%g1)d|{Bit~t&RYutB3x|!F11i6XzlszKYrg2_g2Bh$b;&eOOyO0f}#R4FoXe3{4fiHl;791tc4%r5zi$i@b&F+e>~cLg91^"
            "A2=hO^-1hPG({MDR%-}5xErUP&l;r;dhFDur"
        )
    ),
    dtype=np.int8,
).reshape(64, 64)
"""[across, up]."""


def pattern(across: Floats, up: Floats) -> Floats:
    """Brightness at places given in tiles: bilinear between the tile's cells, whose middles are at (k + .5) / 64."""
    side = len(TILE)
    column, row = across * side - 0.5, up * side - 0.5
    left, low = np.floor(column), np.floor(row)
    x, y = column - left, row - low
    i, j = left.astype(np.int64) % side, low.astype(np.int64) % side
    right, high = (i + 1) % side, (j + 1) % side
    lower = TILE[i, j] * (1 - x) + TILE[right, j] * x
    upper = TILE[i, high] * (1 - x) + TILE[right, high] * x
    brightness: Floats = 1 + (lower * (1 - y) + upper * y) / STEPS_TO_ONE
    return brightness
