"""The best of several random models: by hand, against all sets written out, with ties, at the size of a whole study."""

import itertools

import numpy as np
import pytest

from disbench.bench.analysis.order_statistics import (
    chance_of_being_best,
    chance_to_win,
    chances_of_bests,
    share_of_draws_within,
)


def beats(a, b):
    """1, or half for a tie."""
    return (a > b) + 0.5 * (a == b)


def test_by_hand():
    """Two of four: one set of six lies within the first two, three within the first three."""
    assert share_of_draws_within(4, 2) == pytest.approx([0, 0, 1 / 6, 3 / 6, 1])
    assert chance_of_being_best(np.array([1.0, 2, 3, 4]), 2) == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6])
    # Of {1, 3, 3, 2} a 3 is the best of all sets but {1, 2}, and a coin decides which.
    assert chance_of_being_best(np.array([1.0, 3, 3, 2]), 2) == pytest.approx([0, 5 / 12, 5 / 12, 1 / 6])
    assert chance_to_win(np.array([1.0, 2, 5]), np.array([2.0, 2, 4, 0])) == pytest.approx([1 / 4, 2 / 4, 1])


def test_best_of_n_by_hand():
    """1, 3, 5 against 2, 4, 6: three of nine pairs are won; of sets of two {1, 3} wins one time, the others two."""
    chances = chances_of_bests(np.array([1.0, 3, 5]), np.array([2.0, 4, 6]), 3)
    assert chances[:, 0] == pytest.approx([3 / 9, 5 / 9, 2 / 3])
    # Bests of two others are 4, 6 and 6: only 5 beats the 4.
    assert chances[:, 1] == pytest.approx([3 / 9, 2 / 9, 0])


@pytest.mark.parametrize("seed", range(5))
def test_against_every_set(seed):
    """Six and four values of few kinds, so that many are equal: all sets written out."""
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 4, size=6).astype(float), random.integers(0, 4, size=4).astype(float)
    found = chances_of_bests(a, b, 6)
    for n in range(1, 7):
        bests = [max(some) for some in itertools.combinations(a, n)]
        assert found[n - 1, 0] == pytest.approx(np.mean([beats(x, y) for x in bests for y in b]))
        weights = chance_of_being_best(a, n)
        assert weights @ a == pytest.approx(np.mean(bests))
        if n <= 4:
            others = [max(some) for some in itertools.combinations(b, n)]
            assert found[n - 1, 1] == pytest.approx(np.mean([beats(x, y) for x in bests for y in others]))
    assert np.isnan(found[4:, 1]).all()


def test_equal_methods_have_equal_chances():
    """Against itself one half, with as many tries on both sides; with more tries more."""
    values = np.random.default_rng(0).normal(size=12)
    chances = chances_of_bests(values, values, 12)
    assert chances[:, 1] == pytest.approx(0.5)
    assert chances[0, 0] == pytest.approx(0.5)
    assert (np.diff(chances[:, 0]) > 0).all()


def test_columns_are_by_themselves_and_sizes_do_not_overflow():
    """C(1800, 900) has 540 digits; the chances of 1,800 models add up to one all the same."""
    values = np.random.default_rng(0).normal(size=(1800, 2))
    for draws in (1, 2, 900, 1800):
        chances = chance_of_being_best(values, draws)
        assert chances.sum(axis=0) == pytest.approx([1, 1])
        assert chances[:, 1] == pytest.approx(chance_of_being_best(values[:, 1], draws))
    assert chance_of_being_best(values, 1) == pytest.approx(1 / 1800)
    assert chances.max(axis=0) == pytest.approx([1, 1])
