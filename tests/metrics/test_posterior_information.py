"""Mutual information from posteriors: quadrature, hand-worked bins, an oracle in double precision, known limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import norm

from disbench.metrics import factor_entropy, posterior_bin_information, posterior_information
from disbench.metrics.information import posterior


def two_classes(shares: list[float], means: list[float], deviations: list[float]) -> float:
    """I(z; v) of a class seen through a Gaussian, by adaptive quadrature."""

    def integrand(z: float) -> float:
        densities = norm.pdf(z, means, deviations)
        whole = float(np.dot(shares, densities))
        terms = [p * d * math.log(d / whole) for p, d in zip(shares, densities, strict=True) if d > 1e-300]
        return math.fsum(terms)

    return quad(integrand, -12, 12, limit=400, points=means)[0]


def rows_of(shares: list[float], means: list[float], deviations: list[float], rows: int = 4_000):
    """Mean, log variance, factors: every row of a class has the class's posterior."""
    labels = np.repeat([0, 1], [round(share * rows) for share in shares])
    return (
        np.array(means)[labels][:, None],
        2 * np.log(np.array(deviations))[labels][:, None],
        labels[:, None],
    )


def several(rows: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three latents of two factors, widths of their own."""
    random = np.random.default_rng(0)
    factors = random.integers(0, [3, 4], size=(rows, 2))
    mean = np.column_stack([factors[:, 0], factors.sum(axis=1), random.standard_normal(rows)])
    return mean + 0.1 * random.standard_normal(mean.shape), random.uniform(-4, 0, mean.shape), factors


CASES = [
    ([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0]),
    ([0.25, 0.75], [-0.5, 1.5], [0.5, 0.5]),
    ([0.5, 0.5], [0.0, 0.0], [0.3, 2.0]),
]


@pytest.mark.parametrize("case", CASES)
def test_two_classes_have_the_value_of_quadrature(case):
    """4,000 samples; the third pair of classes differs in width alone."""
    assert posterior_information(*rows_of(*case), samples=4_000)[0, 0] == pytest.approx(
        two_classes(*case), abs=0.02
    )


@pytest.mark.parametrize("case", CASES)
def test_fine_bins_have_the_value_of_quadrature_and_coarse_ones_less(case):
    """What bins do not keep is not known of: each halving of bins can only lose."""
    wide = {"limit": 8.0}
    values = [
        posterior_bin_information(*rows_of(*case), bins=bins, **wide)[0, 0] for bins in (2, 4, 8, 16, 1_024)
    ]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(two_classes(*case), abs=1e-3)


def test_two_bins_by_hand():
    """One cut at 0, posteriors of deviation 1 around -1 and 1: a channel that errs with probability Phi(-1)."""
    mean, factors = np.array([[-1.0], [1.0]]), np.array([[0], [1]])
    wrong = norm.cdf(-1)
    expected = math.log(2) + wrong * math.log(wrong) + (1 - wrong) * math.log(1 - wrong)
    assert posterior_bin_information(mean, np.zeros((2, 1)), factors, bins=2)[0, 0] == pytest.approx(expected)


def test_what_lies_outside_the_limits_falls_into_the_outermost_bins():
    mean, factors = np.array([[-50.0], [50.0], [0.0]]), np.array([[0], [1], [2]])
    narrow = np.full((3, 1), -8.0)
    assert posterior_bin_information(mean, narrow, factors)[0, 0] == pytest.approx(math.log(3))
    assert posterior_bin_information(mean, narrow, factors, limit=60)[0, 0] == pytest.approx(math.log(3))


def test_narrow_posteriors_of_classes_know_them_and_wide_ones_nothing():
    factors = np.indices((4, 5)).reshape(2, -1).T
    mean = factors - factors.mean(axis=0)
    for information in (posterior_information, posterior_bin_information):
        known = information(mean, np.full(mean.shape, -12.0), factors)
        assert_allclose(known, np.diag(np.log([4, 5])), atol=1e-6)
        assert information(mean, np.full(mean.shape, 20.0), factors).max() < 1e-4


def test_latents_that_are_the_prior_know_nothing():
    """A collapsed latent: the same posterior for every row."""
    factors = np.random.default_rng(0).integers(0, 5, size=(200, 2))
    for information in (posterior_information, posterior_bin_information):
        assert_allclose(information(np.zeros((200, 3)), np.zeros((200, 3)), factors), 0, atol=1e-6)


def test_rows_of_their_own_know_everything():
    """A limit, and true of the mixture: means that are noise, posteriors narrower than their distances.

    Each sample then tells its row, and the row its class. Posteriors as wide as the noise know nothing.
    """
    random = np.random.default_rng(0)
    factors = random.integers(0, [3, 5], size=(500, 2))
    noise = random.standard_normal((500, 1))
    told = posterior_information(noise, np.full((500, 1), -24.0), factors)[0]
    assert_allclose(told, factor_entropy(factors), rtol=0.02)
    assert posterior_information(noise, np.zeros((500, 1)), factors).max() < 0.01


def test_is_the_estimate_in_double_precision():
    """The same samples, log-sum-exp row by row."""
    mean, logvar, factors = several()
    random = np.random.Generator(np.random.Philox(3))
    selected = random.permutation(300)[:200]
    z = mean[selected] + np.exp(0.5 * logvar[selected]) * random.standard_normal((200, 3))
    expected = np.zeros((3, 2))
    for j, k in np.ndindex(3, 2):
        logs = norm.logpdf(z[:, [j]], mean[:, j], np.exp(0.5 * logvar[:, j]))
        same = factors[selected, k][:, None] == factors[:, k]
        inside = logsumexp(logs, axis=1, b=same) - np.log(same.sum(axis=1))
        expected[j, k] = (inside - logsumexp(logs, axis=1) + math.log(300)).mean()
    found = posterior_information(mean, logvar, factors, samples=200, seed=3)
    assert_allclose(found, np.maximum(expected, 0), atol=1e-5)


def test_blocks_do_not_change_the_numbers(monkeypatch):
    mean, logvar, factors = several()
    whole = posterior_bin_information(mean, logvar, factors)
    monkeypatch.setattr(posterior, "WIDTH", 7)
    assert_allclose(posterior_bin_information(mean, logvar, factors), whole, atol=1e-12)


def test_shift_and_scale_of_latents_and_names_of_classes_do_not_matter_to_densities():
    mean, logvar, factors = several()
    value = posterior_information(mean, logvar, factors)
    moved = posterior_information(8 * mean - 3, logvar + 2 * math.log(8), np.array([9, -4, 2, 0])[factors])
    assert_allclose(moved, value, atol=1e-5)
    turned = posterior_information(torch.tensor(mean.T.copy()).T, torch.tensor(logvar), torch.tensor(factors))
    assert_allclose(turned, value, atol=1e-7)


def test_the_seed_alone_decides_the_draw():
    mean, logvar, factors = several()
    first = posterior_information(mean, logvar, factors, samples=50, seed=1)
    torch.manual_seed(5)
    assert (posterior_information(mean, logvar, factors, samples=50, seed=1) == first).all()
    assert (posterior_information(mean, logvar, factors, samples=50, seed=2) != first).any()


def test_what_is_wrong_is_named():
    mean, logvar, factors = several(20)
    for call, message in [
        (lambda: posterior_information(mean, logvar[:, :2], factors), "logvar: expected the shape of mean"),
        (lambda: posterior_information(mean, logvar, factors[1:]), "the same number of rows"),
        (
            lambda: posterior_information(mean, logvar, factors, samples=0),
            "samples: expected a whole number >= 1",
        ),
        (
            lambda: posterior_bin_information(mean, logvar, factors, bins=1),
            "bins: expected a whole number >= 2",
        ),
        (
            lambda: posterior_bin_information(mean, logvar, factors, limit=0),
            "limit: expected a number above 0",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
