"""Whether a measured mean agrees with a printed one: the rule of docs/published.md, and nothing else.

A printed number is one draw of what its authors' code does at their seeds, ours is another. They agree unless they are
further apart than two such draws are in 19 cases of 20, if both come from one distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from .numbers import TAGS, PublishedNumber

Status = Literal["agrees", "differs", "not comparable"]

FEWEST_SEEDS = 3
"""Two models have a spread, but none that tells anything: Student's quantile at one degree of freedom is 12.7."""

WIDE = 3.0
"""Of room to each side, in standard deviations over seeds: with more an agreement says little."""

LEVEL = 0.95
"""Of intervals, and of agreement."""

RESAMPLES = 10_000
"""Behind the interval of a median."""

MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Standard error of the median of many normal numbers, over that of their mean."""

Values = NDArray[np.float64]


class Measured(NamedTuple):
    """What models of one setting say, one number a seed."""

    value: float
    """Mean or median, as the printed number is."""
    spread: float
    """Standard deviation over seeds, ddof 1; NaN for one."""
    low: float
    high: float
    """The interval at `LEVEL`; NaN below `FEWEST_SEEDS` models."""
    interval: str
    """How it was made."""


class Verdict(NamedTuple):
    """What can be said of a printed number beside a measured one."""

    status: Status
    difference: float
    """Measured less printed, in standard deviations over seeds; NaN without a spread, infinite at a spread of 0."""
    tolerance: float
    """How far apart they may be and still agree, in the column's unit; NaN where none can be told."""
    reasons: tuple[str, ...]
    """Why they are not comparable; empty for the other two."""


def measured(values: Values, statistic: Literal["mean", "median"]) -> Measured:
    """Value, spread and interval over seeds of n numbers, n at least 1.

    The interval of a mean is Student's; that of a median is percentiles of `RESAMPLES` draws with replacement, by a
    generator of its own. Below `FEWEST_SEEDS` neither is given.
    """
    count = len(values)
    value = float(np.mean(values) if statistic == "mean" else np.median(values))
    spread = float(np.std(values, ddof=1)) if count > 1 else math.nan
    if count < FEWEST_SEEDS:
        return Measured(value, spread, math.nan, math.nan, "")
    if statistic == "mean":
        half = quantile(count - 1) * spread / math.sqrt(count)
        return Measured(value, spread, value - half, value + half, "Student's t over seeds")
    rows = np.random.Generator(np.random.Philox(0)).integers(count, size=(RESAMPLES, count))
    medians = np.median(values[rows], axis=1)
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measured(value, spread, float(low), float(high), "bootstrap over seeds")


def quantile(freedom: float) -> float:
    """Student's two-sided quantile at `LEVEL`."""
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def tolerance(spread: float, count: int, number: PublishedNumber) -> float:
    """How far a printed number may be from the statistic of `count` models with this spread, and still agree.

    Returns:
        t * sqrt(s^2 / n + s'^2 / n') with Welch's degrees of freedom where spread s' and number of models n' were
        printed; else t * s * sqrt(1 / n + 1 / n') with n - 1 of them, n' = 1 where it was not said. For medians
        sqrt(pi / 2) times that. Plus what rounding for print may have moved the number.

    Reference:
        Welch 1947, "The Generalization of Student's Problem when Several Different Population Variances are Involved".
    """
    ours = spread**2 / count
    if number.spread is not None and number.models is not None and number.models > 1:
        theirs = number.spread**2 / number.models
        error = math.sqrt(ours + theirs)
        freedom = (ours + theirs) ** 2 / (ours**2 / (count - 1) + theirs**2 / (number.models - 1))
    else:
        error, freedom = spread * math.sqrt(1 / count + 1 / (number.models or 1)), count - 1
    widened = MEDIAN_ERROR if number.statistic == "median" else 1.0
    return widened * quantile(freedom) * error + number.rounding


def verdict(values: Values, number: PublishedNumber, departures: Sequence[str] = ()) -> Verdict:
    """Judge a printed number by models of one setting.

    Args:
        values: [n], one a seed, n at least 1.
        number: what was printed.
        departures: in what these models were made or scored otherwise than those behind the printed number.
    """
    found = measured(values, number.statistic)
    gap = found.value - number.value
    reasons = [number.not_comparable] if number.not_comparable else []
    reasons += departures
    if number.tag == "M":
        reasons.append(f"the printed number is {TAGS['M']}")
    if len(values) < FEWEST_SEEDS:
        reasons.append(f"{len(values)} of at least {FEWEST_SEEDS} seeds")
    if math.isnan(found.spread):
        return Verdict("not comparable", math.nan, math.nan, tuple(reasons))
    difference = gap / found.spread if found.spread > 0 else math.copysign(math.inf, gap) if gap else 0.0
    if reasons:
        return Verdict("not comparable", difference, math.nan, tuple(reasons))
    allowed = tolerance(found.spread, len(values), number)
    # Differences of decimals that were printed are not exact in binary: 0.3 - 0.2 is above 0.1.
    agrees = abs(gap) <= allowed or math.isclose(abs(gap), allowed, rel_tol=1e-9)
    return Verdict("agrees" if agrees else "differs", difference, allowed, ())
