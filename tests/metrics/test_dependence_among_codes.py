"""Scores without factors: Gaussian total correlation, Wasserstein correlation, pairwise mutual information."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
from sklearn.metrics import mutual_info_score as pair

from disbench.metrics import (
    equal_width_bins,
    gaussian_total_correlation,
    gaussian_wasserstein_correlation,
    mutual_info_score,
)


def exactly(covariance: np.ndarray, rows: int = 50) -> np.ndarray:
    """Codes [N, D] whose empirical covariance is this one, up to rounding."""
    noise = np.random.default_rng(0).normal(size=(rows, len(covariance)))
    noise -= noise.mean(axis=0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.9])
def test_pairs_have_the_closed_form(rho: float) -> None:
    """Two pairs of correlation rho: TC = -D/4 ln(1 - rho^2) = -ln(1 - rho^2)."""
    covariance = scipy.linalg.block_diag(*[[[4.0, 2 * rho], [2 * rho, 1.0]]] * 2)
    assert gaussian_total_correlation(exactly(covariance)) == pytest.approx(-math.log(1 - rho**2), abs=1e-9)


def test_wasserstein_by_hand() -> None:
    """Unit variances, correlation rho: 4 - 2 (sqrt(1 + rho) + sqrt(1 - rho))."""
    codes = exactly(np.array([[1.0, 0.6], [0.6, 1.0]]))
    expected = 4 - 2 * (math.sqrt(1.6) + math.sqrt(0.4))
    assert gaussian_wasserstein_correlation(codes) == pytest.approx(expected, abs=1e-9)
    assert gaussian_wasserstein_correlation(codes, normalised=True) == pytest.approx(expected / 2, abs=1e-9)


def test_wasserstein_is_the_matrix_square_root() -> None:
    codes = np.random.default_rng(0).normal(size=(100, 5)) @ np.random.default_rng(1).normal(size=(5, 5))
    covariance = np.cov(codes, rowvar=False)
    root = scipy.linalg.sqrtm(covariance * np.diag(covariance)[:, None])
    expected = 2 * np.trace(covariance) - 2 * np.trace(root).real
    assert gaussian_wasserstein_correlation(codes) == pytest.approx(expected, abs=1e-9)


def test_scale_matters_to_one_alone() -> None:
    codes = exactly(np.array([[1.0, 0.6], [0.6, 1.0]]))
    assert gaussian_total_correlation(3 * codes) == pytest.approx(gaussian_total_correlation(codes))
    assert gaussian_wasserstein_correlation(3 * codes) == pytest.approx(
        9 * gaussian_wasserstein_correlation(codes)
    )


def test_dead_codes_depend_on_nothing() -> None:
    codes = exactly(np.array([[1.0, 0.6], [0.6, 1.0]]))
    dead = np.hstack([codes, np.zeros_like(codes)])
    assert gaussian_total_correlation(dead) == pytest.approx(gaussian_total_correlation(codes))
    assert gaussian_wasserstein_correlation(dead) == pytest.approx(gaussian_wasserstein_correlation(codes))
    for score in (gaussian_total_correlation, gaussian_wasserstein_correlation):
        assert score(np.ones((10, 3))) == 0
        assert score(codes[:, :1]) == pytest.approx(0)


@pytest.mark.parametrize("dead", [0.1, 1 / 3, 7.7])
def test_codes_are_dead_whatever_their_value(dead: float) -> None:
    """Rounding leaves dead codes a covariance of 1e-28, and two of them a correlation of 1."""
    codes = np.random.default_rng(0).standard_normal((10_000, 2))
    with_dead = np.column_stack([codes, np.full((10_000, 2), dead)])
    assert gaussian_total_correlation(with_dead) == pytest.approx(
        gaussian_total_correlation(codes), abs=1e-12
    )
    assert gaussian_total_correlation(with_dead[:, 2:]) == 0
    assert gaussian_wasserstein_correlation(with_dead[:, 2:], normalised=True) == 0


def test_duplicated_code_has_no_bound() -> None:
    code = np.random.default_rng(0).integers(0, 4, size=(64, 1)).astype(float)
    assert gaussian_total_correlation(np.hstack([code, code])) > 15


def test_mutual_information_of_pairs_is_scikit_learns() -> None:
    codes = np.random.default_rng(0).normal(size=(500, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    binned = equal_width_bins(codes).T
    pairs = [pair(binned[i], binned[j]) for i in range(4) for j in range(4) if i != j]
    assert mutual_info_score(codes) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert mutual_info_score(codes[:, :1]) == 0
    assert mutual_info_score(np.repeat(np.arange(20.0)[:, None], 2, axis=1)) == pytest.approx(math.log(20))
