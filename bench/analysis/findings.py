"""What an analysis found: a table, and what could not be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Findings:
    """The answer to one question about a study."""

    table: pd.DataFrame
    """A line an answer; the function that made it says which columns."""
    left_out: Mapping[str, str]
    """What has no line, and why."""


class LeftOut:
    """Collects what could not be said; scores of one subject with one reason stand together."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, str], list[str]] = {}

    def add(self, subject: str, why: str, what: str = "") -> None:
        """Note it. Without `what` the whole subject is meant."""
        names = self._reasons.setdefault((subject, why), [])
        if what and what not in names:
            names.append(what)

    def reasons(self) -> dict[str, str]:
        """By subject and what of it."""
        found: dict[str, str] = {}
        for (subject, why), names in self._reasons.items():
            key = f"{subject}: {', '.join(names)}" if names else subject
            found[key] = f"{found[key]}; {why}" if key in found else why
        return found
