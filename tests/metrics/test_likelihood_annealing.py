"""Annealed importance sampling and its sandwich: against models whose log p(x) is known, by formula or quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from disbench.metrics.likelihood import (
    AnnealedLikelihood,
    Annealing,
    LinearVAE,
    annealed_importance_sampling,
    annealing_curve,
    bernoulli_likelihood,
    bidirectional_monte_carlo,
    draw_importance_samples,
    importance_weighted_bound,
    simulated_bernoulli,
    standard_normal,
)
from disbench.metrics.likelihood.bridge import Bridge
from disbench.metrics.likelihood.density import joint

QUICK = Annealing(steps=100, chains=8, pilot_steps=50)


def known(rows: int = 20, **keywords: object) -> tuple[LinearVAE, Tensor, Tensor]:
    """A linear model, codes that were drawn and the inputs that they made."""
    model = LinearVAE.random(**keywords)  # type: ignore[arg-type]
    return (model, *model.simulate(rows, seed=1))


def started(model: LinearVAE, inputs: Tensor, start: str) -> tuple[Tensor, Tensor]:
    """The Gaussian that chains start from: the prior, or the best diagonal posterior."""
    mean, logvar = model.encode(inputs)
    return (mean, logvar) if start == "posterior" else (torch.zeros_like(mean), torch.zeros_like(logvar))


@pytest.mark.parametrize("schedule", ["sigmoid", "linear"])
@pytest.mark.parametrize("start", ["prior", "posterior"])
def test_the_truth_is_met_within_its_error(start, schedule) -> None:
    model, _, inputs = known()
    annealing = Annealing(steps=300, chains=8, schedule=schedule)
    found = annealed_importance_sampling(
        model.likelihood(inputs), *started(model, inputs, start), annealing=annealing
    )
    truth = model.log_marginal(inputs).numpy()
    assert abs(found.nats - truth.mean()) < 3 * found.sampling_error_nats < 0.25
    within = np.abs(found.rows_nats - truth) < 2 * found.rows_error_nats
    assert (
        within.mean() >= 0.8
    )  # by eight chains a row, whose error reads low where one more would have counted
    assert (found.effective_chains > 2).all()


def test_more_steps_come_closer_from_below() -> None:
    """From the prior to a posterior a tenth as wide: nats away after 4 steps, hundredths of one after 400."""
    model, _, inputs = known(deviation=0.2)
    curve = annealing_curve(
        model.likelihood(inputs), *started(model, inputs, "prior"), steps=(4, 40, 400), annealing=QUICK
    )
    missed = model.log_marginal(inputs).mean().item() - curve.nats
    assert missed[0] > 10 > missed[1] > 1 / 4 > missed[2] > -3 * curve.sampling_error_nats[2]


def test_the_curve_is_the_estimate_at_each_number_of_steps() -> None:
    model, _, inputs = known(4)
    given = (model.likelihood(inputs), *started(model, inputs, "prior"))
    curve = annealing_curve(*given, steps=(5, 100), annealing=QUICK)
    alone = annealed_importance_sampling(*given, annealing=QUICK)
    assert_allclose(curve.last.log_weights, alone.log_weights, rtol=0)
    assert curve.efforts == (5, 100)


@pytest.mark.parametrize("start", ["prior", "posterior"])
def test_the_sandwich_holds_the_truth_and_closes(start) -> None:
    """Below and above by as much as chance allows, and the gap falls with steps."""
    model, codes, inputs = known(40)
    found = bidirectional_monte_carlo(
        model.likelihood(inputs), codes, *started(model, inputs, start), steps=(10, 200), annealing=QUICK
    )
    truth = model.log_marginal(inputs).mean().item()
    assert (found.lower.nats - truth < 3 * found.lower.sampling_error_nats).all()
    assert (found.upper.nats - truth > -3 * found.upper.sampling_error_nats).all()
    assert found.gap_nats[1] < found.gap_nats[0] / 3
    assert abs(found.gap_nats[1]) < 0.15
    assert_allclose(found.gap_nats, found.upper.nats - found.lower.nats)
    assert (found.gap_error_nats > 0).all()


def test_the_estimate_is_unbiased_for_the_density() -> None:
    """E[w] = p(x) however few the steps, with step lengths that were held: 20,000 chains of three steps, one input."""
    model, _, inputs = known(1, inputs=2, latents=1)
    found = annealed_importance_sampling(
        model.likelihood(inputs),
        *started(model, inputs, "prior"),
        annealing=Annealing(steps=3, chains=20_000, pilot_steps=10),
        batch_size=20_000,
    )
    truth = model.log_marginal(inputs)[0].item()
    assert found.rows_error_nats[0] < 0.02
    assert abs(found.rows_nats[0] - truth) < 3 * found.rows_error_nats[0]


def test_one_step_is_importance_sampling() -> None:
    """Without a density between there is no move: the weights of draws from the start, of the same size of error."""
    model, _, inputs = known()
    mean, logvar = model.encode(inputs)
    given = (model.likelihood(inputs), mean, logvar)
    single = annealed_importance_sampling(*given, annealing=Annealing(steps=1, chains=200, pilot_steps=2))
    bound = importance_weighted_bound(draw_importance_samples(*given, samples=200).log_weights)
    error = math.hypot(single.sampling_error_nats, bound.sampling_error_nats)
    assert abs(single.nats - bound.nats) < 3 * error
    assert single.sampling_error_nats == pytest.approx(bound.sampling_error_nats, rel=0.5)
    assert np.isnan(single.acceptance).all()


def test_from_the_exact_posterior_every_chain_is_exact() -> None:
    """All densities on the path are the posterior: each weight is p(x)."""
    model, codes, inputs = known(5, orthogonal=True)
    given = model.encode(inputs)
    found = annealed_importance_sampling(model.likelihood(inputs), *given, annealing=QUICK)
    truth = model.log_marginal(inputs).numpy()
    assert_allclose(found.log_weights, truth[:, None].repeat(8, axis=1), atol=1e-9)
    assert_allclose(found.rows_error_nats, 0, atol=1e-6)
    sandwich = bidirectional_monte_carlo(model.likelihood(inputs), codes, *given, steps=(7,), annealing=QUICK)
    assert_allclose(sandwich.gap_nats, 0, atol=1e-9)


def quadrature(decoder, images: Tensor) -> np.ndarray:
    """Log p(x) [N] of a Bernoulli model with two latents, by the trapezoid rule on a fine grid."""
    line = torch.linspace(-8, 8, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    prior = standard_normal(grid, torch.zeros(len(grid), dtype=torch.int64))
    sums = []
    for number in range(len(images)):
        rows = torch.full((len(grid),), number)
        sums.append((bernoulli_likelihood(decoder, images)(grid, rows) + prior).logsumexp(0))
    return (torch.stack(sums) + 2 * math.log(float(line[1] - line[0]))).numpy()


def test_a_bernoulli_model_by_quadrature() -> None:
    """Two latents, nine pixels, a decoder with a bend and a condition: importance sampling, annealing, sandwich."""
    random = np.random.default_rng(0)
    first, second = (torch.tensor(random.normal(size=shape) * 2) for shape in ((2, 6), (6, 9)))
    offsets = torch.tensor(random.normal(size=(12, 9)))

    def decoder(codes: Tensor, rows: Tensor) -> Tensor:
        return torch.tanh(codes @ first) @ second + offsets[rows]

    codes = torch.tensor(random.normal(size=(12, 2)))
    images = simulated_bernoulli(decoder, codes, seed=3)
    truth = quadrature(decoder, images)
    zeros = torch.zeros_like(codes)
    likelihood = bernoulli_likelihood(decoder, images)
    bound = importance_weighted_bound(
        draw_importance_samples(likelihood, zeros, zeros, samples=20_000).log_weights
    )
    assert abs(bound.nats - truth.mean()) < 3 * bound.sampling_error_nats < 0.05
    annealing = Annealing(chains=16, pilot_steps=50)
    sandwich = bidirectional_monte_carlo(likelihood, codes, zeros, zeros, steps=(300,), annealing=annealing)
    for side in (sandwich.lower.last, sandwich.upper.last):
        assert abs(side.nats - truth.mean()) < 3 * side.sampling_error_nats < 0.1


def test_simulated_pixels_have_the_decoders_shares() -> None:
    """A pixel of logit l is white in a share sigmoid(l) of images; a seed repeats them, a row keeps its own."""
    logits = torch.tensor([-3.0, 0.0, 1.0])

    def decoder(codes: Tensor, rows: Tensor) -> Tensor:
        return logits.expand(len(codes), 3)

    codes = torch.zeros(4_000, 2)
    images = simulated_bernoulli(decoder, codes)
    assert set(images.unique().tolist()) == {0.0, 1.0}
    assert_allclose(images.mean(dim=0), logits.sigmoid(), atol=0.03)
    assert torch.equal(simulated_bernoulli(decoder, codes[:7], batch_size=2), images[:7])
    assert not torch.equal(simulated_bernoulli(decoder, codes, seed=1), images)


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_moves_keep_the_density_between(beta) -> None:
    """Chains that begin in f_beta, a Gaussian here, stay in it: mean and covariance after five moves, long steps."""
    model, _, inputs = known(1, latents=2)
    _, covariance = model.posterior(inputs)
    mean = (torch.linalg.inv(covariance) @ model.posterior(inputs)[0][0]) * beta
    between = torch.linalg.inv((1 - beta) * torch.eye(2) + beta * torch.linalg.inv(covariance))
    centre, factor, count = between @ mean, torch.linalg.cholesky(between), 20_000
    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    zeros = torch.zeros(count, 2, dtype=torch.float64)
    rows = torch.zeros(count, dtype=torch.int64)
    bridge = Bridge(joint(model.likelihood(inputs), standard_normal), rows, zeros, zeros + 1, count)
    place = bridge.place(centre + normal(count, 2) @ factor.T)
    narrowest = float(torch.linalg.eigvalsh(between)[0].sqrt())
    step = torch.full((count, 1), 1.4 * narrowest, dtype=torch.float64)
    shares = []
    for _ in range(5):
        chance = torch.rand(count, generator=random, dtype=torch.float64)
        place, accepted = bridge.move(place, beta, step, 3, normal(count, 2), chance)
        shares.append(float(accepted.mean()))
    assert 0.3 < np.mean(shares) < 0.99, "so long that the refusal matters"
    assert_allclose(
        place.codes.mean(dim=0), centre, atol=4 * float(between.diagonal().max().sqrt()) / count**0.5
    )
    assert_allclose(torch.cov(place.codes.T), between, atol=0.03 * float(between.diagonal().max()))


def test_a_trajectory_run_backwards_comes_home() -> None:
    """Leapfrog steps are reversible: from where it ends, with the momentum turned round, it ends where it began."""
    model, _, inputs = known(3)
    zeros = torch.zeros(3, 3, dtype=torch.float64)
    bridge = Bridge(
        joint(model.likelihood(inputs), standard_normal), torch.arange(3), zeros, zeros + 1, at_once=2
    )
    always, step = torch.zeros(3), torch.full((3, 1), 0.05, dtype=torch.float64)
    start, momentum = bridge.place(zeros + 0.3), zeros + 0.7
    ahead, _ = bridge.move(start, 0.6, step, 7, momentum, always)
    last = momentum  # the momentum at the end, by the same steps
    place = start
    for _ in range(7):
        last = last + 0.5 * step * bridge.gradient(place, 0.6)
        place = bridge.place(place.codes + step * last)
        last = last + 0.5 * step * bridge.gradient(place, 0.6)
    assert_allclose(place.codes, ahead.codes, rtol=1e-12)
    home, _ = bridge.move(ahead, 0.6, step, 7, -last, always)
    assert_allclose(home.codes, start.codes, atol=1e-12)


def test_step_lengths_fit_every_row() -> None:
    """Inputs whose noise differs a hundredfold need steps as different; each row accepts near the target."""
    weights = torch.tensor([[1.0, 0.3], [0.2, 0.8]], dtype=torch.float64)
    deviations = torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64)
    inputs = torch.tensor([[0.5, -0.3]] * 3, dtype=torch.float64)

    def likelihood(codes: Tensor, rows: Tensor) -> Tensor:
        left = (inputs[rows] - codes @ weights.T) / deviations[rows, None]
        return (-0.5 * left.square() - deviations[rows, None].log() - 0.5 * math.log(2 * math.pi)).sum(dim=1)

    zeros = torch.zeros(3, 2, dtype=torch.float64)
    found = annealed_importance_sampling(
        likelihood, zeros, zeros, annealing=Annealing(steps=400, chains=16, pilot_steps=100)
    )
    assert ((found.acceptance > 0.5) & (found.acceptance < 0.8)).all()
    truth = [
        LinearVAE(weights, float(deviation)).log_marginal(inputs[:1])[0].item() for deviation in deviations
    ]
    assert_allclose(found.rows_nats, truth, atol=0.5)


def weights_of(found: AnnealedLikelihood) -> np.ndarray:
    """Log weights [N, chains]."""
    return found.log_weights


def test_chains_are_a_function_of_seed_and_row() -> None:
    """Not of other rows, of how many are in memory at once, or of a global state."""
    model, _, inputs = known(5)
    state = torch.get_rng_state()

    def weights(rows: int = 5, seed: int = 0, **keywords: int) -> np.ndarray:
        mean, logvar = started(model, inputs[:rows], "prior")
        annealing = Annealing(steps=20, chains=4, pilot_steps=10, seed=seed)
        return weights_of(
            annealed_importance_sampling(
                model.likelihood(inputs[:rows]), mean, logvar, annealing=annealing, **keywords
            )
        )

    assert_allclose(weights(), weights(), rtol=0)
    assert_allclose(weights(rows=2), weights()[:2], rtol=1e-9)
    assert_allclose(weights(batch_size=3), weights(), rtol=1e-9)
    assert not np.isclose(weights(seed=1), weights()).any()
    assert len(np.unique(weights().round(6))) == 20
    assert torch.equal(state, torch.get_rng_state())


def test_a_decoder_keeps_no_gradient_and_its_mode() -> None:
    """Parameters that want gradients get none, and the caller's own no_grad does not stand in the way."""
    decoder = torch.nn.Linear(2, 5)
    likelihood = bernoulli_likelihood(lambda codes, rows: decoder(codes), torch.rand(3, 5))
    with torch.no_grad():
        found = annealed_importance_sampling(
            likelihood, torch.zeros(3, 2), torch.zeros(3, 2), annealing=Annealing(steps=5, chains=2)
        )
    assert np.isfinite(found.rows_nats).all()
    assert found.rows_nats.dtype == np.float64
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_where_a_density_ends_chains_turn_back() -> None:
    """NaN beyond a wall: such moves are refused. p(x | z) = z on 0 .. 1 under a start well inside."""
    mean = torch.full((1, 1), 0.5, dtype=torch.float64)

    def walled(codes: Tensor, rows: Tensor) -> Tensor:
        return torch.where((codes > 0) & (codes < 1), codes, math.nan).log().sum(dim=1)

    found = annealed_importance_sampling(
        walled, mean, torch.full_like(mean, math.log(0.05**2)), annealing=Annealing(steps=300, chains=200)
    )
    # Integral of z exp(-z^2 / 2) / sqrt(2 pi) from 0 to 1.
    assert found.nats == pytest.approx(math.log((1 - math.exp(-0.5)) / math.sqrt(2 * math.pi)), abs=0.3)


@pytest.mark.parametrize("schedule", ["sigmoid", "linear"])
def test_schedules_go_from_nothing_to_everything(schedule) -> None:
    """Ascending, from 0 to 1, the same from either end."""
    betas = Annealing(steps=11, schedule=schedule).betas()
    assert len(betas) == 12
    assert (betas[0], betas[-1]) == (0, 1)
    assert (np.diff(betas) > 0).all()
    assert_allclose(betas + betas[::-1], 1)


def test_the_sigmoid_by_its_formula() -> None:
    """By sigmoid(4 (2 t / T - 1)), shifted and scaled to 0 .. 1."""
    plain = 1 / (1 + np.exp(-4 * (2 * np.arange(8) / 7 - 1)))
    assert_allclose(Annealing(steps=7).betas(), (plain - plain[0]) / (plain[-1] - plain[0]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "steps: expected a whole number >= 1, got 0"),
        ({"chains": 0}, "chains: expected a whole number >= 1, got 0"),
        ({"leapfrogs": 1.5}, "leapfrogs: expected a whole number >= 1, got 1.5"),
        ({"pilot_steps": 1}, "pilot_steps: expected a whole number >= 2, got 1"),
        ({"schedule": "cosine"}, 'schedule: expected "sigmoid" or "linear", got \'cosine\''),
        ({"seed": -1}, "seed: expected a whole number in 0 .. 2"),
    ],
)
def test_bad_plans_are_refused(changes, words) -> None:
    with pytest.raises(ValueError, match=words):
        Annealing(**changes)


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [
        (lambda codes, rows: codes, "log_likelihood: expected one log density a code"),
        (lambda codes, rows: codes.sum(dim=1) / 0, r"must be finite where chains start, is not for row 0"),
        (lambda codes, rows: torch.where(rows == 2, math.nan, codes[:, 0]), "is not for row 2"),
    ],
)
def test_bad_models_are_refused(likelihood, words) -> None:
    with pytest.raises(ValueError, match=words):
        annealed_importance_sampling(likelihood, torch.zeros(3, 2), torch.zeros(3, 2), annealing=QUICK)


def test_a_density_without_a_gradient_is_refused() -> None:
    def detached(codes: Tensor, rows: Tensor) -> Tensor:
        return codes.detach().sum(dim=1)

    zeros = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="must be differentiable in codes, got values without a gradient"):
        annealed_importance_sampling(detached, zeros, zeros, annealing=QUICK)


def test_bad_sandwiches_are_refused() -> None:
    zeros = torch.zeros(3, 2)

    def flat(codes: Tensor, rows: Tensor) -> Tensor:
        return codes.sum(dim=1)

    with pytest.raises(ValueError, match=r"codes: expected the shape of mean, \[3, 2\], got \[2, 2\]"):
        bidirectional_monte_carlo(flat, zeros[:2], zeros, zeros, steps=(5,))
    with pytest.raises(ValueError, match=r"steps: expected ascending numbers, got \[5, 5\]"):
        bidirectional_monte_carlo(flat, zeros, zeros, zeros, steps=(5, 5))
