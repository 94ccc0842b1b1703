"""The best of several models drawn at random, by counting: no draw is made."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .rank_correlation import Floats


def share_of_draws_within(count: int, draws: int) -> Floats:
    """For k = 0 .. count: how many of the sets of `draws` out of `count` lie within the first k, as a share.

    C(k, draws) / C(count, draws), by the ratio of neighbours, so that no binomial overflows.

    Args:
        count: N of 1 or more.
        draws: 1 .. N.

    Returns:
        [N + 1], ascending from 0 to 1.
    """
    place = np.arange(count, 0, -1)
    falling = np.cumprod(np.maximum(place - draws, 0) / place)
    return np.concatenate([falling[::-1], [1.0]])


def chance_of_being_best(values: Floats, draws: int) -> Floats:
    """For each of N values the chance that it is the largest of `draws` drawn without replacement.

    Values that are equal share the chance of the largest being one of them, as if a coin decided.

    Args:
        values: [N] or [N, S], S columns by themselves; finite.
        draws: 1 .. N.

    Returns:
        The shape of `values`; each column adds up to 1.
    """
    within, ascending = share_of_draws_within(len(values), draws), np.sort(values, axis=0)
    smaller, no_larger = np.empty((2, *values.shape), dtype=np.int64)
    for column in np.ndindex(values.shape[1:]):
        place = slice(None), *column
        smaller[place] = np.searchsorted(ascending[place], values[place], side="left")
        no_larger[place] = np.searchsorted(ascending[place], values[place], side="right")
    return np.asarray((within[no_larger] - within[smaller]) / (no_larger - smaller))


def chance_to_win(values: Floats, others: Floats) -> Floats:
    """For each of N values the share of M others below it, where an equal one counts half.

    Args:
        values: [...].
        others: [M], M at least 1.

    Returns:
        The shape of `values`, 0 .. 1.
    """
    ascending = np.sort(others)
    below = np.searchsorted(ascending, values, side="left")
    no_larger = np.searchsorted(ascending, values, side="right")
    return np.asarray((below + no_larger) / (2 * len(others)))


def chances_of_bests(values: Floats, others: Floats, most: int) -> Floats:
    """For n = 1 .. `most` the chance that the best of n values beats one of the others, and the best of n others.

    All are drawn without replacement; a tie counts half. One draw each gives the probability of superiority.

    Args:
        values: [N].
        others: [M].
        most: 1 .. N.

    Returns:
        [most, 2], 0 .. 1; the second column is NaN where n exceeds M.

    Reference:
        Mann and Whitney 1947, "On a Test of Whether One of Two Random Variables Is Stochastically Larger than the
        Other", is n = 1; ties at half as in Vargha and Delaney 2000.
    """
    found = np.full((most, 2), np.nan)
    best = _chances_of_being_best(values, most)
    found[:, 0] = best @ chance_to_win(values, others)
    both = min(most, len(others))
    ascending = np.sort(others)
    cumulated = np.cumsum(_chances_of_being_best(ascending, both), axis=1)
    cumulated = np.hstack([np.zeros((both, 1)), cumulated])
    below = cumulated[:, np.searchsorted(ascending, values, side="left")]
    no_larger = cumulated[:, np.searchsorted(ascending, values, side="right")]
    found[:both, 1] = (best[:both] * (below + no_larger) / 2).sum(axis=1)
    return found


def _chances_of_being_best(values: Floats, most: int) -> Floats:
    """`chance_of_being_best` of [N] values for 1 .. `most` draws: [most, N]."""
    within, ascending = _shares_within(len(values), most), np.sort(values)
    no_larger = np.searchsorted(ascending, values, side="right")
    smaller = np.searchsorted(ascending, values, side="left")
    return np.asarray((within[:, no_larger] - within[:, smaller]) / (no_larger - smaller))


@lru_cache(maxsize=16)
def _shares_within(count: int, most: int) -> Floats:
    """`share_of_draws_within` for 1 .. `most` draws: [most, count + 1]. Every resample asks for the same."""
    return np.stack([share_of_draws_within(count, draws) for draws in range(1, most + 1)])
