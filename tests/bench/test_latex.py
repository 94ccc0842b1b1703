"""Tables for LaTeX: ASCII that prints what was meant, lines that fit, blocks of columns."""

import re
import shutil
import subprocess

import pandas as pd
import pytest

from disbench.bench.latex_tables import TEXT_WIDTH, Column, blocks, document, enumerated, table, total
from disbench.bench.latex_text import LATEX, printed, prose, width, wrapped
from disbench.bench.legend import Legend
from disbench.bench.tables import READABLE, as_latex, summary


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("β-VAE", r"$\beta$-VAE"),
        ("β = 4", r"$\beta$ = 4"),
        ("-0.5 ± 0.1", r"$-0.5 \pm 0.1$"),
        ("0.5", "0.5"),
        ("-0.012 to 0.045", "$-0.012$ to 0.045"),
        ("within ±0.3", r"within $\pm0.3$"),
        ("115,200 steps", "115,200 steps"),
        ("-1,000.5", "$-1{,}000.5$"),
        ("γ = 1e-05", r"$\gamma$ = $10^{-5}$"),
        ("2.5e+20", r"$2.5 \times 10^{20}$"),
        ("DIP-VAE-2, 2019-2020, 3D", "DIP-VAE-2, 2019-2020, 3D"),
        ("--scale", "-{}-scale"),
        ("Müller, Łukasz, 中", r"{\"{u}}".join(["M", "ller, "]) + r"\L{}ukasz, [U+4E2D]"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("MIG ↑ 50 % a_b", r"MIG $\uparrow$ 50 \% a\_b"),
    ],
)
def test_texts_are_ascii_with_numbers_as_mathematics(text, source):
    """Minus signs, spreads and powers are; hyphens, years and thousands are not."""
    assert printed(text) == source
    assert printed(text).isascii()


def test_lines_are_cut_between_words_and_at_need_within():
    """A digit takes 4.25 points; a value stays with its spread and its name, a word with the number of its note."""
    assert width("0123") == 17.0
    assert wrapped("11 22 33", 2 * width("11") + width(" ")) == ["11 22", "33"]
    assert wrapped("not comparable (1)", 60) == ["not", "comparable (1)"]
    assert wrapped("FactorVAE, γ = 10", 60) == ["FactorVAE,", "γ = 10"]
    assert wrapped("mss_public_copies", 40) == ["mss_", "public_", "copies"]
    assert wrapped("1111111", 3 * 4.25) == ["111", "111", "1"]
    assert wrapped("a\nb", 1e9) == ["a", "b"]
    assert wrapped("", 10) == [""]


def test_wide_tables_are_cut_into_even_blocks_that_repeat_their_first_columns():
    """Nine columns of 60 points and two that lead: 345 points have room for four, so 3 + 3 + 3, each no wider."""
    numbers = [Column(f"s{n}", ["0.123 ± 0.456"], right=True) for n in range(9)]
    cut = blocks([Column("objective", ["β-VAE"]), Column("strength", ["β = 4"]), *numbers], keys=2)
    assert [[column.heading for column in one] for one in cut] == [
        [["objective"], ["strength"], [f"s{n}"], [f"s{n + 1}"], [f"s{n + 2}"]] for n in (0, 3, 6)
    ]
    assert all(total(one) <= TEXT_WIDTH for one in cut)


def test_columns_are_wrapped_before_they_are_cut():
    """A long description in three lines beside its numbers, instead of a table in two pieces."""
    about = Column(
        "objective", ["β-TCVAE (estimator = mss_public_copies), β = 6.4 and more words to come"], narrowest=60
    )
    [one] = blocks([about, *(Column("s", ["-200.1 ± 23.5"]) for _ in range(3))], keys=1)
    assert total(one) <= TEXT_WIDTH
    assert len(one[0].cells[0]) > 1


def test_a_row_of_several_lines_is_not_torn_and_a_long_table_goes_on():
    r"""`\\*` forbids the end of a page; beyond forty lines a `longtable`, whose head is repeated."""
    short = table("dsprites", [Column("a\nb", ["x\ny"]), Column("c", ["[1]"])], keys=1)
    assert short.splitlines() == [
        r"\begin{tabular}{@{}ll@{}}",
        r"\multicolumn{2}{@{}l@{}}{\textbf{dsprites}} \\*[2pt]",
        r"\toprule",
        r"a &  \\*",
        r"b & c \\",
        r"\midrule",
        r"x & [1] \\*",
        r"y &  \\[3pt]",
        r"\bottomrule",
        r"\end{tabular}\par\medskip",
    ]
    long = table("dsprites", [Column("c", ["[1]"] * 41)], keys=1)
    assert r"\begin{longtable}" in long
    assert long.index(r"\textbf{dsprites}") < long.index(r"\endhead") < long.index("{}[1] \\\\\n")


def rows(methods, strengths):
    """Rows with every readable score, and a name that no page is wide enough for."""
    return pd.DataFrame(
        [
            {"status": "done", "data_set": "dsprites", "condition": None, "objective": objective, "strength": s,
             "seed": seed, "configuration": f'{{"objective": "{objective}", "options": {{"x": "{"long_" * 30}"}}}}'}
            | dict.fromkeys(READABLE, -123.4 * s + seed)
            for objective in methods for s in strengths for seed in (0, 1)
        ]
    )  # fmt: skip


def test_the_ordinary_table_fits_and_says_what_its_numbers_are():
    """Fifteen scores in blocks, each with method and strength; the line of Markdown below it."""
    text = as_latex(summary(rows(["beta_vae", "vae"], [1.0]), READABLE), Legend.of_code())
    heads = re.findall(r"^objective & .*$", text, flags=re.MULTILINE)
    assert len(heads) > 3
    assert all(head.startswith("objective & strength &") for head in heads)
    assert sum(head.count("&") - 1 for head in heads) == len(READABLE) + 1  # and the number of models
    assert r"Mean $\pm$ standard deviation over seeds; nats per image." in text
    assert text.isascii()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_tables_compile_and_fit_plain_article(tmp_path):
    """Ordinary ones, of many columns and many lines, every character that is known, and hostile titles.

    What was taken for a text's width is no less than it is, and at most a tenth more.
    """
    every = "".join(LATEX) + "éüçňőÅ"
    texts = [
        "0.123 ± 0.456",
        "-287.3 to -254.5",
        "β-TCVAE (estimator = mss)",
        "reconstruction ↓",
        "[V2, 5 models; 2]",
    ]
    told = [rf"\setbox0\hbox{{{printed(text)}}}\typeout{{width \the\wd0}}" for text in texts]
    hostile = [Column("name_" * 30, [r"\input{x} $x$ & " * 9]), Column("c" * 200, ["[*]"])]
    parts = [
        *told,
        table("dsprites " * 40, [Column(one.heading, one.cells, narrowest=40) for one in hostile], keys=1),
        enumerated("Sources", ["[1] https://example.org/" + "a-long_path/" * 20, every]),
        prose(f"{every} --"),
    ]
    ordinary = as_latex(
        summary(rows(["beta_vae", "vae"], [float(n) for n in range(1, 25)]), READABLE), Legend.of_code()
    )
    preamble = "\\documentclass{article}\n\\usepackage{booktabs,longtable}\n\\begin{document}\n"
    (tmp_path / "table.tex").write_text(
        f"{preamble}{document(parts)}{ordinary}\\end{{document}}\n", encoding="ascii"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "longtable" in ordinary
    assert "Overfull" not in done.stdout
    assert "Missing character" not in (tmp_path / "table.log").read_text(errors="replace")
    true = [float(points) for points in re.findall(r"^width ([\d.]+)pt", done.stdout, flags=re.MULTILINE)]
    assert len(true) == len(texts)
    assert all(wide - 0.1 <= width(text) <= 1.1 * wide for text, wide in zip(texts, true, strict=True))
