"""Estimates of log p(x) with their errors, and how they move as more is spent on them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import require_at_least

Effort: TypeAlias = Literal["importance samples", "annealing steps"]


@dataclass(frozen=True)
class LogLikelihood:
    """Log p(x) of N rows, in nats; higher is better, and estimates of it mostly stay below it."""

    rows_nats: NDArray[np.float64]
    """[N]."""
    rows_error_nats: NDArray[np.float64]
    """[N], standard error from sampling alone, the row as it is; NaN where one sample has no spread."""

    @property
    def nats(self) -> float:
        """Mean over rows."""
        return float(self.rows_nats.mean())

    @property
    def sampling_error_nats(self) -> float:
        """Standard error of the mean from sampling alone: what to compare two estimates of the same rows by."""
        return float(np.sqrt(np.square(self.rows_error_nats).sum()) / len(self.rows_error_nats))

    @property
    def error_nats(self) -> float:
        """Standard error of the mean as of a draw of rows, sampling included; NaN for one row."""
        rows = len(self.rows_nats)
        return float(self.rows_nats.std(ddof=1) / math.sqrt(rows)) if rows > 1 else math.nan

    def __str__(self) -> str:
        """`-21.53 nats (error 0.52 over 100 rows, 0.01 of it from sampling)`."""
        return (
            f"{self.nats:.3f} nats (error {self.error_nats:.3f} over {len(self.rows_nats)} rows,"
            f" {self.sampling_error_nats:.3f} from sampling)"
        )


E = TypeVar("E", bound=LogLikelihood, covariant=True)


@dataclass(frozen=True)
class Convergence(Generic[E]):
    """Estimates of the same rows with growing effort."""

    of: Effort
    """What grows."""
    efforts: tuple[int, ...]
    """[P], ascending."""
    estimates: tuple[E, ...]
    """[P]."""

    @property
    def last(self) -> E:
        """The estimate with the most effort."""
        return self.estimates[-1]

    @property
    def nats(self) -> NDArray[np.float64]:
        """[P], means over rows."""
        return np.array([estimate.nats for estimate in self.estimates])

    @property
    def sampling_error_nats(self) -> NDArray[np.float64]:
        """[P], standard errors of the means from sampling alone."""
        return np.array([estimate.sampling_error_nats for estimate in self.estimates])

    @property
    def gain_nats(self) -> float:
        """Last estimate less the one before, mean over rows; 0 for a single point."""
        return self.estimates[-1].nats - self.estimates[-2].nats if len(self.estimates) > 1 else 0.0

    def __str__(self) -> str:
        """A line a point."""
        lines = (
            f"  {effort:>7,} {estimate.nats:10.3f} ± {estimate.sampling_error_nats:.3f}"
            for effort, estimate in zip(self.efforts, self.estimates, strict=True)
        )
        return "\n".join([f"  {self.of}, nats ± error of sampling", *lines])


def require_ascending(name: str, efforts: Sequence[int]) -> tuple[int, ...]:
    """Whole numbers that ascend from 1 or more, or a ValueError that names the argument."""
    numbers = tuple(require_at_least(name, number, 1) for number in efforts)
    if not numbers or any(b <= a for a, b in itertools.pairwise(numbers)):
        raise ValueError(f"{name}: expected ascending numbers, got {list(efforts)}")
    return numbers
