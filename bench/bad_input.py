"""Errors that are the user's to mend: one line that says what, where, and what would be right. Exit status 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """Something the user gave cannot be used; the message is one line, made to be read without a traceback."""


def unknown(kind: str, got: str, known: Iterable[str], *, where: str = "") -> BadInput:
    """The error for a name that is not in a table: the nearest known name, then all of them."""
    names = list(known)
    near = difflib.get_close_matches(got, names, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    return BadInput(f"{where + ': ' if where else ''}unknown {kind} {got!r}{guess} known: {', '.join(names)}")
