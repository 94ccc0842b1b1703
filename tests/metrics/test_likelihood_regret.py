"""Likelihood regret: exact where the best posterior is known, never negative, each row by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from disbench.metrics.kl_decomposition import gaussian_kl
from disbench.metrics.likelihood import LinearVAE, bernoulli_likelihood, likelihood_regret


def exact_elbo(model: LinearVAE, inputs: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """E log p(x | z) of a linear decoder: its value at the mean, less tr(W diag(var) W^T) / (2 deviation^2)."""
    at_mean = model.likelihood(inputs)(mean, torch.arange(len(mean)))
    spread = (model.weights.square().sum(dim=0) * logvar.exp()).sum(dim=1) / (2 * model.deviation**2)
    return at_mean - spread - gaussian_kl(mean, logvar).sum(dim=1)


def misled(model: LinearVAE, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, and a posterior that is not theirs: mean and log-variance of an encoder that knows nothing."""
    _, inputs = model.simulate(rows, seed=2)
    return inputs, torch.zeros(rows, 3, dtype=torch.float64), torch.zeros(rows, 3, dtype=torch.float64)


def test_exact_for_a_linear_decoder() -> None:
    """The best diagonal posterior is known in closed form, and so is the ELBO of any: the regret is what is between."""
    model = LinearVAE.random(8, 3)
    inputs, mean, logvar = misled(model, 6)
    found = likelihood_regret(model.likelihood(inputs), mean, logvar, steps=300, draws=6, learning_rate=0.2)
    first, best = exact_elbo(model, inputs, mean, logvar), exact_elbo(model, inputs, *model.encode(inputs))
    assert_allclose(found.rows_elbo_nats, first.numpy(), rtol=1e-7)  # matched moments leave no sampling error
    assert_allclose(found.rows_nats, (best - first).numpy(), rtol=1e-4)
    assert_allclose(found.mean.numpy(), model.encode(inputs)[0].numpy(), atol=0.01)


def test_with_an_orthogonal_decoder_the_best_elbo_is_the_likelihood() -> None:
    """Its posterior is diagonal, so that regret is log p(x) less the encoder's ELBO."""
    model = LinearVAE.random(8, 3, orthogonal=True)
    inputs, mean, logvar = misled(model, 5)
    found = likelihood_regret(model.likelihood(inputs), mean, logvar, steps=300, draws=6, learning_rate=0.2)
    assert_allclose(found.rows_elbo_nats + found.rows_nats, model.log_marginal(inputs).numpy(), rtol=1e-4)


def test_nothing_to_regret_at_the_best_posterior() -> None:
    """An encoder that is right gains nothing, however long the climb, and zero steps gain nothing anywhere."""
    model = LinearVAE.random(8, 3)
    inputs, mean, logvar = misled(model, 4)
    right = likelihood_regret(model.likelihood(inputs), *model.encode(inputs), steps=50, draws=8)
    assert_allclose(right.rows_nats, 0, atol=1e-9)
    with torch.no_grad():  # as models are scored
        climbed = likelihood_regret(model.likelihood(inputs), mean, logvar, steps=3)
    assert (climbed.rows_nats > 0).all()
    still = likelihood_regret(model.likelihood(inputs), mean, logvar, steps=0)
    assert_allclose(still.rows_nats, 0, atol=0)
    assert torch.equal(still.mean, mean)


@pytest.mark.parametrize("draws", [2, 8, 64])
def test_never_negative(draws: int) -> None:
    """Whatever the step length, even one that only leads away: the encoder's own posterior is among those tried."""
    images = torch.rand(7, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.randn(12, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    density = bernoulli_likelihood(lambda codes, rows: codes @ weights.T, images)
    start = images @ weights / 12, torch.full((7, 5), -1.0, dtype=torch.float64)
    for rate in (0.05, 100.0):
        found = likelihood_regret(density, *start, steps=20, learning_rate=rate, draws=draws)
        assert (found.rows_nats >= 0).all()
    gain = likelihood_regret(density, *start, steps=20, draws=draws).rows_nats
    assert (gain > 0).all()


def test_a_row_is_alone() -> None:
    """The same numbers for any batch size, and for the first rows without the others."""
    model = LinearVAE.random(8, 3)
    inputs, mean, logvar = misled(model, 5)
    whole = likelihood_regret(model.likelihood(inputs), mean, logvar, steps=10, draws=4)
    parts = likelihood_regret(model.likelihood(inputs), mean, logvar, steps=10, draws=4, batch_size=4)
    first = likelihood_regret(model.likelihood(inputs[:2]), mean[:2], logvar[:2], steps=10, draws=4)
    assert_allclose(parts.rows_nats, whole.rows_nats, rtol=1e-12)
    assert_allclose(first.rows_nats, whole.rows_nats[:2], rtol=1e-12)
    other = likelihood_regret(model.likelihood(inputs), mean, logvar, steps=10, draws=4, seed=1)
    assert not np.allclose(other.rows_nats, whole.rows_nats, rtol=1e-6)


def test_what_it_refuses() -> None:
    """Numbers out of range, and densities that cannot be climbed, are named."""
    model = LinearVAE.random(8, 3)
    inputs, mean, logvar = misled(model, 2)
    density = model.likelihood(inputs)
    with pytest.raises(ValueError, match="draws: expected an even number, got 3"):
        likelihood_regret(density, mean, logvar, draws=3)
    with pytest.raises(ValueError, match="learning_rate: expected a number above 0"):
        likelihood_regret(density, mean, logvar, learning_rate=0)
    with pytest.raises(ValueError, match="steps"):
        likelihood_regret(density, mean, logvar, steps=-1)
    with pytest.raises(ValueError, match="differentiable"):
        likelihood_regret(lambda codes, rows: density(codes, rows).detach(), mean, logvar)
    with pytest.raises(ValueError, match="finite"):
        likelihood_regret(density, mean * math.nan, logvar)
