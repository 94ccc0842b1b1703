"""The grammar of handwritten digits, which have one factor: the smallest there can be."""

from __future__ import annotations

from .grammar import Aspect, Grammar, slot

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

DIGITS = Grammar(
    aspects=(Aspect("digit", NAMES, tuple(range(10))),),
    slots={
        "digit": slot(
            "digit",
            *((name, f"digit {name}", f"number {name}", str(n)) for n, name in enumerate(NAMES)),
            unnamed=("digit", "number"),
        ),
    },
    templates=("a {digit}", "the {digit}", "there is a {digit}", "{digit}"),
)
