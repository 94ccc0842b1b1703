"""IRS by hand, and the binned factors of the study."""

from __future__ import annotations

import numpy as np
import pytest

from disbench.metrics import irs


def grid(*sizes: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


def slow_irs(codes: np.ndarray, labels: np.ndarray, quantile: float) -> float:
    scores, weights = [], []
    for z in codes.T:
        largest = np.abs(z - z.mean()).max()
        robust = []
        for v in labels.T:
            still = [z[v == value] for value in np.unique(v)]
            moved = np.mean([np.percentile(np.abs(part - part.mean()), 100 * quantile) for part in still])
            robust.append(1 - moved / largest)
        scores.append(max(robust))
        weights.append(largest)
    return float(np.average(scores, weights=weights))


def test_is_the_studys() -> None:
    random = np.random.default_rng(0)
    factors = random.integers(0, [3, 6, 40], size=(900, 3))
    codes = factors @ random.normal(size=(3, 4)) + random.normal(size=(900, 4))
    binned = np.stack([np.digitize(v, np.histogram(v, 20)[1][:-1]) for v in factors.T], axis=1)
    assert irs(codes, factors) == pytest.approx(slow_irs(codes, binned, 0.99), abs=1e-12)
    exact = irs(codes, factors, quantile=1.0, factor_bins=None)
    assert exact == pytest.approx(slow_irs(codes, factors, 1.0), abs=1e-12)


def test_a_code_of_one_factor_stands_still_with_it() -> None:
    factors = grid(3, 4, 5)
    assert irs(factors * [1.0, -2.0, 5.0], factors) == pytest.approx(1)


def test_a_sum_of_two_factors_by_hand() -> None:
    """One factor fixed, the other still moves the code by 1 around its mean; over all it moves by 2."""
    factors = grid(3, 3)
    assert irs(factors.sum(axis=1, keepdims=True), factors, quantile=1.0) == pytest.approx(0.5)


def test_binned_factors_are_the_studys_choice_not_the_papers() -> None:
    """40 orientations in 20 bins: two share a group, and a perfect code moves within it."""
    factors = grid(40, 3)
    codes = factors[:, :1].astype(float)
    assert irs(codes, factors, factor_bins=None) == 1
    assert irs(codes, factors) == pytest.approx(1 - 0.5 / 19.5)


def test_dead_codes() -> None:
    factors = grid(3, 4)
    codes = factors @ [[1.0, 0.5], [0.3, 1.0]]
    assert irs(np.hstack([codes, np.ones_like(codes)]), factors) == pytest.approx(irs(codes, factors))
    assert irs(np.ones((12, 2)), factors) == 0


@pytest.mark.parametrize("dead", [0.1, 1 / 3, 7.7])
def test_codes_are_dead_whatever_their_value(dead: float) -> None:
    """The variance of 10,000 times 0.1 rounds to 2.5e-28, not to 0: read as a code, it scored -156 or divided by 0."""
    factors = np.random.default_rng(0).integers(0, 3, size=(10_000, 2))
    assert irs(np.full((10_000, 2), dead), factors) == 0


def test_bad_quantile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"quantile: expected a number in 0 \.\. 1, got 99"):
        irs(grid(3, 4), grid(3, 4), quantile=99)
