"""Rows arranged as figures need them: an arm is one objective on one data set over its strengths and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from ..catalogue import OBJECTIVES
from ..variants import variants

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Arm:
    """One objective on one data set: its finished rows."""

    data_set: str
    condition: str | None
    objective: str
    variant: str
    """What sets it apart from another arm of the same objective, e.g. `estimator mss`; mostly empty."""
    number: int
    """Its place among the variants of its objective."""
    rows: pd.DataFrame

    @property
    def subject(self) -> str:
        """What it was trained on: `dsprites given shape`."""
        return f"{self.data_set} given {self.condition}" if self.condition else self.data_set

    @property
    def method(self) -> str:
        """Its objective as papers write it, with the variant: `β-TCVAE (estimator mss)`."""
        title = OBJECTIVES[self.objective].title
        return f"{title} ({self.variant})" if self.variant else title

    @property
    def title(self) -> str:
        """Method and condition, for a panel under a data set's heading: `CVAE given shape`."""
        return f"{self.method} given {self.condition}" if self.condition else self.method

    @property
    def symbol(self) -> str | None:
        """The papers' symbol for its strength, None if it has none."""
        return OBJECTIVES[self.objective].strength

    @property
    def strengths(self) -> list[float]:
        """The strengths that have finished rows, ascending."""
        return list(self.places)

    @cached_property
    def places(self) -> dict[float, NDArray[np.intp]]:
        """Which rows have each strength, strengths ascending."""
        strengths = self.rows["strength"].to_numpy(dtype=np.float64)
        return {float(s): np.flatnonzero(strengths == s) for s in np.unique(strengths)}

    @cached_property
    def taken(self) -> dict[str, Floats]:
        """Scores of all rows by column, taken out of the table once: a row of it has hundreds of columns."""
        return {}

    def setting(self, strength: float) -> str:
        """A strength with its symbol, `β = 4`; empty for an objective that has none."""
        return f"{self.symbol} = {strength:g}" if self.symbol else ""

    def model(self, strength: float) -> str:
        """Method and setting, for a picture of one model."""
        return f"{self.method}, {self.setting(strength)}" if self.symbol else self.method

    def has(self, column: str) -> bool:
        """Whether any row has the score, of whatever kind."""
        return column in self.rows and bool(self.rows[column].notna().any())

    def values(self, column: str, strength: float) -> Floats:
        """A score of every seed at a strength, [seeds]; rows without a finite value are left out."""
        return self.together([column], strength)[0]

    def together(self, columns: Sequence[str], strength: float) -> Floats:
        """Scores of the seeds at a strength that have all of them, [columns, seeds]."""
        places = self.places.get(strength, np.empty(0, dtype=np.intp))
        table = np.stack([self.column(name)[places] for name in columns])
        return table[:, np.isfinite(table).all(axis=0)]

    def column(self, name: str) -> Floats:
        """A score of every row, NaN where there is none."""
        if name not in self.taken:
            self.taken[name] = (
                self.rows[name].to_numpy(dtype=np.float64)
                if name in self.rows
                else np.full(len(self.rows), np.nan)
            )
        return self.taken[name]

    def strengths_with(self, *columns: str) -> list[float]:
        """The strengths at which some seed has all these scores."""
        return [s for s in self.strengths if self.together(columns, s).size]

    def first_seed(self, strength: float, column: str | None = None) -> dict[str, Any]:
        """The row of the smallest seed at a strength, which stands for all of them in pictures of one model.

        With `column`, of those that have it; empty if none has.
        """
        places = self.places.get(strength, np.empty(0, dtype=np.intp))
        if column is not None:
            known = (
                self.rows[column].notna().to_numpy()
                if column in self.rows
                else np.zeros(len(self.rows), bool)
            )
            places = places[known[places]]
        if not len(places):
            return {}
        first = places[np.argmin(self.rows["seed"].to_numpy()[places])]
        return {str(name): value for name, value in self.rows.iloc[first].to_dict().items()}


def arms_of(rows: pd.DataFrame) -> list[Arm]:
    """The finished rows arm by arm, in the order of the rows; diverged and failed ones are in none."""
    done = rows[rows["status"] == "done"]
    found = []
    for (data_set, condition, objective), members in done.groupby(
        ["data_set", "condition", "objective"], sort=False, dropna=False
    ):
        given = condition if isinstance(condition, str) else None
        for number, (variant, part) in enumerate(members.groupby(variants(members), sort=False)):
            found.append(Arm(str(data_set), given, str(objective), str(variant), number, part))
    return found


def by_subject(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """Arms by data set and condition."""
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        found.setdefault(arm.subject, []).append(arm)
    return found


def by_data_set(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """Arms by data set."""
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        found.setdefault(arm.data_set, []).append(arm)
    return found


def some_strengths(arms: Sequence[Arm], *, each: int, in_all: int) -> list[tuple[Arm, float]]:
    """Which models get a picture of their own: evenly spaced strengths of every arm, within a budget.

    At most `each` strengths an arm and `in_all` pictures; with many arms each has one, its middle strength, and
    arms beyond the budget have none.
    """
    count = max(1, min(each, in_all // max(1, len(arms))))
    return [(arm, s) for arm in arms[:in_all] for s in evenly(arm.strengths, count)]


def evenly(values: Sequence[float], count: int) -> list[float]:
    """`count` of the values, first and last included; the middle one if only one is wanted."""
    if count >= len(values):
        return list(values)
    if count == 1:
        return [values[(len(values) - 1) // 2]]
    return [values[round(n * (len(values) - 1) / (count - 1))] for n in range(count)]


FEWEST = 3
"""Seeds from which an interval is drawn: of two it would span a dozen standard deviations."""


def mean_and_interval(values: Floats) -> tuple[float, float]:
    """Mean over seeds, and how far its 95 % interval reaches to either side (Student's t); NaN for fewer than three."""
    if len(values) < FEWEST:
        return float(values.mean()), float("nan")
    reach = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(reach)


def mean_and_spread(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1) over seeds; a single seed has no spread: NaN."""
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")
