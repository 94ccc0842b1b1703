"""The FactorVAE score: which code moves least while a factor is held."""

from __future__ import annotations

import numpy as np

from .arrays import Array, Floats, Integers, as_factors, as_matrix, require_at_least, require_equal_rows
from .fixed_factor import FixedFactor

VOTES_AT_ONCE = 500
"""In memory at once."""


def factor_vae_score(
    codes: Array,
    factors: Array,
    *,
    votes: int = 10_000,
    test_votes: int = 5_000,
    batch_size: int = 64,
    threshold: float = 0.05,
    seed: int = 0,
) -> float:
    """Accuracy of a majority vote that tells the held factor by the code that moves least, on new votes.

    For a vote, one factor is held at the class of a random row and `batch_size` rows are drawn that share it; the code
    with the least variance over them, relative to its variance over all rows, gets the vote. Each code then stands for
    the factor that it got most votes for.

    Args:
        codes: [N, D], posterior means, of the whole data set or a sample of it. Rows are drawn with replacement from
            this table: where the reference encodes a million new images, this indexes.
        factors: [N, K], whole-number classes. Constant factors, and rows alone in their class, are left out.
        votes: of which the majority is taken; 10,000 in the study.
        test_votes: on which it is judged; 5,000 in the study.
        batch_size: rows a vote, at least 2; 64 in the study.
        threshold: codes whose standard deviation is below it get no vote. It has the unit of the codes.
        seed: of every draw.

    Returns:
        0 (every code is below the threshold) .. 1; 1 / K by chance; higher is better. A code may serve two factors, or
        a factor be in no code, at a cost of 1 / K alone; copies cost nothing.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, no factor
            that can be held, a count below its least, or a negative threshold.

    Reference:
        Kim and Mnih 2018, "Disentangling by Factorising", section 4, with the pruning of the study (Locatello et al.
        2019: a standard deviation of 0.05; the paper prunes by KL, and the study's code nothing unless told to). Many
        copies take the variance over all rows from a few thousand of them; here it is of the whole table.
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    if require_equal_rows(codes=values, factors=classes) < 2:
        raise ValueError("codes: at least 2 rows for a variance")
    votes = require_at_least("votes", votes, 1)
    total = votes + require_at_least("test_votes", test_votes, 1)
    batch_size = require_at_least("batch_size", batch_size, 2)
    if not threshold >= 0:
        raise ValueError(f"threshold: expected a number >= 0, got {threshold}")
    spread = values.var(axis=0, ddof=1)
    alive = spread >= threshold**2
    alive &= spread > 0
    table = FixedFactor(classes)
    if not alive.any():
        return 0.0
    random = np.random.Generator(np.random.Philox(seed))
    held = random.integers(len(table.columns), size=total)
    winners = _winners(values[:, alive] / np.sqrt(spread[alive]), table, held, batch_size, random)
    tally = np.zeros((int(alive.sum()), len(table.columns)), dtype=np.int64)
    np.add.at(tally, (winners[:votes], held[:votes]), 1)
    return float(np.mean(tally.argmax(axis=1)[winners[votes:]] == held[votes:]))


def _winners(
    values: Floats, table: FixedFactor, held: Integers, batch_size: int, random: np.random.Generator
) -> Integers:
    """The code of least variance in each vote: [V]."""
    winners = np.empty(len(held), dtype=np.int64)
    for which in range(len(table.columns)):
        mine = np.flatnonzero(held == which)
        for some in np.split(mine, range(VOTES_AT_ONCE, len(mine), VOTES_AT_ONCE)):
            anchors = table.anchors(which, random.random((len(some), 1)))
            rows = table.partners(which, anchors, random.random((len(some), batch_size)))
            winners[some] = values[rows].var(axis=1, ddof=1).argmin(axis=1)
    return winners
