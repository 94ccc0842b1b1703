"""What a metric is: the arrays that it takes, the columns that it makes, and which direction is better."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Input: TypeAlias = Literal["codes", "factors", "mean", "logvar", "condition"]
Rows: TypeAlias = Literal["train", "split", "all"]


@dataclass(frozen=True)
class Score:
    """One result column."""

    column: str
    """Name, with the unit at its end where there is one."""
    direction: Literal["higher", "lower"] | None
    """Which is better, None if neither is in itself."""
    unit: str
    """`nats`, `units` of a count, or empty for shares."""
    meaning: str
    """One line."""
    kind: Literal["number", "list", "matrix", "curve"] = "number"
    """A list is [D], a matrix [D, K], a curve [P] points of its own."""
    field: str | None = None
    """The field of the function's result, None for the result itself."""
    values: tuple[float, float] | None = None
    """Least and largest value that it can take; 0 and 1 of shares, where not said."""
    may_be_infinite: bool = False
    """Whether it is infinite for some codes that are in order."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest value that it can take."""
        if self.values is not None:
            return self.values
        return (0.0, 1.0) if self.direction is not None and self.unit == "" else (-math.inf, math.inf)


@dataclass(frozen=True)
class Metric:
    """One function and the columns that it fills."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Input, ...]
    """Arrays it takes, by the names of its arguments."""
    rows: Rows
    """Which rows it sees: those that train, all with `train` as an argument, or all."""
    scores: tuple[Score, ...]
    summary: str
    seeded: bool = False
    """Whether it takes a `seed`."""
    optional: tuple[Input, ...] = ()
    """Arrays it also takes where they are there."""
    whole: bool = False
    """Whether it is defined only where the rows are the whole data set, each image once."""
    trees: bool = False
    """Whether it grows trees: seconds instead of tenths of them."""
