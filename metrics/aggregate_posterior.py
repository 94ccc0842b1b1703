"""Log density of the aggregate posterior, q(z) = 1/N sum_n q(z | x_n), and of its marginals, over any number of rows.

No sum is sampled, and no more than `NEGLIGIBLE` of it is left out, by bounds that hold for any data. For the joint,
posteriors are sorted into boxes of neighbours, and a code passes over the boxes from which even the nearest corner
could add nothing. For a marginal, posteriors of about one width add up to a function that is smooth on the scale of
that width: it is tabulated and interpolated wherever that is less work than summing at every code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.special import binom
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import Floats, Integers

Reals: TypeAlias = NDArray[np.floating[Any]]

LOG_2PI = math.log(2.0 * math.pi)

NEGLIGIBLE = 1e-7
"""Share of a density that may be left out of it, so nats of its logarithm."""

EXPONENTS = 2**16
"""In work at once by a thread: they stay in its cache."""


def aggregate_log_densities(
    z: Floats,
    mean: Floats,
    logvar: Floats,
    *,
    floor: Floats,
    dtype: DTypeLike = np.float32,
    threads: int = 1,
) -> tuple[Floats, Floats]:
    """Log q(z) and log q(z_j) of codes under the equal mixture of all posteriors, in memory of the order of N D.

    Args:
        z: [S, D] codes.
        mean: [N, D] posterior means.
        logvar: [N, D] logarithms of posterior variances.
        floor: [S], no more than log sum_n q(z | x_n), say the log density of a code under the posterior that it was
            drawn from: what is far below it is not looked at. A lower floor, down to -inf, costs time alone.
        dtype: of exponentials and of sums over neighbours; exponents of the joint are float64 always.
        threads: that work at once; their number changes no bit of the result.

    Returns:
        log q(z) [S] and log q(z_j) [D, S], in nats; what `NEGLIGIBLE` allows lower than the exact value at most, and
        in float32 about 1e-7 nats away from it at random.
    """
    rows, dimensions = mean.shape
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1):
        sorting = pool.submit(neighbours, mean, logvar)
        marginals = [
            pool.submit(log_marginal_sum, z[:, j], mean[:, j], logvar[:, j], dtype) for j in range(dimensions)
        ]
        boxes = sorting.result()
        joint = [
            pool.submit(log_joint_sum, boxes[part::PARTS], z, floor, mean, logvar, dtype)
            for part in range(min(PARTS, len(boxes)))
        ]
        log_joint = np.logaddexp.reduce([part.result() for part in joint])
        log_marginals = np.stack([marginal.result() for marginal in marginals])
    return log_joint - math.log(rows), log_marginals - math.log(rows)


# -- joint --------------------------------------------------------------------------------------------------

BOX = 512
"""Posteriors in a box, at most."""

PARTS = 16
"""Shares of the boxes, each the work of one thread."""

LOOKED_AT = 500
"""Rows by which a split is chosen, about."""


FAR = 1e30
"""Nats; a density so far down is 0, and still a number in float32."""


@dataclass(frozen=True)
class Box:
    """Posteriors with neighbouring means."""

    low: Floats
    """[D], smallest means."""
    high: Floats
    """[D], largest means."""
    mean: Floats
    """[n, D]."""
    precision: Floats
    """[n, D], 1 / variance."""
    heights: Floats
    """[n], log densities at the means."""

    @classmethod
    def of(cls, mean: Floats, logvar: Floats) -> Box:
        """The box of posteriors [n, D]."""
        heights = -0.5 * (logvar + LOG_2PI).sum(axis=1)
        return cls(mean.min(axis=0), mean.max(axis=0), mean, np.exp(-logvar), heights)

    def bound(self, z: Floats) -> Floats:
        """What no log density of the box exceeds at codes [S, D]: [S]."""
        away = np.maximum(np.maximum(self.low - z, z - self.high), 0.0)
        return self.heights.max() - 0.5 * (away**2) @ self.precision.min(axis=0)

    def log_densities(self, z: Floats, less: Floats) -> Floats:
        """Of codes [S, D] under each posterior, less a number for each code [S]: [S, n]."""
        if not self.is_compact:
            squares = (z[:, None] - self.mean) ** 2
            away = 0.5 * np.einsum("snd,nd->sn", squares, self.precision)
            return self.heights - less[:, None] - np.minimum(away, FAR)
        monomials = np.column_stack([(z - self.low) ** 2, z - self.low, np.ones(len(z)), less])
        return monomials @ self.coefficients

    @cached_property
    def is_compact(self) -> bool:
        """Whether squares may be multiplied out about a corner: in float64 that rounds by less than 1e-8 nats."""
        extent = self.high - self.low + 8.0 / np.sqrt(self.precision.min(axis=0))
        return bool(extent**2 @ self.precision.max(axis=0) * np.finfo(np.float64).eps < 1e-8)

    @cached_property
    def coefficients(self) -> Floats:
        """[2 D + 2, n], of the log densities as polynomials in z - low."""
        mean = self.mean - self.low
        constants = self.heights - 0.5 * (mean**2 * self.precision).sum(axis=1)
        return np.vstack([-0.5 * self.precision.T, (mean * self.precision).T, constants, -np.ones(len(mean))])


def neighbours(mean: Floats, logvar: Floats) -> list[Integers]:
    """Row numbers by box: rows are halved along the dimension in which means are spread over most deviations."""
    boxes, waiting = [], [np.arange(len(mean))]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= BOX:
            boxes.append(rows)
            continue
        some = rows[:: 1 + len(rows) // LOOKED_AT]
        widest = (mean[some].std(axis=0) / np.exp(0.5 * logvar[some]).mean(axis=0)).argmax()
        halves = rows[np.argpartition(mean[rows, widest], len(rows) // 2)]
        waiting += np.array_split(halves, 2)
    return boxes


def log_joint_sum(
    boxes: Iterable[Integers], z: Floats, floor: Floats, mean: Floats, logvar: Floats, dtype: DTypeLike
) -> Floats:
    """Log of the sum of q(z | x_n) over the rows of some boxes, less what is negligible beside exp(floor): [S]."""
    total = np.full(len(z), -np.inf)
    slack = math.log(len(mean) / NEGLIGIBLE)  # so far below, N terms together are negligible
    for rows in boxes:
        box = Box.of(mean[rows], logvar[rows])
        bound, known = box.bound(z), np.maximum(floor, total)
        scale = np.maximum(
            known, bound - slack
        )  # subtracted before rounding: terms that count are small numbers
        near = np.flatnonzero(bound > known - slack)
        for some in np.array_split(near, 1 + len(near) * len(rows) // EXPONENTS):
            exponents = box.log_densities(z[some], scale[some]).astype(dtype)
            total[some] = np.logaddexp(total[some], scale[some] + log_sum_exp(exponents))
    return total


def log_sum_exp(exponents: Reals) -> Floats:
    """Over the last axis, in the type of the exponents, which are overwritten."""
    peak = exponents.max(axis=-1, keepdims=True)
    exponents -= peak
    np.exp(exponents, out=exponents)
    return (np.log(exponents.sum(axis=-1)) + peak[..., 0]).astype(np.float64)


# -- marginals ----------------------------------------------------------------------------------------------

REACH = 8.5
"""Deviations beyond which a posterior is not looked at."""

PER_DEVIATION, NODES = 6, 16
"""Entries of a table in a deviation of the narrowest posterior, and how many of them an interpolation takes."""

CELL = 8 * PER_DEVIATION
"""Entries of a table."""


def log_marginal_sum(z: Floats, mean: Floats, logvar: Floats, dtype: DTypeLike) -> Floats:
    """Log of the sum of q(z_j | x_n) over all rows, for one dimension j: codes [S], posteriors [N] to [S]."""
    ascending = np.argsort(z)
    octave = np.floor(logvar / math.log(2.0))
    order = np.lexsort((mean, octave))
    octaves = np.split(order, np.flatnonzero(np.diff(octave[order])) + 1)
    found, left_out = np.zeros(len(z)), 0.0
    for rows in octaves:
        found[ascending] += density_sum(z[ascending], mean[rows], logvar[rows], dtype)
        left_out += len(rows) * math.exp(-0.5 * (REACH**2 + logvar[rows].min()))
    far = found * NEGLIGIBLE <= left_out
    logged = np.log(np.where(far, 1.0, found))
    for code in np.flatnonzero(far):
        logged[code] = log_sum_exp(-0.5 * ((z[code] - mean) ** 2 * np.exp(-logvar) + logvar))
    return logged - 0.5 * LOG_2PI


def density_sum(z: Floats, mean: Floats, logvar: Floats, dtype: DTypeLike) -> Floats:
    """Sum_n exp(-(z - mean_n)^2 / 2 v_n) / sqrt(v_n), at codes [S], of posteriors [n] within an octave of variance.

    Codes and means ascend. Posteriors further than `REACH` from a cell of codes are left out.
    """
    deviation = np.exp(0.5 * logvar)
    spacing, reach = deviation.min() / PER_DEVIATION, REACH * deviation.max()
    found = np.zeros(len(z))
    for start, end in itertools.pairwise(cells(z, CELL * spacing)):
        codes = z[start:end] - z[start]
        near = slice(*np.searchsorted(mean, (z[start] - reach, z[end - 1] + reach)))
        places = codes / spacing
        entries = math.floor(places[-1]) + NODES
        as_table = entries < len(codes)
        points = (np.arange(entries) - BEFORE) * spacing if as_table else codes
        sums = exponential_sum(points, mean[near] - z[start], deviation[near], dtype)
        found[start:end] = interpolated(sums, places) if as_table else sums
    return found


def cells(z: Floats, width: float) -> Sequence[int]:
    """Where cells of ascending codes begin, and their end; they are widened until there is one for 16 codes."""
    width = max(width, 16 * (z[-1] - z[0]) / len(z))
    return [*np.flatnonzero(np.diff(np.floor((z - z[0]) / width), prepend=-1.0)), len(z)]


FINE = 2.0**14
"""Deviations across, up to which float32 tells places apart well enough."""


def exponential_sum(points: Floats, mean: Floats, deviation: Floats, dtype: DTypeLike) -> Floats:
    """Sum_n exp(-(point - mean_n)^2 / 2 deviation_n^2) / deviation_n at points [P]: [P].

    In units of the narrowest deviation, so that no density overflows; in float64 where places are far apart in them.
    """
    found = np.zeros(len(points))
    if not len(mean):
        return found
    unit = deviation.min()
    extent = max(np.abs(points).max(), np.abs(mean[[0, -1]]).max()) / unit
    kind = dtype if extent < FINE else np.float64
    column, centre = (points[:, None] / unit).astype(kind), (mean / unit).astype(kind)
    weight, scale = (unit / deviation).astype(kind), (math.sqrt(0.5) * unit / deviation).astype(kind)
    width = max(1, EXPONENTS // len(points))
    with np.errstate(over="ignore"):  # of squares: exp(-inf) is 0
        for start in range(0, len(mean), width):
            part = slice(start, start + width)
            exponents = column - centre[part]
            exponents *= scale[part]
            np.square(exponents, out=exponents)
            np.negative(exponents, out=exponents)
            np.exp(exponents, out=exponents)
            found += exponents @ weight[part]
    return found / unit


BEFORE = NODES // 2 - 1
"""Entries of a table before the first code of its cell."""


def interpolated(table: Floats, places: Floats) -> Floats:
    """Values at places counted in entries from entry `BEFORE`, by the polynomial through the nearest `NODES` entries.

    The relative error for a Gaussian is 2e-12 at its centre, 1e-9 five deviations away and 5e-8 at 6.5.
    """
    whole = np.floor(places).astype(np.int64)
    node = np.arange(NODES)
    distance = (places - whole)[:, None] - (node - BEFORE)
    distance[distance == 0] = 1e-100  # on an entry: it outweighs all others
    weight = binom(NODES - 1, node) * (-1.0) ** node / distance
    values: Floats = (weight * table[whole[:, None] + node]).sum(axis=1) / weight.sum(axis=1)
    return values
