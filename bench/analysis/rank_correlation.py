"""Spearman's rank correlation of every two columns of a table, with how far it can be trusted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 3
"""Fewer models have no correlation that could be anything but -1 or 1."""

ENUMERATED = 7
"""Up to so many models all orders are gone through (5,040), and the p-value is exact."""


ORDERS_AT_ONCE = 16
"""Pairings in one matrix product: a product of two narrow matrices each takes ten times as long."""


class RankCorrelation(NamedTuple):
    """Of every two columns, [S, S], symmetric. NaN where fewer than 3 rows have both, or one is constant there."""

    correlation: Floats
    """-1 .. 1."""
    low: Floats
    """Lower end of the bootstrap interval."""
    high: Floats
    """Its upper end."""
    p_value: Floats
    """Share of random pairings of the two columns with a correlation as far from 0: two-sided."""
    rows: NDArray[np.int64]
    """How many rows have both."""


def rank_correlation(
    values: Floats, *, resamples: int = 1000, permutations: int = 1000, level: float = 0.95, seed: int = 0
) -> RankCorrelation:
    """Spearman's correlation of every two columns over the rows that have both; ties share their mean rank.

    Args:
        values: [N, S]; what is not finite is missing.
        resamples: draws of N rows with replacement behind the interval (percentiles); 0 leaves it NaN.
        permutations: random pairings behind the p-value, which cannot fall below 1 / (permutations + 1); up to 7 rows
            all pairings are counted instead. 0 leaves it NaN.
        level: of the interval, 0 .. 1.
        seed: of both.

    Returns:
        See `RankCorrelation`.

    Reference:
        Spearman 1904, "The Proof and Measurement of Association between Two Things". The interval: Efron 1979,
        "Bootstrap Methods: Another Look at the Jackknife"; with few rows it is too narrow, and a correlation of
        exactly 1 has none at all: read the p-value.
    """
    square = (values.shape[1], values.shape[1])
    found = RankCorrelation(
        np.full(square, np.nan),
        np.full(square, np.nan),
        np.full(square, np.nan),
        np.full(square, np.nan),
        np.zeros(square, dtype=np.int64),
    )
    present = np.isfinite(values)
    patterns, which = np.unique(present, axis=1, return_inverse=True)
    # Columns that lack the same rows are correlated at once: mostly there are one or two such sets.
    for first, second in itertools.combinations_with_replacement(range(patterns.shape[1]), 2):
        rows = patterns[:, first] & patterns[:, second]
        members = np.flatnonzero((which == first) | (which == second))
        block = np.ix_(members, members)
        mixed = np.not_equal.outer(which[members], which[members]) | (first == second)
        table = np.asarray(values[rows][:, members])
        found.rows[block] = np.where(mixed, len(table), found.rows[block])
        if len(table) < LEAST:
            continue
        parts = (
            _correlation(table),
            *_interval(table, resamples, level, seed),
            _p_value(table, permutations, seed),
        )
        for whole, part in zip(found[:4], parts, strict=True):
            whole[block] = np.where(mixed, part, whole[block])
    return found


def standardised(table: Floats) -> Floats:
    """Ranks of every column with mean 0 and length 1; NaN for a constant one."""
    from scipy.stats import rankdata

    ranks = rankdata(table, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt(np.square(ranks).sum(axis=0))
    return np.divide(ranks, length, out=np.full_like(ranks, np.nan), where=length > 0)


def _correlation(table: Floats) -> Floats:
    standard = standardised(table)
    return np.clip(standard.T @ standard, -1, 1)


def _interval(table: Floats, resamples: int, level: float, seed: int) -> tuple[Floats, Floats]:
    """Percentiles of the correlations of resampled rows; resamples in which a column is constant do not count."""
    if not resamples:
        nothing = np.full((table.shape[1],) * 2, np.nan)
        return nothing, nothing
    random = np.random.Generator(np.random.Philox([seed, 0]))
    ordered = np.sort(list(_resampled(table, random, resamples)), axis=0)  # NaN last
    known = np.isfinite(ordered).sum(axis=0)
    return _quantile(ordered, known, (1 - level) / 2), _quantile(ordered, known, (1 + level) / 2)


def _quantile(ordered: Floats, known: NDArray[np.int64], share: float) -> Floats:
    """Of the first `known` [S, S] of ascending values [R, S, S], linear between neighbours; NaN where there is none."""
    place = share * np.maximum(known - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(known - 1, 0))
    low, high = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (below, above))
    return np.asarray(low + (place - below) * (high - low))


def _resampled(table: Floats, random: np.random.Generator, resamples: int) -> Iterator[Floats]:
    """Correlations of as many rows drawn with replacement, each ranked anew.

    Columns are sorted once: in a resample that holds a row w times, the mean rank of a value's copies and ties is half
    of (w of smaller values + w of these and smaller values + 1).
    """
    from scipy.stats import rankdata

    count = len(table)
    order = np.argsort(table, axis=0, kind="stable")
    smaller = (rankdata(table, "min", axis=0) - 1).astype(np.int64)
    no_larger = rankdata(table, "max", axis=0).astype(np.int64)
    up_to = np.zeros((count + 1, table.shape[1]))
    for _ in range(resamples):
        weights = np.bincount(random.integers(0, count, size=count), minlength=count).astype(np.float64)
        np.cumsum(weights[order], axis=0, out=up_to[1:])
        drawn = np.flatnonzero(weights)
        below = np.take_along_axis(up_to, smaller[drawn], axis=0)
        ranks = (below + np.take_along_axis(up_to, no_larger[drawn], axis=0) - count) / 2  # less their mean
        products = ranks.T @ (weights[drawn, None] * ranks)
        length = np.sqrt(np.diag(products))
        length[length == 0] = np.nan
        yield np.clip(products / np.outer(length, length), -1, 1)


def _p_value(table: Floats, permutations: int, seed: int) -> Floats:
    standard = standardised(table)
    count = len(table)
    observed = np.abs(standard.T @ standard) - 1e-12  # rounding makes no pairing less extreme than itself
    if not permutations:
        return np.full_like(observed, np.nan)
    exact = count <= ENUMERATED
    random = np.random.Generator(np.random.Philox([seed, 1]))
    orders = iter(
        itertools.permutations(range(count))
        if exact
        else (random.permutation(count) for _ in range(permutations))
    )
    columns, rows = np.ascontiguousarray(standard.T), np.ascontiguousarray(standard)
    extreme = np.zeros_like(observed)
    while several := list(itertools.islice(orders, ORDERS_AT_ONCE)):
        paired = columns[:, np.array(several)].reshape(-1, count) @ rows
        extreme += (np.abs(paired.reshape(len(observed), -1, len(observed))) >= observed[:, None]).sum(axis=1)
    p_value = extreme / math.factorial(count) if exact else (extreme + 1) / (permutations + 1)
    # Both halves of the matrix have pairings of their own; one speaks for both. Of a column with itself there is none.
    p_value = np.triu(p_value, 1) + np.triu(p_value, 1).T
    p_value[np.isnan(observed) | np.eye(len(observed), dtype=bool)] = np.nan
    return p_value
