"""MIG and its mutual information matrix against scikit-learn, numpy and values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from disbench.metrics import equal_width_bins, factor_entropy, mig, mutual_information_matrix


def grid(*sizes: int) -> np.ndarray:
    """Every combination of factors once, [prod(sizes), len(sizes)]."""
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bins_are_numpys(dtype) -> None:
    codes = np.random.default_rng(0).normal(size=(5_000, 4)).astype(dtype)
    for column, binned in zip(codes.T, equal_width_bins(codes).T, strict=True):
        np.testing.assert_array_equal(binned, np.digitize(column, np.histogram(column, 20)[1][:-1]) - 1)


def test_mutual_information_is_scikit_learns() -> None:
    random = np.random.default_rng(1)
    factors = random.integers(0, [3, 6, 40], size=(2_000, 3))
    codes = (factors @ random.normal(size=(3, 5)) + random.normal(size=(2_000, 5))).astype(np.float32)
    bins = equal_width_bins(codes)
    oracle = [[mutual_info_score(v, b) for v in factors.T] for b in bins.T]
    np.testing.assert_allclose(mutual_information_matrix(codes, factors), oracle, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        factor_entropy(factors), [mutual_info_score(v, v) for v in factors.T], atol=1e-12
    )


def test_codes_that_are_the_factors_score_one() -> None:
    factors = grid(3, 4, 5)
    assert mig(factors.astype(float), factors) == pytest.approx(1.0)
    assert mig(torch.tensor(factors).float()[:, [2, 0, 1]] * -7 + 3, torch.tensor(factors)) == pytest.approx(
        1.0
    )


def test_duplicated_code_scores_zero() -> None:
    factors = grid(3, 4, 5)
    assert mig(np.hstack([factors, factors]).astype(float), factors) == pytest.approx(0.0)
