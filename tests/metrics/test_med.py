"""MED by hand, and what dividing factors' columns by their sums does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import entropy

from disbench.metrics import med, mutual_information_matrix


def grid(*sizes: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


def noisy() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    factors = random.integers(0, [3, 6, 20], size=(2_000, 3))
    return factors @ random.normal(size=(3, 4)) + random.normal(size=(2_000, 4)), factors


def slow(matrix: np.ndarray) -> float:
    """1 - entropy of each row, base the number of columns, weighted by the rows' sums."""
    rows = [1 - entropy(row, base=len(row)) for row in matrix]
    return float(np.average(rows, weights=matrix.sum(axis=1)))


def test_is_the_definition():
    codes, factors = noisy()
    matrix = mutual_information_matrix(codes, factors)
    assert med(codes, factors) == pytest.approx(slow(matrix / matrix.sum(axis=0)), abs=1e-8)
    assert med(codes, factors, normalise="none") == pytest.approx(slow(matrix), abs=1e-8)


def test_a_code_of_two_factors_by_hand():
    """A code holds both factors of 2 and 3 classes, another the first alone.

    Of the first factor each knows ln 2, half of what is known; the second is known by the first code alone. So the rows
    are (1/2, 1) and (1/2, 0).
    """
    factors = grid(2, 3)
    codes = np.column_stack([3 * factors[:, 0] + factors[:, 1], factors[:, 0]]).astype(float)
    third = math.log(3) / 3 + 2 / 3 * math.log(3 / 2)
    assert med(codes, factors) == pytest.approx(1 - 0.75 * third / math.log(2))
    share = math.log(2) / math.log(6)
    mixed = -share * math.log(share) - (1 - share) * math.log(1 - share)
    weight = math.log(6) / (math.log(6) + math.log(2))
    assert med(codes, factors, normalise="none") == pytest.approx(1 - weight * mixed / math.log(2))


@pytest.mark.parametrize("normalise", ["factors", "none"])
def test_one_factor_a_code_is_perfect_even_twice_and_beside_dead_codes(normalise):
    factors = grid(3, 4, 5)
    codes = np.hstack([factors, -factors, np.ones_like(factors)]).astype(float)
    assert med(codes, factors, normalise=normalise) == pytest.approx(1)


def test_noise_seems_to_know_of_large_factors_unless_columns_are_divided():
    random = np.random.default_rng(0)
    factors, codes = random.integers(0, [2, 40], size=(2_000, 2)), random.standard_normal((2_000, 5))
    assert med(codes, factors, normalise="none") > 0.5
    assert med(codes, factors) < 0.1


def test_a_factor_that_no_code_holds_counts_as_much_as_any():
    """A limit of dividing: the bias of its column is brought up to the size of the others, as DCI's importances are."""
    factors = np.random.default_rng(0).integers(0, [4, 4, 4], size=(2_000, 3))
    two = factors[:, :2].astype(float)
    assert med(two, factors, normalise="none") > 0.95
    assert med(two, factors) < 0.5


def test_constant_and_single_factors():
    codes, factors = noisy()
    assert med(codes, np.insert(factors, 1, 7, axis=1)) == pytest.approx(med(codes, factors))
    assert med(codes, factors[:, :1]) == 1
    assert med(np.ones((2_000, 2)), factors) == 0
    with pytest.raises(ValueError, match="at least one must vary"):
        med(codes, np.ones_like(factors))
    with pytest.raises(
        ValueError, match='normalise: expected "none" or "factors", got "codes"'.replace('"codes"', "'codes'")
    ):
        med(codes, factors, normalise="codes")
