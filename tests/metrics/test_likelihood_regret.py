"""Likelihood regret: exact where the best posterior is known, true on fresh draws elsewhere, each row by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from disbench.metrics.kl_decomposition import gaussian_kl
from disbench.metrics.likelihood import LinearVAE, bernoulli_likelihood, likelihood_regret
from disbench.metrics.likelihood.density import Density


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


def of_pixels(rows: int, pixels: int, latents: int) -> tuple[Density, Tensor, Tensor]:
    """Bernoulli pixels of a linear decoder, and the posterior of an encoder that only looks roughly right."""
    chance = torch.Generator().manual_seed(1)
    weights = torch.randn(pixels, latents, generator=chance, dtype=torch.float64) / math.sqrt(latents)
    truth = torch.randn(rows, latents, generator=chance, dtype=torch.float64)
    shares = torch.sigmoid(truth @ weights.T)
    images = (torch.rand(shares.shape, generator=chance, dtype=torch.float64) < shares).double()
    logvar = torch.full((rows, latents), -1.0, dtype=torch.float64)
    return bernoulli_likelihood(lambda codes, _: codes @ weights.T, images), 0.7 * truth, logvar


def elbo_on_fresh_draws(density: Density, mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """The ELBO [N] over draws [M, N, D]."""
    rows = torch.arange(len(mean))
    values = [density(mean + (logvar / 2).exp() * each, rows) for each in noise]
    return torch.stack(values).mean(dim=0) - gaussian_kl(mean, logvar).sum(dim=1)


@pytest.mark.parametrize(("draws", "steps"), [(2, 20), (4, 100), (64, 30)])
def test_the_gain_is_there_on_fresh_draws(draws: int, steps: int) -> None:
    """However few draws are asked for: what is reported is what 4,000 others say, row by row."""
    density, mean, logvar = of_pixels(rows=30, pixels=60, latents=8)
    found = likelihood_regret(density, mean, logvar, steps=steps, draws=draws)
    noise = torch.randn(2_000, 30, 8, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    noise = torch.cat([noise, -noise])
    first = elbo_on_fresh_draws(density, mean, logvar, noise)
    gain = (elbo_on_fresh_draws(density, found.mean, found.logvar, noise) - first).numpy()
    assert found.rows_nats.mean() == pytest.approx(gain.mean(), abs=0.02)
    assert_allclose(found.rows_nats, gain, atol=0.05)
    assert_allclose(found.rows_elbo_nats, first.numpy(), atol=0.4)
    assert (gain > 0).all()


def test_as_many_draws_as_the_latents_need() -> None:
    """Fewer than two a latent are that many: 2, 4 and 16 draws of 8 latents are one number, and 18 are another."""
    density, mean, logvar = of_pixels(rows=5, pixels=20, latents=8)
    gains = [likelihood_regret(density, mean, logvar, steps=5, draws=n).rows_nats for n in (2, 4, 16, 18)]
    assert_allclose(gains[0], gains[2], atol=0)
    assert_allclose(gains[1], gains[2], atol=0)
    assert not np.allclose(gains[3], gains[2], rtol=1e-6)


def test_a_climb_that_leads_away_gains_nothing() -> None:
    """Steps that are far too long find no better posterior than the encoder's, which is kept."""
    density, mean, logvar = of_pixels(rows=7, pixels=60, latents=5)
    found = likelihood_regret(density, mean, logvar, steps=20, learning_rate=100.0)
    assert_allclose(found.rows_nats, 0, atol=0)
    assert torch.equal(found.mean, mean)


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
    assert_allclose(
        other.rows_nats, whole.rows_nats, rtol=1e-9
    )  # a linear decoder's ELBO has no sampling error
    density, start, spread = of_pixels(rows=5, pixels=20, latents=3)
    drawn = [likelihood_regret(density, start, spread, steps=10, seed=seed).rows_nats for seed in (0, 1)]
    assert not np.allclose(drawn[0], drawn[1], rtol=1e-6)


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
