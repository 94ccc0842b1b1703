"""A score with its error: value, interval, estimator and settings in one object that prints itself."""

from __future__ import annotations

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
    settings: Mapping[str, Any]
    """Every keyword of the estimator that changes the number."""
    rows: int
    """That were at hand, training and test together."""
    train: int
    """Of them for training."""
    seed: int
    draws: int
    """Half-samples behind the interval."""
    level: float

    def __float__(self) -> float:
        """The number."""
        return float(self.value)

    def __str__(self) -> str:
        """`mig 0.477 [0.471, 0.484]`, with direction, unit and settings."""
        settings = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        better = {"higher": "higher is better", "lower": "lower is better"}.get(
            self.score.direction or "", ""
        )
        tail = "; ".join(part for part in (better, f"{self.rows} rows", settings) if part)
        unit = f" {self.score.unit}" if self.score.unit else ""
        return f"{self.score.column} {shown(self.value)}{unit}{interval_text(self)} ({tail})"


def shown(value: Any) -> str:
    """Four decimals of a number, the shape of anything else."""
    array = np.asarray(value, dtype=float)
    return f"{array:.4f}" if array.ndim == 0 else " x ".join(map(str, array.shape))


def interval_text(result: Result) -> str:
    """` [low, high]`, or nothing."""
    return "" if result.interval is None else " [{:.4f}, {:.4f}]".format(*result.interval)
