"""KL = mutual information + total correlation + dimension-wise KL, against closed forms and enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from disbench.metrics import gaussian_kl, kl_decomposition, log_gaussian, minibatch_log_densities
from disbench.metrics.kl_decomposition import _mixture_log_densities, _on_device

Posteriors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def overlapping(rows: int, dimensions: int = 2, seed: int = 0) -> Posteriors:
    """Codes, means and log-variances of posteriors that overlap well, in float64."""
    random = torch.Generator().manual_seed(seed)
    mean, noise, logvar = (
        torch.randn(rows, dimensions, generator=random, dtype=torch.float64) for _ in range(3)
    )
    logvar = 0.5 * logvar - 0.5
    return mean + torch.exp(0.5 * logvar) * noise, mean, logvar


def gaussian_means(correlation: float, rows: int, pairs: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Means and log-variances whose aggregate is N(0, C), C of `pairs` blocks with that correlation.

    Posteriors have variance `noise`, means have covariance C - noise * I.
    """
    random = np.random.default_rng(0)
    block = np.linalg.cholesky([[1 - noise, correlation], [correlation, 1 - noise]])
    mean = np.hstack([random.normal(size=(rows, 2)) @ block.T for _ in range(pairs)])
    return mean, np.full_like(mean, math.log(noise))


def densities_by_hand(z: torch.Tensor, mean: torch.Tensor, logvar: torch.Tensor) -> np.ndarray:
    """q(z_ij | x_n) one number at a time: [M, N, D]."""
    table = np.empty((len(z), len(mean), z.shape[1]))
    for i, n, j in np.ndindex(*table.shape):
        variance = math.exp(logvar[n, j])
        square = float((z[i, j] - mean[n, j]) ** 2)
        table[i, n, j] = math.exp(-square / (2 * variance)) / math.sqrt(2 * math.pi * variance)
    return table


# -- one posterior ------------------------------------------------------------------------------------------


def test_log_gaussian_and_kl_agree_with_torch_distributions() -> None:
    z, mean, logvar = overlapping(50, 3)
    q = torch.distributions.Normal(mean, torch.exp(0.5 * logvar))
    p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    torch.testing.assert_close(log_gaussian(z, mean, logvar), q.log_prob(z))
    torch.testing.assert_close(gaussian_kl(mean, logvar), torch.distributions.kl_divergence(q, p))


def test_gaussian_kl_near_the_prior_keeps_its_digits() -> None:
    """1/4 v^2 at small v; exp(v) - 1 - v in float32 would be 0 or negative."""
    logvar = torch.tensor([1e-3, -1e-3, 1e-2])
    torch.testing.assert_close(gaussian_kl(torch.zeros(3), logvar), logvar.square() / 4, rtol=5e-3, atol=0)


# -- minibatch estimates of the aggregate posterior ---------------------------------------------------------


def every_batch(size: int, rows: int, holding: int) -> list[tuple[int, list[int]]]:
    """All batches that hold one point, at each position it can have: (position, batch)."""
    others = [n for n in range(size) if n != holding]
    return [
        (position, [*rest[:position], holding, *rest[position:]])
        for position, rest in itertools.product(range(rows), itertools.combinations(others, rows - 1))
    ]


@pytest.mark.parametrize("rows", [2, 3, 4, 5])
def test_stratified_density_is_unbiased_over_all_batches(rows: int) -> None:
    """Over every batch that holds x_i, the mean of the estimated density is the exact density."""
    size = 5
    z, mean, logvar = overlapping(size)
    exact = densities_by_hand(z, mean, logvar)

    def density(position: int, batch: list[int], columns: slice) -> float:
        part = (table[batch][:, columns] for table in (z, mean, logvar))
        return float(minibatch_log_densities(*part, dataset_size=size, estimator="mss")[0][position].exp())

    for i in range(size):
        batches = every_batch(size, rows, i)
        joint = np.mean([density(position, batch, slice(None)) for position, batch in batches])
        first = np.mean([density(position, batch, slice(1)) for position, batch in batches])
        assert_allclose([joint, first], [exact[i].prod(axis=1).mean(), exact[i, :, 0].mean()], rtol=1e-12)


def weights(size: int, rows: int) -> np.ndarray:
    table = np.full((rows, rows), (size - 1) / (size * (rows - 1)))
    np.fill_diagonal(table, 1 / size)
    return table


def with_first_column(size: int, rows: int) -> np.ndarray:
    """What public copies compute: 1/N in column 0, the remainder in column 1, 1/(M - 1) elsewhere."""
    table = np.full((rows, rows), 1 / (rows - 1))
    table[:, 0], table[:, 1] = 1 / size, (size - rows + 1) / (size * (rows - 1))
    return table


@pytest.mark.parametrize(("table", "power", "right"), [
    (weights, 1, True), (with_first_column, 1, False), (weights, 2, False),
], ids=["ours", "weight in the first column", "weight counted in every dimension"])  # fmt: skip
def test_enumeration_tells_right_weights_from_the_known_mistakes(
    table: Callable[[int, int], np.ndarray], power: int, right: bool
) -> None:
    size, rows, i = 5, 3, 0
    exact = densities_by_hand(*overlapping(size)).prod(axis=2)
    estimates = [
        exact[i, batch] @ table(size, rows)[position] ** power
        for position, batch in every_batch(size, rows, holding=i)
    ]
    assert bool(abs(np.mean(estimates) / exact[i].mean() - 1) < 1e-9) is right


def test_stratified_sampling_of_the_whole_data_set_is_exact() -> None:
    z, mean, logvar = overlapping(7, 3)
    exact = densities_by_hand(z, mean, logvar)
    log_qz, log_product = minibatch_log_densities(z, mean, logvar, dataset_size=7, estimator="mss")
    assert_allclose(log_qz, np.log(exact.prod(axis=2).mean(axis=1)), rtol=1e-12)
    assert_allclose(log_product, np.log(exact.mean(axis=1)).sum(axis=1), rtol=1e-12)


def test_stratified_sampling_ignores_the_order_of_rows() -> None:
    z, mean, logvar = overlapping(6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    straight = minibatch_log_densities(z, mean, logvar, dataset_size=99, estimator="mss")
    shuffled = minibatch_log_densities(z[order], mean[order], logvar[order], dataset_size=99, estimator="mss")
    torch.testing.assert_close([part[order] for part in straight], list(shuffled))


def test_weighted_sampling_by_hand() -> None:
    z, mean, logvar = overlapping(4, 3)
    exact = densities_by_hand(z, mean, logvar)
    log_qz, log_product = minibatch_log_densities(z, mean, logvar, dataset_size=100, estimator="mws")
    assert_allclose(log_qz, np.log(exact.prod(axis=2).sum(axis=1) / 400), rtol=1e-12)
    assert_allclose(log_product, np.log(exact.sum(axis=1) / 400).sum(axis=1), rtol=1e-12)


def test_weighted_sampling_carries_its_constants() -> None:
    """Against the batch average: total correlation (D - 1) log N higher, for any codes."""
    z, mean, logvar = overlapping(8, 3)
    exact = densities_by_hand(z, mean, logvar)
    plain = np.log(exact.prod(axis=2).mean(axis=1)) - np.log(exact.mean(axis=1)).sum(axis=1)
    log_qz, log_product = minibatch_log_densities(z, mean, logvar, dataset_size=1000, estimator="mws")
    assert_allclose(log_qz - log_product, plain + 2 * math.log(1000), rtol=1e-12)


def test_far_posteriors_underflow_to_the_nearest() -> None:
    """Points 1000 standard deviations apart: log q(z_i) is that of x_i alone, no infinity, no NaN."""
    mean = torch.arange(4.0)[:, None] * 1000
    log_qz, _ = minibatch_log_densities(mean, mean, torch.zeros(4, 1), dataset_size=4, estimator="mss")
    torch.testing.assert_close(log_qz, torch.full((4,), -0.5 * math.log(2 * math.pi) - math.log(4)))


def test_the_logarithm_of_the_stratified_density_reads_low_over_all_batches() -> None:
    """Jensen: unbiased before the logarithm, below the truth after it, and less so the larger the batch."""
    size, i = 6, 2
    z, mean, logvar = overlapping(size)
    exact = math.log(densities_by_hand(z, mean, logvar).prod(axis=2).mean(axis=1)[i])

    def error(rows: int) -> float:
        estimates = [
            minibatch_log_densities(z[batch], mean[batch], logvar[batch], dataset_size=size, estimator="mss")[
                0
            ]
            for _, batch in every_batch(size, rows, holding=i)
        ]
        positions = [position for position, _ in every_batch(size, rows, holding=i)]
        return float(np.mean([found[at] for found, at in zip(estimates, positions, strict=True)])) - exact

    errors = [error(rows) for rows in (2, 3, 5)]
    assert errors[0] < errors[1] < errors[2] < 0
    assert error(size) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("estimator", ["mws", "mss"])
def test_objectives_can_differentiate_through_stacked_batches(estimator: str) -> None:
    """The gradient of several models at once equals that of one after another, and finite differences."""
    stacked = [torch.stack(parts) for parts in zip(overlapping(6, 3, 1), overlapping(6, 3, 2), strict=True)]

    def total_correlation(z, mean, logvar):  # type: ignore[no-untyped-def]
        log_qz, log_product = minibatch_log_densities(z, mean, logvar, dataset_size=50, estimator=estimator)
        return (log_qz - log_product).mean()

    gradient = torch.func.grad(total_correlation, argnums=(0, 1, 2))
    together = torch.func.vmap(gradient)(*stacked)
    for model in range(2):
        torch.testing.assert_close(
            [part[model] for part in together], list(gradient(*(part[model] for part in stacked)))
        )
    assert torch.autograd.gradcheck(total_correlation, [part[0].requires_grad_() for part in stacked])


def test_minibatch_estimators_keep_the_type_of_their_inputs() -> None:
    inputs = [part.float() for part in overlapping(5)]
    for estimator in ("mws", "mss"):
        parts = minibatch_log_densities(*inputs, dataset_size=50, estimator=estimator)
        assert {part.dtype for part in parts} == {torch.float32}


def test_bad_estimators_are_refused() -> None:
    z, mean, logvar = overlapping(1)
    with pytest.raises(ValueError, match="two rows or more, got 1 of 50"):
        minibatch_log_densities(z, mean, logvar, dataset_size=50, estimator="mss")
    with pytest.raises(ValueError, match='expected "mws" or "mss", got \'MWS\''):
        minibatch_log_densities(z, mean, logvar, dataset_size=50, estimator="MWS")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='expected "mixture", "mws" or "mss", got \'exact\''):
        kl_decomposition(mean, logvar, estimator="exact")  # type: ignore[arg-type]


# -- the decomposition --------------------------------------------------------------------------------------


def test_every_term_by_hand() -> None:
    z, mean, logvar = overlapping(20, 3)
    exact = densities_by_hand(z, mean, logvar)
    posterior = np.log(exact[np.arange(20), np.arange(20)])
    prior = -0.5 * (z.numpy() ** 2 + math.log(2 * math.pi))
    joint, marginal = np.log(exact.prod(axis=2).mean(axis=1)), np.log(exact.mean(axis=1))
    parts = kl_decomposition(mean, logvar, codes=z, dtype=torch.float64)
    expected = {
        "kl_nats": (posterior - prior).sum(axis=1).mean(),
        "mutual_information_nats": (posterior.sum(axis=1) - joint).mean(),
        "total_correlation_nats": (joint - marginal.sum(axis=1)).mean(),
        "dimensionwise_kl_nats": (marginal - prior).sum(axis=1).mean(),
        "kl_per_dimension_nats": gaussian_kl(mean, logvar).mean(dim=0).numpy(),
        "mutual_information_per_dimension_nats": (posterior - marginal).mean(axis=0),
        "dimensionwise_kl_per_dimension_nats": (marginal - prior).mean(axis=0),
    }
    assert list(expected) == list(asdict(parts))
    for name, value in asdict(parts).items():
        assert_allclose(value, expected[name], rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("estimator", ["mixture", "mws", "mss"])
def test_terms_add_up_to_the_monte_carlo_kl(estimator: str) -> None:
    _, mean, logvar = overlapping(500, 4)
    parts = kl_decomposition(mean.numpy(), logvar.numpy(), estimator=estimator, samples=300)
    total = parts.mutual_information_nats + parts.total_correlation_nats + parts.dimensionwise_kl_nats
    assert total == pytest.approx(parts.kl_nats, abs=1e-9)
    assert parts.kl_nats == pytest.approx(float(gaussian_kl(mean, logvar).sum(dim=1).mean()), rel=0.1)
    assert parts.dimensionwise_kl_per_dimension_nats.sum() == pytest.approx(parts.dimensionwise_kl_nats)
    assert parts.kl_per_dimension_nats.sum() == pytest.approx(float(gaussian_kl(mean, logvar).sum(1).mean()))


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_gaussian_aggregate(correlation: float) -> None:
    """N(0, C) with unit variances: TC = -D/4 ln(1 - rho^2), dimension-wise KL 0, I = -1/2 (log|noise| - log|C|)."""
    noise, pairs = 0.4, 2
    mean, logvar = gaussian_means(correlation, 6_000, pairs, noise)
    parts = kl_decomposition(mean, logvar, samples=6_000)
    total_correlation = -pairs / 2 * math.log(1 - correlation**2)
    assert parts.total_correlation_nats == pytest.approx(total_correlation, abs=0.03)
    assert parts.dimensionwise_kl_nats == pytest.approx(0, abs=0.03)
    information = pairs * (0.5 * math.log(1 - correlation**2) - math.log(noise))
    assert parts.mutual_information_nats == pytest.approx(information, abs=0.06)
    assert_allclose(parts.mutual_information_per_dimension_nats, -0.5 * math.log(noise), atol=0.03)


def test_duplicated_code_has_the_total_correlation_of_two_noisy_copies() -> None:
    noise = 0.2
    mean = np.random.default_rng(0).normal(scale=math.sqrt(1 - noise), size=(6_000, 1)).repeat(2, axis=1)
    parts = kl_decomposition(mean, np.full_like(mean, math.log(noise)), samples=6_000)
    assert parts.total_correlation_nats == pytest.approx(-0.5 * math.log(1 - (1 - noise) ** 2), abs=0.03)


def test_two_point_mixture_by_numerical_integration() -> None:
    """Half of the posteriors at (1, 1), half at (-1, -1), unit variance."""
    grid = np.linspace(-9, 9, 721)
    bump = [np.exp(-0.5 * (grid - m) ** 2) / math.sqrt(2 * math.pi) for m in (1.0, -1.0)]
    joint = sum(np.outer(b, b) for b in bump) / 2
    marginal = sum(bump) / 2
    cell = grid[1] - grid[0]
    total_correlation = (joint * np.log(joint / np.outer(marginal, marginal))).sum() * cell**2
    information = -(joint * np.log(joint)).sum() * cell**2 - math.log(2 * math.pi * math.e)

    mean = np.array([[1.0, 1.0], [-1.0, -1.0]]).repeat(4_000, axis=0)
    parts = kl_decomposition(mean, np.zeros_like(mean), samples=8_000)
    assert parts.total_correlation_nats == pytest.approx(total_correlation, abs=0.02)
    assert parts.mutual_information_nats == pytest.approx(information, abs=0.02)


def test_information_is_at_most_log_n_and_reaches_it() -> None:
    """Posteriors that never overlap tell which of the N points it was: log N, and not more."""
    mean = np.random.default_rng(0).normal(size=(300, 4))
    wide, narrow = (kl_decomposition(mean, np.full_like(mean, logvar)) for logvar in (-1.0, -14.0))
    assert wide.mutual_information_nats < math.log(300)
    assert narrow.mutual_information_nats == pytest.approx(math.log(300), abs=1e-6)


def test_collapsed_posterior_is_nothing_everywhere() -> None:
    parts = kl_decomposition(np.zeros((50, 3)), np.zeros((50, 3)))
    for name, value in asdict(parts).items():
        assert_allclose(value, 0, atol=1e-6, err_msg=name)


def test_single_precision_agrees_with_double_over_blocks_of_the_mixture() -> None:
    """5,000 posteriors take two blocks; means far from 0 lose digits unless centred."""
    random = np.random.default_rng(0)
    mean, logvar = random.normal(size=(5_000, 6)) + 300, random.uniform(-10, 0.5, size=(5_000, 6))
    single, double = (
        kl_decomposition(mean, logvar, samples=200, dtype=dtype) for dtype in (torch.float32, torch.float64)
    )
    for name, value in asdict(single).items():
        assert_allclose(value, asdict(double)[name], atol=1e-4, err_msg=name)


def test_stratified_estimate_approaches_the_mixture_as_batches_grow() -> None:
    _, mean, logvar = overlapping(1024, 2)
    exact = kl_decomposition(mean, logvar, samples=1024)
    errors = [
        abs(
            kl_decomposition(mean, logvar, estimator="mss", batch_size=size, samples=1024).mutual_information_nats
            - exact.mutual_information_nats
        )
        for size in (8, 64, 1024)
    ]  # fmt: skip
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-4


def test_offsets_of_weighted_sampling_in_each_term() -> None:
    """Against the plain average over the same batches: log N, (D - 1) log N and - D log N, D = 3 and N = 4096."""
    _, mean, logvar = overlapping(256, 3)
    plain, weighted = (
        kl_decomposition(mean, logvar, estimator="mws", batch_size=64, samples=256, dataset_size=size)
        for size in (1, 4096)
    )
    nats = math.log(4096)
    assert weighted.mutual_information_nats - plain.mutual_information_nats == pytest.approx(nats, abs=1e-5)
    assert weighted.total_correlation_nats - plain.total_correlation_nats == pytest.approx(2 * nats, abs=1e-5)
    assert weighted.dimensionwise_kl_nats - plain.dimensionwise_kl_nats == pytest.approx(-3 * nats, abs=1e-5)


def test_what_a_batch_does_to_each_term() -> None:
    """The plain average over a batch bounds I(x; z) by the logarithm of its size, the stratified one by nothing less
    than log N; both read the marginals' part of it right sooner than the joint's, so total correlation takes the rest.
    """
    _, mean, logvar = overlapping(4_096, 4)
    logvar = logvar - 3.0  # narrow: I(x; z) is above the logarithm of a batch
    exact = kl_decomposition(mean, logvar, samples=4_096)
    stratified = kl_decomposition(mean, logvar, estimator="mss", batch_size=64, samples=4_096)
    plain = kl_decomposition(mean, logvar, estimator="mws", batch_size=64, samples=4_096, dataset_size=1)
    assert math.log(64) < exact.mutual_information_nats < stratified.mutual_information_nats < math.log(4_096)
    assert plain.mutual_information_nats < math.log(64)
    assert stratified.total_correlation_nats < exact.total_correlation_nats < plain.total_correlation_nats
    assert stratified.dimensionwise_kl_nats < exact.dimensionwise_kl_nats


def test_seed_decides_and_nothing_else() -> None:
    _, mean, logvar = overlapping(200, 3)
    state = torch.get_rng_state()
    first, again, other = (
        kl_decomposition(mean, logvar, samples=50, seed=seed).kl_nats for seed in (0, 0, 1)
    )
    assert first == again != other
    assert torch.equal(state, torch.get_rng_state())


def test_a_batch_larger_than_the_rows_is_the_rows() -> None:
    _, mean, logvar = overlapping(40)
    large, exact = (kl_decomposition(mean, logvar, estimator="mss", batch_size=size) for size in (4096, 40))
    assert large.kl_nats == exact.kl_nats


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"logvar: expected the shape of mean, \[5, 2\], got \[4, 2\]"):
        kl_decomposition(np.zeros((5, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"codes: expected the shape of mean"):
        kl_decomposition(np.zeros((5, 2)), np.zeros((5, 2)), codes=np.zeros((5, 3)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_through_the_mixture_agree(dtype: torch.dtype) -> None:
    """An accelerator lets every code meet every posterior, a CPU only those that can matter; 5,000 posteriors."""
    z, mean, logvar = overlapping(5_000, 3)
    floor = log_gaussian(z, mean, logvar).sum(dim=1)[:400]
    near = _mixture_log_densities(z[:400], mean, logvar, floor, dtype)
    for some, every in zip(near, _on_device(z[:400], mean, logvar, torch.float64), strict=True):
        torch.testing.assert_close(some.double(), every, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rows", [300, 2_000])
@pytest.mark.parametrize("logvar", [-25.0, -45.0, -100.0, -300.0, -699.0])
def test_posteriors_of_hardly_any_width_are_points(rows: int, logvar: float) -> None:
    """Each row has a place of its own, in the joint and in every marginal: I = ln N, and TC = (D - 1) ln N = ln N.

    Below a variance of about exp(-70) a float64 no longer holds mean and noise together, which costs a little.
    """
    places = np.random.default_rng(rows).permutation(2 * rows).reshape(rows, 2)
    found = kl_decomposition(places / rows, np.full(places.shape, logvar))
    assert found.mutual_information_nats == pytest.approx(math.log(rows), abs=1e-4 if logvar > -70 else 0.02)
    assert found.total_correlation_nats == pytest.approx(math.log(rows), abs=1e-4 if logvar > -70 else 0.02)
