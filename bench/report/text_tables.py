"""Tables of words and numbers that sort and filter, of which a page may have many lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FOLDED_FROM = 20
"""Lines from which a table is folded until somebody opens it."""


@dataclass(frozen=True)
class Field:
    """One cell."""

    text: str
    key: str = ""
    """What its column is sorted by, where that is not its text."""
    bad: bool = False


@dataclass(frozen=True)
class TextTable:
    """A titled table."""

    title: str
    headings: Sequence[str]
    numeric: Sequence[bool]
    """Which columns stand to the right."""
    lines: Sequence[Sequence[Field]]
    words: Sequence[str]
    """What each line is found by."""

    @property
    def folded(self) -> bool:
        """Whether it is too long to be read in passing."""
        return len(self.lines) >= FOLDED_FROM


def text_table(
    title: str, headings: Sequence[str], lines: Sequence[Sequence[str]], *, words: int
) -> TextTable:
    """A table of texts; its first `words` columns stand to the left, and a column without any text is left out."""
    kept = [n for n, _ in enumerate(headings) if any(line[n] for line in lines)]
    return TextTable(
        title,
        [headings[n] for n in kept],
        [n >= words for n in kept],
        [[Field(line[n]) for n in kept] for line in lines],
        [" · ".join(line) for line in lines],
    )
