"""Text for LaTeX: plain ASCII that any pdflatex sets as it is meant, and how wide it comes out."""

from __future__ import annotations

import re
import unicodedata

GREEK = (
    "αalpha βbeta γgamma δdelta εepsilon ζzeta ηeta θtheta ιiota κkappa λlambda μmu νnu ξxi πpi ρrho σsigma τtau "
    "φphi χchi ψpsi ωomega ΓGamma ΔDelta ΘTheta ΛLambda ΞXi ΠPi ΣSigma ΦPhi ΨPsi ΩOmega"
)
"""Letters that LaTeX has, each before its name there."""

LATEX = {
    **{word[0]: rf"$\{word[1:]}$" for word in GREEK.split()},
    "µ": r"$\mu$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "−": "$-$",
    "²": "$^2$",
    "³": "$^3$",
    "√": r"$\surd$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    '"': "''",
    "†": r"\dag{}",
    "§": r"\S{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "œ": r"\oe{}",
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textquoteleft{}",
    **{symbol: f"\\{symbol}" for symbol in "_%&#${}"},
}  # fmt: skip
"""What LaTeX would not take as it is, or would take for a command, or print as another character."""

ACCENTS = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327",
        "`'^~=u.\"rHvc",
        strict=True,
    )
)
"""Combining marks, and the commands that set them."""

NUMBER = r"\d(?:[\d.,]*\d)?(?:e[-+]?\d+)?"

QUANTITY = re.compile(rf"(?<![\w.)\]+-])[-+±]?{NUMBER}(?: ± {NUMBER})?(?!\w)")
"""A number that stands by itself, with its sign and spread."""

WORD = re.compile(
    r"(?:[^\s_/]+ (?:[±=] |(?=±\d)))?"  # a value stays with its name or what stands before its spread,
    r"(?:[^\s_/]*[_/]|[^\s_/]+(?: \(\d+\))?)|\s+"  # and a word with the number of its note
)
"""What stays on one line, else up to a space, an underscore or a slash."""

CHARACTERS = {
    2.36: "!',.:;<[]_`il",
    2.83: "fj- ",
    3.31: "I()rt",
    3.78: "secz",
    4.25: '>?"$*/0123456789\\^ago{}~',
    4.72: "JkqvxySbdhnpu",
    5.31: "ZL",
    5.78: "FEP",
    6.25: "BCTwR",
    6.61: "AHNUVXYDKG&+=@OQ±−",
    7.08: "#%m",
    8.73: "M|W",
}  # fmt: skip
"""Widths in points of Computer Modern at 8 pt, rounded up (from its metrics, cmr8.tfm)."""

WIDTHS = {character: width for width, characters in CHARACTERS.items() for character in characters}


def escaped(text: str) -> str:
    """A text as ASCII for LaTeX, with nothing left that LaTeX would obey; unknown characters by their codes."""
    hyphens_apart = re.sub("-(?=-)", "-\0", text)  # two would be a dash
    return "".join(map(command, hyphens_apart))


def command(character: str) -> str:
    """What sets one character."""
    if character == "\0":
        return "{}"
    if character in LATEX:
        return LATEX[character]
    if " " <= character <= "~":
        return character
    letter, mark = (*unicodedata.normalize("NFD", character), "", "")[:2]
    if letter.isascii() and letter.isalpha() and mark in ACCENTS:
        return rf"{{\{ACCENTS[mark]}{{{letter}}}}}"
    return f"[U+{ord(character):04X}]"


def printed(text: str) -> str:
    """A text for LaTeX whose numbers with a sign, a spread or a power of ten are mathematics."""
    pieces, done = [], 0
    for match in QUANTITY.finditer(text):
        pieces += [escaped(text[done : match.start()]), quantity(match.group())]
        done = match.end()
    return "".join([*pieces, escaped(text[done:])])


def quantity(text: str) -> str:
    r"""A number as mathematics, if that makes a difference: `-1e-05 ± 2` is `$-10^{-5} \pm 2$`."""
    if not set(text) & set("+-±e"):
        return text
    powers = re.sub(r"([\d.]+)e([-+]?\d+)", lambda m: power(m[1], int(m[2])), text.replace(",", "{,}"))
    return f"${powers.replace('±', chr(92) + 'pm')}$"


def power(factor: str, exponent: int) -> str:
    """A number in scientific notation."""
    return f"10^{{{exponent}}}" if factor == "1" else rf"{factor} \times 10^{{{exponent}}}"


def prose(text: str) -> str:
    """A text for LaTeX whose long words, paths and names may end a line after any slash or underscore."""
    return re.sub(r"(/|\\_)", r"\1\\allowbreak{}", printed(text))


def width(text: str) -> float:
    """Points that a text takes at 8 pt, or a little less: characters that are not Latin count as wide ones."""
    signs = re.sub(r"(?<!\w)-(?=\d)", "−", text)
    return sum(WIDTHS.get(character, 6.61) for character in signs)


def wrapped(text: str, limit: float) -> list[str]:
    """A text in lines no wider than a limit in points, cut at spaces and after `_` and `/`, within words at need."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in WORD.findall(paragraph):
            if width((line + word).rstrip()) > limit and line.strip():
                lines.append(line.rstrip())
                line = ""
            line = line + word if line else word.lstrip()
            while width(line.rstrip()) > limit and len(line) > 1:
                most = max((k for k in range(1, len(line)) if width(line[:k]) <= limit), default=1)
                lines.append(line[:most])
                line = line[most:]
        lines.append(line.rstrip())
    return lines
