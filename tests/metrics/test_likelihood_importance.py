"""The importance-weighted bound: by hand, against a model whose log p(x) is known, and what it says when it fails."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import genpareto
from torch import Tensor

from disbench.metrics.likelihood import (
    LinearVAE,
    draw_importance_samples,
    effective_sample_size,
    elbo_terms,
    importance_weighted_bound,
    importance_weighted_curve,
    pareto_k,
    pareto_k_limit,
)

BY_HAND = np.log([[1.0, 3.0]])


def drawn(model: LinearVAE, rows: int, samples: int, **keywords: int) -> tuple[np.ndarray, np.ndarray]:
    """Log weights [N, S] under the best diagonal posterior, and log p(x) [N]."""
    _, inputs = model.simulate(rows, seed=1)
    found = draw_importance_samples(
        model.likelihood(inputs), *model.encode(inputs), samples=samples, **keywords
    )
    return found.log_weights, model.log_marginal(inputs).numpy()


def test_two_weights_by_hand() -> None:
    """Weights 1 and 3: E log w = log 3 / 2; log of the mean = log 2, with the error of a mean of 2: 1 / 2."""
    single, both = importance_weighted_bound(BY_HAND, 1), importance_weighted_bound(BY_HAND)
    assert single.nats == pytest.approx(math.log(3) / 2)
    assert single.rows_error_nats[0] == pytest.approx(
        math.log(3) / 2
    )  # deviation log 3 / sqrt 2, over sqrt 2
    assert both.nats == pytest.approx(math.log(2))
    assert both.rows_error_nats[0] == pytest.approx(0.5)
    assert effective_sample_size(BY_HAND)[0] == pytest.approx(16 / 10)


def test_errors_of_a_mean_over_rows() -> None:
    """Rows of 0 and 2 nats known to 0.3 and 0.4: sampling sqrt(0.25) / 2, rows sqrt(2) / sqrt(2)."""
    found = importance_weighted_bound(np.array([[0.0], [2.0]]))
    assert math.isnan(found.sampling_error_nats)
    assert found.error_nats == pytest.approx(1.0)
    known = type(found)(found.rows_nats, np.array([0.3, 0.4]))
    assert known.sampling_error_nats == pytest.approx(0.25)
    assert str(known) == "1.000 nats (error 1.000 over 2 rows, 0.250 from sampling)"


def test_the_exact_posterior_makes_every_bound_exact() -> None:
    """Every weight is p(x): any K says log p(x), without an error, and all samples are effective."""
    weights, truth = drawn(LinearVAE.random(orthogonal=True), 20, 60)
    for samples in (1, 7, 60):
        bound = importance_weighted_bound(weights, samples)
        assert_allclose(bound.rows_nats, truth, atol=1e-10)
        assert_allclose(bound.rows_error_nats, 0, atol=1e-7)
    assert_allclose(effective_sample_size(weights), 60)


def test_the_bound_rises_to_the_truth_from_below() -> None:
    """A mean-field posterior of a correlated one: monotone in K, above log p(x) by chance alone, at last there."""
    weights, truth = drawn(LinearVAE.random(12, 4), 200, 1_000)
    curve = importance_weighted_curve(weights)
    assert curve.efforts == (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    assert (np.diff(curve.nats[:6]) > 0).all()
    assert truth.mean() - curve.nats[0] > 0.1
    assert (curve.nats < truth.mean() + 3 * curve.sampling_error_nats).all()
    assert abs(curve.last.nats - truth.mean()) < 3 * curve.last.sampling_error_nats < 0.03


def test_the_gap_falls_as_one_over_k() -> None:
    """Nowozin 2018: log p - L_K is Var(w) / (2 K E[w]^2) for large K: the last doubling gained what is left.

    Variances one and a half times the posterior's give weights of variance (1.5 / sqrt 2)^D - 1.
    """
    model = LinearVAE.random(latents=3, orthogonal=True)
    _, inputs = model.simulate(200, seed=1)
    mean, logvar = model.encode(inputs)
    wide = draw_importance_samples(model.likelihood(inputs), mean, logvar + math.log(1.5), samples=4_000)
    gaps = [
        float(model.log_marginal(inputs).mean()) - importance_weighted_bound(wide.log_weights, samples).nats
        for samples in (10, 20)
    ]
    variance = (1.5 / math.sqrt(2)) ** 3 - 1
    assert_allclose(gaps, [variance / 20, variance / 40], rtol=0.1)
    assert gaps[0] - gaps[1] == pytest.approx(gaps[1], rel=0.2)


def test_errors_are_those_of_other_draws() -> None:
    """By groups and by the delta method: the spread over a hundred seeds, within a fifth of it."""
    model = LinearVAE.random(12, 4)
    seeds = [drawn(model, 5, 200, seed=seed)[0] for seed in range(100)]
    for samples in (1, 20, 200):
        bounds = [importance_weighted_bound(weights, samples) for weights in seeds]
        spread = np.std([bound.nats for bound in bounds], ddof=1)
        said = np.sqrt(np.mean([bound.sampling_error_nats**2 for bound in bounds]))
        assert said == pytest.approx(spread, rel=0.2), samples


def test_constants_order_and_rows_change_what_they_should() -> None:
    """A factor of the density is a summand; order is nothing to K = 1 and K = S; rows stand for themselves."""
    weights, _ = drawn(LinearVAE.random(), 6, 40)
    for samples in (1, 8, 40):
        bound = importance_weighted_bound(weights, samples)
        assert_allclose(importance_weighted_bound(weights - 700, samples).rows_nats, bound.rows_nats - 700)
        assert_allclose(importance_weighted_bound(weights[::-1], samples).rows_nats, bound.rows_nats[::-1])
        if samples != 8:
            assert_allclose(importance_weighted_bound(weights[:, ::-1], samples).rows_nats, bound.rows_nats)
    assert_allclose(effective_sample_size(weights - 700), effective_sample_size(weights))
    assert_allclose(pareto_k(weights - 700), pareto_k(weights))


def test_tensors_and_arrays_are_the_same() -> None:
    weights, _ = drawn(LinearVAE.random(), 6, 40)
    assert (
        importance_weighted_bound(torch.tensor(weights), 8).nats == importance_weighted_bound(weights, 8).nats
    )


def test_what_does_not_fill_a_group_is_left_out() -> None:
    """Groups of 3 of 7 weights: the seventh changes nothing."""
    weights = np.random.default_rng(0).normal(size=(4, 7))
    changed = weights.copy()
    changed[:, 6] = 50
    for table in (weights, changed):
        assert importance_weighted_bound(table, 3).nats == importance_weighted_bound(weights[:, :6], 3).nats


def test_the_curve_is_the_bound_at_each_number() -> None:
    weights, _ = drawn(LinearVAE.random(), 6, 30)
    curve = importance_weighted_curve(weights, [1, 4, 30])
    assert [estimate.nats for estimate in curve.estimates] == [
        importance_weighted_bound(weights, samples).nats for samples in (1, 4, 30)
    ]
    assert curve.gain_nats == curve.nats[2] - curve.nats[1]
    assert "30" in str(curve).splitlines()[-1]
    single = importance_weighted_curve(weights[:, :1])
    assert (single.efforts, single.gain_nats) == ((1,), 0)


def test_many_rows_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, numbers are not moved."""
    weights, _ = drawn(LinearVAE.random(), 50, 40)
    whole = importance_weighted_curve(weights)
    monkeypatch.setattr("disbench.metrics.likelihood.importance.CELLS", 100)
    assert_allclose(importance_weighted_curve(weights).nats, whole.nats, rtol=0)


def test_the_elbo_is_the_bound_of_one_sample() -> None:
    """With the KL in closed form: the same but for sampling, of which it has less."""
    model = LinearVAE.random(12, 4)
    _, inputs = model.simulate(100, seed=1)
    mean, logvar = model.encode(inputs)
    found = draw_importance_samples(model.likelihood(inputs), mean, logvar, samples=400)
    terms, bound = (
        elbo_terms(found.log_likelihoods, mean, logvar),
        importance_weighted_bound(found.log_weights, 1),
    )
    assert abs(terms.elbo_nats - bound.nats) < 3 * bound.sampling_error_nats
    assert terms.elbo_nats == pytest.approx(-terms.reconstruction_nats - terms.kl_nats)
    assert terms.kl_per_dimension_nats.sum() == pytest.approx(terms.kl_nats)
    # The gap of the ELBO is KL(q || p(z|x)): of N(m, diag) to N(m, C), the same for every input.
    _, covariance = model.posterior(inputs)
    gap = 0.5 * (torch.logdet(covariance) - logvar[0].sum())
    assert model.log_marginal(inputs).mean() - terms.elbo_nats == pytest.approx(float(gap), abs=0.02)


def test_draws_are_a_function_of_seed_and_row() -> None:
    """Not of the number of samples, of other rows, of how many are decoded at once, or of a global state."""
    model, state = LinearVAE.random(), torch.get_rng_state()
    _, inputs = model.simulate(5, seed=1)
    mean, logvar = model.encode(inputs)

    def weights(rows: int = 5, samples: int = 30, **keywords: int) -> np.ndarray:
        found = draw_importance_samples(
            model.likelihood(inputs[:rows]), mean[:rows], logvar[:rows], samples=samples, **keywords
        )
        return found.log_weights

    assert_allclose(weights(samples=7), weights()[:, :7], rtol=1e-12)
    assert_allclose(weights(rows=2), weights()[:2], rtol=1e-12)
    assert_allclose(weights(batch_size=1), weights(), rtol=1e-12)
    assert not np.isclose(weights(seed=1), weights()).any()
    assert not np.isclose(weights()[0], weights()[1]).any()
    assert torch.equal(state, torch.get_rng_state())


def test_single_precision_is_summed_in_double() -> None:
    """Float32 codes and decoder: weights within 1e-3 nats of those of double precision."""
    model = LinearVAE.random()
    _, inputs = model.simulate(5, seed=1)
    single = LinearVAE(model.weights.float(), model.deviation)
    encoded = [part.float() for part in model.encode(inputs)]
    low = draw_importance_samples(single.likelihood(inputs.float()), *encoded, samples=50).log_weights
    high = draw_importance_samples(model.likelihood(inputs), *model.encode(inputs), samples=50).log_weights
    assert low.dtype == np.float64
    assert_allclose(low, high, atol=1e-3)


@pytest.mark.parametrize("shape", [0.2, 0.7, 1.2])
def test_the_tail_of_a_pareto_distribution_is_found(shape: float) -> None:
    """Weights drawn from it: the shape within 0.1, drawn towards a half by the prior's ten weights."""
    weights = genpareto.rvs(shape, size=(20, 10_000), random_state=0)
    assert pareto_k(np.log(weights)).mean() == pytest.approx(shape, abs=0.1)


def test_the_tail_agrees_with_maximum_likelihood() -> None:
    """By scipy's fit of the same 300 largest weights, with the prior taken into account."""
    weights = np.sort(np.random.default_rng(0).lognormal(sigma=1.5, size=10_000))
    fitted, _, _ = genpareto.fit(weights[-300:] - weights[-301], floc=0)
    assert pareto_k(np.log(weights)[None])[0] == pytest.approx((300 * fitted + 5) / 310, abs=0.02)


def test_a_narrow_proposal_has_a_heavy_tail() -> None:
    """N(0, 1) by draws from N(0, s^2): the tail is k = 1 - s^2 in the limit, without a variance below s^2 = 1/2."""
    noise = np.random.default_rng(0).normal(size=(20, 20_000))
    found = [pareto_k(0.5 * noise**2 * (1 - s**2)).mean() for s in (0.3, 0.7, 1.0)]
    assert found[0] > 0.7 > found[1] > 0.4 > found[2]


def test_equal_weights_have_no_tail() -> None:
    assert pareto_k(np.zeros((2, 100))).tolist() == [-math.inf, -math.inf]


def test_the_limit_of_the_tail_grows_with_samples() -> None:
    assert [pareto_k_limit(samples) for samples in (100, 1_000, 2_200, 10**6)] == pytest.approx(
        [0.5, 2 / 3, 0.7, 0.7], abs=1e-3
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: importance_weighted_bound(np.zeros(3)), r"log_weights: expected shape \[N, D\]"),
        (lambda: importance_weighted_bound(np.full((2, 3), -np.inf)), "log_weights: every value must be finite"),
        (lambda: importance_weighted_bound(BY_HAND, 3), "samples: expected at most the 2 weights of a row, got 3"),
        (lambda: importance_weighted_bound(BY_HAND, 0), "samples: expected a whole number >= 1, got 0"),
        (lambda: importance_weighted_curve(BY_HAND, [2, 1]), "samples: expected ascending numbers"),
        (lambda: importance_weighted_curve(BY_HAND, []), "samples: expected ascending numbers"),
        (lambda: pareto_k(np.zeros((2, 24))), "log_weights: expected 25 weights a row or more, got 24"),
        (lambda: elbo_terms(np.zeros((3, 2)), np.zeros((4, 1)), np.zeros((4, 1))), "the 4 rows of mean, got 3"),
        (lambda: elbo_terms(np.zeros((3, 2)), np.zeros((3, 1)), np.zeros((3, 2))), "logvar: expected the shape"),
    ],
)  # fmt: skip
def test_bad_weights_are_refused(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": torch.zeros(3)}, r"mean: expected shape \[N, D\] with N, D >= 1, got \[3\]"),
        ({"mean": torch.zeros(4, 2, dtype=torch.int64)}, "mean: expected a tensor of floats"),
        ({"mean": np.zeros((4, 2))}, r"mean: expected a tensor of floats \[N, D\], got ndarray"),
        ({"mean": torch.full((4, 2), math.nan)}, "mean: every value must be finite"),
        ({"logvar": torch.zeros(4, 3)}, r"logvar: expected shape, type and device of mean, \[4, 2\]"),
        ({"logvar": torch.zeros(4, 2, dtype=torch.float64)}, "logvar: expected shape, type and device of mean"),
        ({"samples": 0}, "samples: expected a whole number >= 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number >= 1, got 0"),
        ({"seed": -1}, "seed: expected a whole number in 0 .. 2"),
        ({"log_likelihood": lambda codes, rows: codes}, r"log_likelihood: expected one log density a code, a tensor"),
        ({"log_likelihood": lambda codes, rows: 0.0}, r"a tensor \[40\], got float"),
        ({"log_prior": lambda codes, rows: codes.sum()}, r"log_prior: expected one log density a code"),
    ],
)  # fmt: skip
def test_bad_models_are_refused(changes, words) -> None:
    def flat(codes: Tensor, rows: Tensor) -> Tensor:
        return codes.sum(dim=1)

    given = {
        "log_likelihood": flat,
        "mean": torch.zeros(4, 2),
        "logvar": torch.zeros(4, 2),
        "samples": 10,
    } | changes
    with pytest.raises(ValueError, match=words):
        draw_importance_samples(given.pop("log_likelihood"), given.pop("mean"), given.pop("logvar"), **given)
