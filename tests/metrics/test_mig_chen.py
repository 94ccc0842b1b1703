"""MIG as its authors compute it, and RMIG: cases solved by hand, which factors count, a transpose that is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from disbench.metrics import mig, mig_chen, rmig

SIZES = (3, 4, 5)
FACTORS = np.indices(SIZES).reshape(3, -1).T
PERFECT = FACTORS - FACTORS.mean(axis=0)
NARROW, WIDE = np.full(PERFECT.shape, -12.0), np.full(PERFECT.shape, 20.0)


def test_narrow_posteriors_have_the_discrete_gap():
    """One latent a factor: 1. The second latent of the first factor merges two of its three classes: half known."""
    assert mig_chen(PERFECT, NARROW, FACTORS) == pytest.approx(1, abs=1e-6)
    merged = np.column_stack([FACTORS[:, 0], FACTORS[:, 0] == 2, FACTORS[:, 1:]]).astype(float)
    share = math.log(3) / 3 + 2 / 3 * math.log(3 / 2)  # entropy of 1/3, 2/3
    expected = (1 - share / math.log(3) + 1 + 1) / 3
    assert mig_chen(merged, np.full(merged.shape, -12.0), FACTORS) == pytest.approx(expected, abs=1e-6)


def test_wide_posteriors_have_none():
    """Samples carry the posterior's noise, where the means of the same latents score 1."""
    assert mig_chen(PERFECT, WIDE, FACTORS) == pytest.approx(0, abs=1e-4)
    assert mig(PERFECT, FACTORS) == pytest.approx(1)


def test_a_code_of_single_points_knows_every_factor():
    """A limit: posteriors narrower than the distances of means tell the image, in each latent; no gap is left."""
    random = np.random.default_rng(0)
    scattered = random.permutation(np.prod(SIZES) * 3).reshape(3, -1).T.astype(float)
    assert mig_chen(scattered, NARROW, FACTORS) == pytest.approx(0, abs=1e-6)


def test_factors_can_be_left_out_as_the_authors_leave_out_shape():
    """Shape in no latent: 2/3 with it, 1 without; the same network, read by two codes under one name."""
    blind = PERFECT * [0, 1, 1]
    assert mig_chen(blind, NARROW, FACTORS) == pytest.approx(2 / 3, abs=1e-6)
    assert mig_chen(blind, NARROW, FACTORS, exclude=[0]) == pytest.approx(1, abs=1e-6)
    assert mig_chen(blind, NARROW, FACTORS, exclude=[0, 1]) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match=r"exclude: expected columns 0 \.\. 2 of factors, got 3"):
        mig_chen(blind, NARROW, FACTORS, exclude=[3])
    with pytest.raises(ValueError, match="exclude: leaves no factor"):
        mig_chen(blind, NARROW, FACTORS, exclude=[0, 1, 2])


def test_entropy_is_that_of_the_number_of_classes():
    """The denominator is log |V|, where `mig` takes the empirical entropy; constant factors are left out."""
    factors = np.repeat([0, 1], [30, 10])[:, None]
    mean = factors - 0.5
    narrow = np.full(mean.shape, -12.0)
    share = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert mig_chen(mean, narrow, factors) == pytest.approx(share / math.log(2), abs=1e-6)
    assert mig_chen(mean, narrow, np.insert(factors, 0, 5, axis=1)) == pytest.approx(
        share / math.log(2), abs=1e-6
    )
    with pytest.raises(ValueError, match="at least one must vary"):
        mig_chen(mean, narrow, np.ones_like(factors))


def gap_of_entropies(samples: np.ndarray, mean: np.ndarray, logvar: np.ndarray, *, transposed: bool) -> float:
    """H(z_j) - H(z_j | v) from samples [N, D], turned to [D, N] by a transpose or by reading memory in that shape."""
    dimensions = mean.shape[1]

    def entropies(rows: np.ndarray) -> np.ndarray:
        z = samples[rows].T if transposed else samples[rows].reshape(dimensions, -1)
        logs = norm.logpdf(z[:, :, None], mean[rows].T[:, None, :], np.exp(0.5 * logvar[rows]).T[:, None, :])
        return -(logsumexp(logs, axis=2) - math.log(len(logs[0]))).mean(axis=1)

    whole, gaps = entropies(np.full(len(mean), True)), []
    for labels in FACTORS.T:
        inside = np.mean([entropies(labels == label) for label in np.unique(labels)], axis=0)
        runner_up, best = np.sort(np.maximum(whole - inside, 0))[-2:]
        gaps.append((best - runner_up) / math.log(labels.max() + 1))
    return float(np.mean(gaps))


def test_reading_memory_in_another_shape_is_no_transpose():
    """A `.view` that stands for a transpose mixes latents: the gap of a good model is gone."""
    logvar = np.full(PERFECT.shape, -3.0)
    samples = PERFECT + np.exp(0.5 * logvar) * np.random.default_rng(0).standard_normal(PERFECT.shape)
    right = gap_of_entropies(samples, PERFECT, logvar, transposed=True)
    wrong = gap_of_entropies(samples, PERFECT, logvar, transposed=False)
    ours = mig_chen(PERFECT, logvar, FACTORS)
    assert ours == pytest.approx(right, abs=0.03)
    assert ours > 0.9
    assert wrong < 0.3
    turned = torch.tensor(PERFECT.T.copy()).T, torch.tensor(logvar), torch.tensor(FACTORS.T.copy()).T
    assert mig_chen(*turned) == pytest.approx(ours, abs=1e-7)


def test_latents_may_be_moved_scaled_turned_round_and_copied():
    """Copies have samples of their own, so that a gap of noise is left: 0.02 of 2,400 samples."""
    mean, factors = np.tile(PERFECT, (40, 1)), np.tile(FACTORS, (40, 1))
    logvar = np.full(mean.shape, -1.0)
    value = mig_chen(mean, logvar, factors)
    assert 0.2 < value < 0.9
    assert mig_chen(8 * mean + 1, logvar + 2 * math.log(8), factors) == pytest.approx(value, abs=1e-5)
    assert mig_chen(-mean, logvar, factors) == pytest.approx(value, abs=0.02)
    twice = np.hstack([mean, mean]), np.hstack([logvar, logvar])
    assert mig_chen(*twice, factors) == pytest.approx(0, abs=0.03)


# -- RMIG ---------------------------------------------------------------------------------------------------


def test_rmig_by_hand():
    """Two rows of a factor of two classes at the centres of a bin each: ln 2, all of H(v)."""
    mean, factors = np.array([[-2.0], [2.0]]), np.array([[0], [1]])
    score = rmig(mean, np.full((2, 1), -12.0), factors)
    assert score.nats == pytest.approx(math.log(2))
    assert score.normalised == pytest.approx(1)


def test_rmig_by_hand_with_a_second_latent():
    """Deviation 1 around -1 and 1 under one cut at 0 errs with probability Phi(-1); the first latent never does."""
    mean = np.array([[-2.0, -1.0], [2.0, 1.0]])
    logvar = np.array([[-12.0, 0.0], [-12.0, 0.0]])
    wrong = norm.cdf(-1)
    noise = -wrong * math.log(wrong) - (1 - wrong) * math.log(1 - wrong)
    score = rmig(mean, logvar, np.array([[0], [1]]), bins=2)
    assert score.nats == pytest.approx(noise)
    assert score.normalised == pytest.approx(noise / math.log(2))


def test_rmig_of_perfect_latents_and_of_the_prior():
    assert rmig(PERFECT, NARROW, FACTORS).normalised == pytest.approx(1)
    assert rmig(PERFECT, NARROW, FACTORS).nats == pytest.approx(np.mean(np.log(SIZES)))
    assert rmig(np.zeros(PERFECT.shape), np.zeros(PERFECT.shape), FACTORS).nats == 0


def test_rmig_is_robust_where_mig_is_not():
    """A mean that wanders within a posterior's noise is no information; an outlier moves the bins of means alone."""
    wandering = 1e-3 * PERFECT
    assert mig(wandering, FACTORS) == pytest.approx(1)
    assert rmig(wandering, np.zeros(PERFECT.shape), FACTORS).normalised == pytest.approx(0, abs=1e-3)
    outlier = np.append(PERFECT, [[1e4, 1e4, 1e4]], axis=0)
    factors = np.append(FACTORS, [[0, 0, 0]], axis=0)
    assert mig(outlier, factors) < 0.2
    assert rmig(outlier, np.full(outlier.shape, -12.0), factors).normalised == pytest.approx(1, abs=0.1)


def test_rmig_leaves_out_constant_factors():
    logvar = np.full(PERFECT.shape, -3.0)
    value = rmig(PERFECT, logvar, FACTORS)
    assert rmig(PERFECT, logvar, np.insert(FACTORS, 1, 2, axis=1)) == value
    with pytest.raises(ValueError, match="at least one must vary"):
        rmig(PERFECT, logvar, np.ones_like(FACTORS))
