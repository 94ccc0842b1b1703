"""A score with its error: value, interval, estimator and settings in one object that prints itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .score import Score


@dataclass(frozen=True)
class Result:
    """One value and all that it takes to read it."""

    value: Any
    """A number, or nested lists for a list or matrix."""
    interval: tuple[float, float] | None
    """Where the value would lie for `level` of other samples of as many rows; None for lists and where unknown."""
    deviation: float | None
    """Standard deviation that the interval comes from."""
    score: Score = field(repr=False)
    """Column, direction, unit, meaning."""
    metric: str
    """Key of `METRICS`."""
    estimator: str
    """The function that made it, in `disbench.metrics`."""
    settings: Mapping[str, Any]
    """Every keyword of the estimator that changes the number."""
    rows: int
    """That it was computed from, training and test together."""
    train: int | None
    """Of them for training; None where the metric does not split them."""
    seed: int
    draws: int
    """Half-samples behind the interval."""
    level: float

    def __float__(self) -> float:
        """The number."""
        return float(self.value)

    @property
    def plain(self) -> Any:
        """The value as strict JSON knows it: None for an infinite number."""
        infinite = self.score.may_be_infinite and math.isinf(self.value)
        return None if infinite else self.value

    def __str__(self) -> str:
        """`mig 0.4773 [0.4710, 0.4840] (mig, bins=20; 15000 rows; seed 0; higher is better)`."""
        settings = "".join(f", {key}={value}" for key, value in self.settings.items())
        better = f"; {self.score.direction} is better" if self.score.direction else ""
        unit = f" {self.score.unit}" if self.score.unit else ""
        value = f"{self.score.column} {shown(self.value)}{unit}"
        bracket = f" {interval_text(self.interval)}" if self.interval else ""
        return f"{value}{bracket} ({self.estimator}{settings}; {self.rows} rows; seed {self.seed}{better})"


class Measured(dict[str, Result]):
    """Results by column, and which metrics could not be had from these arrays."""

    def __init__(self) -> None:
        """Empty."""
        super().__init__()
        self.left_out: dict[str, str] = {}
        """Why, by key of `METRICS`."""


def shown(value: Any) -> str:
    """Four decimals of a number, the shape of anything else."""
    array = np.asarray(value, dtype=float)
    return f"{array:.4f}" if array.ndim == 0 else " x ".join(map(str, array.shape))


def interval_text(interval: tuple[float, float] | None) -> str:
    """`[low, high]`, or nothing."""
    return "" if interval is None else "[{:.4f}, {:.4f}]".format(*interval)
