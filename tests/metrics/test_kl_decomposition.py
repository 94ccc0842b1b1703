"""KL = mutual information + total correlation + dimension-wise KL, against closed forms and enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from disbench.metrics import gaussian_kl, kl_decomposition, log_gaussian, minibatch_log_densities


def tiny(rows: int, dimensions: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes, means and log-variances of a few well-overlapping posteriors, in float64."""
    random = torch.Generator().manual_seed(seed)
    mean, noise, logvar = (
        torch.randn(rows, dimensions, generator=random, dtype=torch.float64) for _ in range(3)
    )
    logvar = 0.5 * logvar - 0.5
    return mean + torch.exp(0.5 * logvar) * noise, mean, logvar


def densities_by_hand(z: torch.Tensor, mean: torch.Tensor, logvar: torch.Tensor) -> np.ndarray:
    """q(z_ij | x_n) one number at a time: [M, N, D]."""
    table = np.empty((len(z), len(mean), z.shape[1]))
    for i, n, j in np.ndindex(*table.shape):
        variance = math.exp(logvar[n, j])
        table[i, n, j] = math.exp(-((z[i, j] - mean[n, j]) ** 2) / (2 * variance)) / math.sqrt(
            2 * math.pi * variance
        )
    return table


def test_log_gaussian_and_kl_agree_with_torch_distributions() -> None:
    z, mean, logvar = tiny(50, 3)
    q = torch.distributions.Normal(mean, torch.exp(0.5 * logvar))
    p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    torch.testing.assert_close(log_gaussian(z, mean, logvar), q.log_prob(z))
    torch.testing.assert_close(gaussian_kl(mean, logvar), torch.distributions.kl_divergence(q, p))


def test_gaussian_kl_near_the_prior_keeps_its_digits() -> None:
    # 1/4 v^2 at small v; exp(v) - 1 - v in float32 would be 0 or negative.
    logvar = torch.tensor([1e-3, -1e-3, 1e-2])
    torch.testing.assert_close(gaussian_kl(torch.zeros(3), logvar), logvar.square() / 4, rtol=5e-3, atol=0)


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_stratified_weights_are_unbiased_over_all_batches(rows: int) -> None:
    """Over every batch that holds x_i, the mean of the estimated density is the exact density.

    Fails with 1/N in the first column, not on the diagonal, and with the weight counted in every dimension.
    """
    size = 5
    z, mean, logvar = tiny(size)
    exact = densities_by_hand(z, mean, logvar)
    joint, marginals = exact.prod(axis=2).mean(axis=1), exact.mean(axis=1)
    for i in range(size):
        others = [n for n in range(size) if n != i]
        estimates = []
        for position, rest in itertools.product(range(rows), itertools.combinations(others, rows - 1)):
            batch = [*rest[:position], i, *rest[position:]]
            log_qz, _ = minibatch_log_densities(
                z[batch], mean[batch], logvar[batch], dataset_size=size, estimator="mss"
            )
            marginal = [
                minibatch_log_densities(
                    z[batch, j : j + 1], mean[batch, j : j + 1], logvar[batch, j : j + 1], dataset_size=size,
                    estimator="mss",
                )[1][position]
                for j in range(2)
            ]  # fmt: skip
            estimates.append([log_qz[position].exp(), *(m.exp() for m in marginal)])
        np.testing.assert_allclose(np.mean(estimates, axis=0), [joint[i], *marginals[i]], rtol=1e-12)


def test_stratified_sampling_of_the_whole_data_set_is_exact() -> None:
    z, mean, logvar = tiny(7, 3)
    exact = densities_by_hand(z, mean, logvar)
    log_qz, log_product = minibatch_log_densities(z, mean, logvar, dataset_size=7, estimator="mss")
    np.testing.assert_allclose(log_qz, np.log(exact.prod(axis=2).mean(axis=1)), rtol=1e-12)
    np.testing.assert_allclose(log_product, np.log(exact.mean(axis=1)).sum(axis=1), rtol=1e-12)


def test_weighted_sampling_by_hand() -> None:
    z, mean, logvar = tiny(4, 3)
    exact = densities_by_hand(z, mean, logvar)
    log_qz, log_product = minibatch_log_densities(z, mean, logvar, dataset_size=100, estimator="mws")
    np.testing.assert_allclose(log_qz, np.log(exact.prod(axis=2).sum(axis=1) / 400), rtol=1e-12)
    np.testing.assert_allclose(log_product, np.log(exact.sum(axis=1) / 400).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("estimator", ["mws", "mss"])
def test_objectives_can_differentiate_through_stacked_batches(estimator) -> None:
    """A vmap of grad over models equals one model after another, and finite differences."""
    stacked = [torch.stack(parts) for parts in zip(tiny(6, 3, 1), tiny(6, 3, 2), strict=True)]

    def total_correlation(z, mean, logvar):
        log_qz, log_product = minibatch_log_densities(z, mean, logvar, dataset_size=50, estimator=estimator)
        return (log_qz - log_product).mean()

    together = torch.func.vmap(torch.func.grad(total_correlation, argnums=(0, 1, 2)))(*stacked)
    for model in range(2):
        alone = torch.func.grad(total_correlation, argnums=(0, 1, 2))(*(part[model] for part in stacked))
        for one, many in zip(alone, together, strict=True):
            torch.testing.assert_close(many[model], one)
    inputs = tuple(part[0].requires_grad_() for part in stacked)
    assert torch.autograd.gradcheck(total_correlation, inputs)


@pytest.mark.parametrize("estimator", ["mixture", "mws", "mss"])
def test_terms_add_up_to_the_monte_carlo_kl(estimator) -> None:
    _, mean, logvar = tiny(500, 4)
    parts = kl_decomposition(mean, logvar, estimator=estimator, samples=300)
    total = parts.mutual_information_nats + parts.total_correlation_nats + parts.dimensionwise_kl_nats
    assert total == pytest.approx(parts.kl_nats, abs=1e-9)
    assert parts.dimensionwise_kl_per_dimension_nats.sum() == pytest.approx(
        parts.dimensionwise_kl_nats, abs=1e-9
    )
    assert parts.kl_nats == pytest.approx(float(gaussian_kl(mean, logvar).sum(1).mean()), rel=0.1)
