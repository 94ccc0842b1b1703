"""Text from files, made harmless: one line of characters that a terminal shows and does not obey."""

from __future__ import annotations

LONGEST = 4000
"""Characters; what is longer is cut."""


def one_line(text: object) -> str:
    """A text as one line: whitespace as single spaces, control characters by their codes, and an end to it."""
    words = " ".join(str(text)[: 4 * LONGEST].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in words)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 2]} …"
