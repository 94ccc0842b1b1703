"""Hierarchies: the merge by hand, KL sums and importance bounds against linear Gaussian ones with closed forms."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from invented import invented
from readable import assert_readable, drawn
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from disbench.bench import cohort as engine
from disbench.bench import sweep
from disbench.bench.catalogue import ARCHITECTURES, OBJECTIVES
from disbench.bench.family.hierarchical.gaussian import Gaussian, merged, relative
from disbench.bench.family.hierarchical.model import Hierarchy, hierarchy
from disbench.bench.family.hierarchical.objective import warmth
from disbench.bench.family.hierarchical.passes import Chain, Generative, Ladder
from disbench.bench.family.hierarchical.tasks import importance_bound
from disbench.bench.generation import KINDS as GRIDS
from disbench.bench.generation import Question
from disbench.bench.models import initial_parameters
from disbench.bench.models.layers import redrawn
from disbench.bench.objectives import Setting, reconstruction
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import one_model, with_parameters
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study, parse_study
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.datasets import load

KINDS = {"ladder": "ladder_vae", "hierarchical": "hierarchical_vae"}
"""What nets are called, and the objective that goes with them."""

NOBODY = torch.zeros(1, 0, dtype=torch.float64)
"""What a model without a condition is told."""


class Linear(nn.Module):
    """N(slope x + shift, variance) of the one number x: a layer with a closed form."""

    def __init__(self, slope: float, variance: float, shift: float = 0.0) -> None:
        super().__init__()
        self.slope, self.variance, self.shift = slope, variance, shift

    def forward(self, x, *rest):
        mean = self.slope * x + self.shift
        return Gaussian(mean, torch.full_like(mean, math.log(self.variance)))


class Logit(nn.Module):
    """The logit of one pixel is twice z_1."""

    def forward(self, z, condition):
        return 2 * z[:, :, None, None]


SLOPE, SPREAD, SHIFT = 0.8, 0.3, -0.4
"""Of p(z_1 | z_2) = N(0.8 z_2 - 0.4, 0.3), with p(z_2) = N(0, 1)."""

GENERATIVE = Generative([Linear(SLOPE, SPREAD, SHIFT)], Logit())


def two_layers(inference) -> Hierarchy:
    """One number in each of two layers, of one pixel."""
    return Hierarchy(inference, GENERATIVE, (1, 1))


def ladder(*heads):
    """Of an image that goes upwards unchanged; heads from the image upwards."""
    return two_layers(Ladder([nn.Identity() for _ in heads], heads))


def pixel(value, rows=1):
    """Images of one pixel."""
    return torch.full((rows, 1, 1, 1), value, dtype=torch.float64)


def noise(rows, width=2, seed=0):
    """Standard normal in float64."""
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def told(rows):
    """Nothing, to so many."""
    return NOBODY.expand(rows, 0)


def test_the_merge_by_hand():
    """N(3, 1/2) and N(0, 1) have precisions 2 and 1: together N(2, 1/3)."""
    one = merged(
        Gaussian(torch.tensor([[3.0]]), torch.tensor([[0.5]]).log()),
        Gaussian(torch.zeros(1, 1), torch.zeros(1, 1)),
    )
    assert one.mean.item() == pytest.approx(2)
    assert one.logvar.exp().item() == pytest.approx(1 / 3)


def test_nothing_said_leaves_the_prior():
    """Infinite variance upwards: mean and variance are the prior's; so are they the other way round."""
    prior = Gaussian(torch.tensor([[0.7, -2.0]]), torch.tensor([[-1.0, 2.0]]))
    silent = Gaussian(torch.tensor([[5.0, -90.0]]), torch.full((1, 2), math.inf))
    for together in (merged(silent, prior), merged(prior, silent)):
        torch.testing.assert_close(together, prior)


def test_the_merge_is_the_product_of_densities():
    """Log q + log p less the log density of the merged is one constant along z, with extreme precisions too."""
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for variances in ((0.5, 2.0), (1e-6, 1e6)):
        mean, variance = torch.tensor([(0.3, -1.1), variances], dtype=torch.float64)
        both = Normal(mean, variance.sqrt()).log_prob(z[:, None])
        together = merged(*(Gaussian(m, v.log()) for m, v in zip(mean, variance, strict=True)))
        left_over = both.sum(dim=1) - Normal(together.mean, (together.logvar / 2).exp()).log_prob(z)
        assert (left_over - left_over[0]).abs().max() < 1e-12 * both.abs().max()


def test_a_relative_gaussian_keeps_the_kl():
    """KL(q || p) is that of q in p's coordinates to N(0, 1)."""
    q, p = Normal(1.2, 0.4), Normal(-0.3, 1.7)
    moved = relative(*(Gaussian(d.mean, d.variance.log()) for d in (q, p)))
    again = kl_divergence(Normal(moved.mean, (moved.logvar / 2).exp()), Normal(0.0, 1.0))
    assert again.item() == pytest.approx(kl_divergence(q, p).item())


def joint_of_generative():
    """Mean and covariance of (z_2, z_1) under the prior."""
    covariance = torch.tensor([[1.0, SLOPE], [SLOPE, SLOPE**2 + SPREAD]], dtype=torch.float64)
    return MultivariateNormal(torch.tensor([0.0, SHIFT], dtype=torch.float64), covariance)


def test_ancestral_samples_have_the_moments_of_the_prior():
    """Standard normal numbers become codes z with the joint's mean and covariance, within five standard errors."""
    model, exact = ladder(Linear(1, 1), Linear(1, 1)), joint_of_generative()
    rows = 40_000
    codes = torch.cat(model.latents(model.prior(noise(rows), told(rows)), told(rows)), dim=1)
    error = 5 * (exact.covariance_matrix.diagonal().max() / rows) ** 0.5
    assert (codes.mean(dim=0) - exact.mean).abs().max() < error
    assert (codes.T.cov() - exact.covariance_matrix).abs().max() < 2 * error


def ladder_case():
    """A ladder on a pixel x = 1, with q(z_2, z_1 | x) = q(z_2 | x) q(z_1 | z_2, x) as a Gaussian of both."""
    model = ladder(Linear(0.5, 0.6), Linear(0.9, 0.2))
    above_mean, above_variance, said, said_variance = 0.9, 0.2, 0.5, 0.6
    variance = 1 / (1 / said_variance + 1 / SPREAD)
    slope = variance / SPREAD * SLOPE
    mean = slope * above_mean + variance * (said / said_variance + SHIFT / SPREAD)
    covariance = [
        [above_variance, slope * above_variance],
        [slope * above_variance, slope**2 * above_variance + variance],
    ]
    return model, [above_mean, mean], covariance


def chain_case():
    """A plain hierarchy on x = 1: q(z_1 | x) = N(0.5, 0.6), q(z_2 | z_1) = N(0.9 z_1 + 0.1, 0.2)."""
    model = two_layers(Chain([Linear(0.5, 0.6), Linear(0.9, 0.2, 0.1)]))
    covariance = [[0.9**2 * 0.6 + 0.2, 0.9 * 0.6], [0.9 * 0.6, 0.6]]
    return model, [0.9 * 0.5 + 0.1, 0.5], covariance


@pytest.mark.parametrize("case", [ladder_case, chain_case])
def test_the_kl_of_layers_sums_to_that_of_the_joint(case):
    """Mean over draws of the layers' terms = E log q/p of the same draws = KL of two Gaussians of both layers."""
    model, mean, covariance = case()
    rows = 20_000
    q = MultivariateNormal(*(torch.tensor(part, dtype=torch.float64) for part in (mean, covariance)))
    exact = kl_divergence(q, joint_of_generative()).item()
    layers = model.layers(pixel(1.0, rows), told(rows), noise(rows))
    codes = torch.cat(layers.codes, dim=1)
    assert (codes.T.cov() - q.covariance_matrix).abs().max() < 0.05
    # The sum of the log-ratios is that of the joint densities, draw by draw: nothing is left out or counted twice.
    ratio = q.log_prob(codes) - joint_of_generative().log_prob(codes)
    torch.testing.assert_close(layers.log_ratios().sum(dim=1), ratio, rtol=0, atol=1e-9)
    terms = model.inference.kl(layers).sum(dim=1)
    for estimate in (terms, ratio):
        assert abs(estimate.mean().item() - exact) < 5 * estimate.std().item() / rows**0.5


@pytest.mark.parametrize("kind", KINDS)
def test_closed_forms_agree_with_monte_carlo_on_real_nets(kind):
    """Three layers with random weights: the mean over draws of KL terms and of log q/p, layer by layer for a ladder."""
    model = of_seed(kind, units=(8, 6, 4))
    rows = 20_000
    images = torch.rand(1, 1, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    layers = model.layers(images.expand(rows, -1, -1, -1), told(rows), noise(rows, 14))
    terms, ratios = model.inference.kl(layers), layers.log_ratios()
    gap = (terms - ratios) if kind == "ladder" else (terms - ratios).sum(dim=1, keepdim=True)
    assert (gap.mean(dim=0).abs() < 5 * gap.std(dim=0) / rows**0.5).all()
    assert gap.abs().max() > 0.01  # the two are not the same numbers
    if kind == "ladder":
        assert terms.min() >= 0


def test_a_silent_way_up_is_the_prior():
    """Infinite variance below the top, N(0, 1) at it: every KL is 0 and the codes are ancestral samples."""
    model = ladder(Linear(3.0, 1e300), Linear(0.0, 1.0))
    layers = model.layers(pixel(1.0, 5), told(5), noise(5))
    assert model.inference.kl(layers).abs().max() == 0
    for ours, ancestral in zip(layers.codes, model.latents(noise(5), told(5)), strict=True):
        assert torch.equal(ours, ancestral)


@pytest.mark.parametrize("kind", ["ladder", "chain"])
def test_with_the_exact_posterior_every_importance_weight_is_the_marginal(kind):
    """Of x = z_1 + N(0, r) a ladder whose way up says N(x, r) of z_1 is the posterior, and so is a chain by Bayes."""
    r, x = 0.25, 0.7
    above, below = joint_of_generative().mean, joint_of_generative().covariance_matrix
    marginal = Normal(above[1], (below[1, 1] + r) ** 0.5)
    gain = below[:, 1] / (below[1, 1] + r)
    posterior_mean = above + gain * (x - above[1])
    posterior = below - gain[:, None] * below[1]
    if kind == "ladder":
        top = Linear(0.0, posterior[0, 0].item(), posterior_mean[0].item())
        model = ladder(Linear(1.0, r), top)
    else:
        backwards = SLOPE / (SLOPE**2 + SPREAD)
        model = two_layers(
            Chain(
                [
                    Linear(0.0, posterior[1, 1].item(), posterior_mean[1].item()),
                    Linear(backwards, 1 - backwards * SLOPE, -backwards * SHIFT),
                ]
            )
        )
    layers = model.layers(pixel(x, 50), told(50), noise(50))
    likelihood = Normal(layers.codes[-1][:, 0], r**0.5).log_prob(torch.tensor(x, dtype=torch.float64))
    weights = likelihood - layers.log_ratios().sum(dim=1)
    expected = marginal.log_prob(torch.tensor(x, dtype=torch.float64))
    torch.testing.assert_close(weights, expected.expand(50), rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", [ladder_case, chain_case])
def test_the_importance_bound_against_the_exact_marginal(case):
    """A white pixel: p(x) = E sigmoid(2 z_1) by Gauss-Hermite. One sample is the ELBO, below it; many reach it."""
    model, *_ = case()
    exact_z, weight = np.polynomial.hermite_e.hermegauss(60)
    deviation = (SLOPE**2 + SPREAD) ** 0.5
    sigmoid = 1 / (1 + np.exp(-2 * (SHIFT + deviation * exact_z)))
    exact = math.log((weight * sigmoid).sum() / math.sqrt(2 * math.pi))
    samples, images = 1_000, 40
    rows = samples * images
    weights = model.log_weights(pixel(1.0, rows), told(rows), noise(rows)).unflatten(0, (samples, images))
    bound = importance_bound(weights)
    assert abs(bound.mean().item() - exact) < 5 * bound.std().item() / images**0.5 + 1 / samples
    elbo = importance_bound(weights.reshape(1, -1)).mean().item()
    assert elbo == pytest.approx(weights.mean().item())
    assert elbo < importance_bound(weights[:5]).mean() < exact + 0.02
    # The same ELBO from the model's forward pass: reconstruction and the KL of its layers.
    outcome = model(pixel(1.0, rows), told(rows), noise(rows))
    other = -(reconstruction(outcome) + outcome.extra["kl_nats"].sum(dim=1).mean()).item()
    assert other == pytest.approx(elbo, abs=0.05)


def of_seed(kind, *, units=(8, 6), latents=2, condition=0, normalised=True, seed=0):
    """A small hierarchy of images 2 x 2 with weights of a seed, in float64, for inference."""
    model = hierarchy(
        (1, 2, 2), latents, condition, units=units, ladder=kind == "ladder", normalised=normalised
    )
    weights = initial_parameters(model, "glorot", [seed], torch.device("cpu"))
    model.load_state_dict({name: value[0] for name, value in weights.items()}, strict=False)
    return model.double().eval().requires_grad_(False)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_innovations(kind):
    """Decoding the codes of a pass gives its logits; a bijection leads to every layer's z and back."""
    model = of_seed(kind, units=(8, 6, 4), condition=3)
    images, condition = torch.rand(5, 1, 2, 2).double(), torch.eye(3).double()[[0, 1, 2, 0, 1]]
    outcome = model(images, condition, noise(5, 14))
    layers = model.layers(images, condition, noise(5, 14))
    torch.testing.assert_close(model.decode(outcome.codes, condition), outcome.logits)
    for ours, again in zip(layers.codes, model.latents(outcome.codes, condition), strict=True):
        torch.testing.assert_close(ours, again)
    assert [z.shape[1] for z in layers.codes] == [2, 4, 8]
    # The reconstruction from means in these coordinates is that from the means of z.
    mean, _ = model.encode(images, condition)
    last = model.at_means(images, condition).codes[-1]
    torch.testing.assert_close(model.decode(mean, condition), model.generative.pixels(last, condition))


@pytest.mark.parametrize("kind", KINDS)
def test_in_evaluation_the_mean_is_of_the_image_alone(kind):
    """Whatever the noise; in training a layer's mean depends on what was drawn for the others."""
    model = of_seed(kind)
    images = torch.rand(4, 1, 2, 2).double()
    first, second = (model(images, told(4), noise(4, 6, seed)) for seed in (1, 2))
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.mean, model.encode(images, told(4))[0])
    model.train()
    first, second = (model(images, told(4), noise(4, 6, seed)) for seed in (1, 2))
    assert not torch.equal(first.mean, second.mean)


def test_warm_up_is_a_line_and_then_one():
    """A tenth of 1,000 steps: half of the weight after 50, all from 100 on; a share above 1 never gets there."""

    def weight(step, share=0.1):
        return warmth(Setting(10, torch.tensor(float(step)), steps=1_000), share).item()

    assert [weight(step) for step in (0, 50, 100, 999)] == pytest.approx([0, 0.5, 1, 1])
    assert weight(999, share=2.0) == pytest.approx(999 / 2_000)


@pytest.mark.parametrize("objective", KINDS.values())
def test_the_loss_is_the_bound_with_its_kl_warmed(objective):
    """At the first step nothing but the reconstruction; without warm-up, or after it, the negative ELBO."""
    model = of_seed("ladder")
    outcome = model(torch.rand(6, 1, 2, 2).double(), told(6), noise(6, 6))
    kl = outcome.extra["kl_nats"].sum(dim=1).mean()

    def loss(step, warmup):
        setting = Setting(10, torch.tensor(float(step)), steps=100)
        return OBJECTIVES[objective].loss(
            outcome, torch.tensor(1.0), setting, warmup=warmup, warmup_share=0.1
        )

    torch.testing.assert_close(loss(0, "linear"), reconstruction(outcome))
    torch.testing.assert_close(loss(5, "linear"), reconstruction(outcome) + 0.5 * kl)
    for step, warmup in ((10, "linear"), (0, "off"), (99, "off")):
        torch.testing.assert_close(loss(step, warmup), reconstruction(outcome) + kl)


@pytest.mark.parametrize("kind", KINDS)
def test_the_papers_net(kind):
    """Five layers of 64, 32, 16, 8 and 4 units, MLPs of 512, 256, 128, 64 and 32, from the image upwards."""
    net = ARCHITECTURES[f"{kind}_mlp"]
    model = net.build((1, 28, 28), 4, 0)
    assert model.layer_widths == (4, 8, 16, 32, 64)
    assert net.code_width is not None
    assert net.code_width((1, 28, 28), 4) == 124
    perceptrons = [getattr(step, "perceptron", step) for step in next(iter(model.inference.children()))]
    assert [net.hidden_2.out_features for net in perceptrons] == [512, 256, 128, 64, 32]
    assert [p.perceptron.hidden_1.in_features for p in model.generative.conditionals] == [4, 8, 16, 32]
    assert [p.perceptron.hidden_1.out_features for p in model.generative.conditionals] == [32, 64, 128, 256]
    assert len([m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]) == 20
    bare = ARCHITECTURES[f"{kind}_mlp_no_norm"].build((1, 28, 28), 4, 0)
    assert not list(bare.buffers())


def run(kind, **changes):
    """A tiny run on digits."""
    plain = Run(
        data_set="digits", data_content=None, architecture=f"{kind}_mlp_small", objective=KINDS[kind],
        options={"warmup": "linear", "warmup_share": 0.5}, condition=None, correlation=None, latents=1, steps=3,
        batch_size=8, learning_rate=1e-3, strength=1.0, seed=0,
        evaluation=EvaluationPlan(samples=100, test_samples=50, metrics=()),
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def digits():
    """Small images."""
    return load("digits")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cohort_equals_single_runs(kind, digits):
    """In float64 to 1e-9, running statistics of batch normalisation too; those of two seeds differ."""
    runs = (run(kind), run(kind, seed=7))
    together = engine.train(Cohort(runs), digits, dtype=torch.float64).parameters
    alone = one_model(engine.train(Cohort(runs[1:]), digits, dtype=torch.float64).parameters, 0)
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value, rtol=0, atol=1e-9)
    statistics = [name for name in alone if name.endswith("running_mean")]
    assert len(statistics) == 12
    assert all(not torch.equal(together[name][0], together[name][1]) for name in statistics)


@pytest.mark.parametrize("kind", KINDS)
def test_low_precision_keeps_its_statistics_in_full(kind, digits):
    """Rounded products move the running means by little; they are kept as float32."""
    exact, rounded = (
        engine.train(Cohort((run(kind, precision=p),)), digits).parameters for p in ("float32", "bf16")
    )
    for name, value in exact.items():
        if name.endswith("running_mean"):
            assert rounded[name].dtype == torch.float32
            torch.testing.assert_close(rounded[name], value, rtol=0.1, atol=0.02)
            assert not torch.equal(rounded[name], value)


class Kept:
    """A checkpoint in memory: what there was after two steps."""

    def __init__(self) -> None:
        self.tensors = None

    def resume(self, state, history):
        if self.tensors is None:
            return 0
        state.load(self.tensors)
        return 2

    def offer(self, done, state, history):
        if done == 2:
            self.tensors = {name: value.clone() for name, value in state.tensors().items()}


def test_resumed_is_uninterrupted(digits, monkeypatch):
    """From two steps of three, bit for bit; the running statistics are among what was kept."""
    monkeypatch.setattr(engine, "DRAWN_AHEAD", 2)
    kept, cohort = Kept(), Cohort((run("ladder"),))
    whole = engine.train(cohort, digits, checkpoint=kept).parameters
    assert any("running_var" in name for name in kept.tensors)
    again = engine.train(cohort, digits, checkpoint=kept).parameters
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def subject_of(kind, digits):
    """A model as it begins, to be scored on 60 digits."""
    one = run(kind)
    weights = initial_parameters(
        ARCHITECTURES[one.architecture].build((1, 8, 8), 1, 0), "glorot", [0], digits.device
    )
    statistics = ARCHITECTURES[one.architecture].build((1, 8, 8), 1, 0).named_buffers()
    state = {name: value[0] for name, value in weights.items()} | {
        name: value for name, value in statistics if value.is_floating_point()
    }
    indices = torch.arange(60)
    factors = digits.factors(indices)
    return Subject(
        one, with_parameters(one, state), digits, lambda indices, factors: torch.zeros(len(indices), 0),
        indices, factors, torch.zeros(60, 7), 40,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_scored(kind, digits):
    """Columns from the image upwards, lists from the top down; what is not there has none; sums are the ELBO's KL."""
    subject = subject_of(kind, digits)
    found = TASKS["layers"].measure(subject, images=60, draws=4, threshold=0.01, bins=20)
    assert {score.column for score in TASKS["layers"].scores} >= found.keys()
    numbered = [found[f"kl_layer_{layer}_nats"] for layer in (1, 2, 3)]
    assert numbered == found["kl_per_layer_nats"][::-1]
    assert "kl_layer_4_nats" not in found
    assert [found[f"active_units_layer_{n}"] for n in (1, 2, 3)] == found["active_units_per_layer"][::-1]
    assert all(0 <= found[f"active_units_layer_{n}"] <= 4 / 2 ** (n - 1) for n in (1, 2, 3))
    outcome = subject.model(digits.images(subject.indices), torch.zeros(60, 0), noise(60, 7).float())
    assert sum(numbered) == pytest.approx(outcome.extra["kl_nats"].sum(dim=1).mean().item(), abs=0.2)
    none = TASKS["layers"].measure(subject, images=60, draws=1, threshold=1e9, bins=20)
    assert none["collapsed_layers"] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_does_not_depend_on_how_many_images_are_asked_for(kind, digits, monkeypatch):
    """Draws belong to an image; more of them make a tighter bound."""
    subject, likelihood = subject_of(kind, digits), TASKS["layers_likelihood"].measure
    few, more = (likelihood(subject, images=6, importance_samples=s) for s in (2, 50))
    assert more["elbo_hierarchy_nats"] < more["iwae_hierarchy_nats"]
    assert few["iwae_hierarchy_nats"] < more["iwae_hierarchy_nats"]
    assert 0 < more["iwae_hierarchy_effective_share"] <= 1
    monkeypatch.setattr("disbench.bench.family.hierarchical.tasks.AT_ONCE", 100)
    again = likelihood(subject, images=6, importance_samples=50)
    assert again["iwae_hierarchy_nats"] == pytest.approx(more["iwae_hierarchy_nats"], abs=1e-4)


def test_tasks_are_not_defined_without_layers():
    """A VAE has one, and other scores for it."""
    plain = run("ladder", objective="vae", architecture="small_patch", options={})
    for name in ("layers", "layers_likelihood"):
        assert TASKS[name].defined_for(run("ladder"))
        assert not TASKS[name].defined_for(plain)


@pytest.fixture(scope="module")
def swept_layers(tmp_path_factory):
    """One model of each, of three layers, trained for two steps."""
    study = {
        "name": "layers", "data_set": "digits", "latents": 1, "steps": 2, "batch_size": 8,
        "evaluation": {"metrics": ["mig", "kl_decomposition"], "samples": 40, "test_samples": 20,
                       "options": {"layers": {"draws": 1},
                                   "layers_likelihood": {"images": 4, "importance_samples": 3}}},
        "arms": [{"objective": o, "architecture": f"{k}_mlp_small"} for k, o in KINDS.items()],
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("layers") / "out"
    return Store(folder), sweep(parse_study(study, "layers.toml"), out=folder)


def test_a_sweep_of_both(swept_layers):
    """Trained, scored by their tasks unasked, with the columns of posteriors empty."""
    rows = swept_layers[1].set_index("objective")
    for objective in KINDS.values():
        row = rows.loc[objective]
        assert row["status"] == "done"
        scores = [row[name] for name in ("elbo_nats", "mig", "iwae_hierarchy_nats", "kl_layer_3_nats")]
        assert np.isfinite(scores).all()
        assert len(row["kl_per_layer_nats"]) == 3
        assert np.isnan(row["kl_layer_4_nats"])
        assert np.isnan(row["kl_nats"])


@pytest.mark.parametrize("name", ["layers", "layer_samples"])
def test_figures_are_readable(swept_layers, name):
    """An arm a row; a layer a row."""
    store, rows = swept_layers
    figure = drawn(name, rows, store)
    assert_readable(figure)
    if name == "layers":
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
            "Ladder VAE", "hierarchical VAE",
        ]  # fmt: skip
        numbers = [float(text.get_text()) for text in figure.axes[0].texts]
        expected = [rows.iloc[arm][f"kl_layer_{layer}_nats"] for arm in (0, 1) for layer in (1, 2, 3)]
        assert numbers == pytest.approx(expected, abs=0.06)
    else:
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["3", "2", "1"]


def test_trainings_show_what_is_defined(swept_layers):
    """Bound, reconstruction and KL; the three parts of the KL are those of posteriors."""
    store, rows = swept_layers
    figure = drawn("training", rows, store)
    assert_readable(figure)
    empty = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert empty == [*[[]] * 3, *[["not defined"]] * 3] * 2


def test_a_figure_of_arms_with_and_without_layers(swept_layers):
    """Long names take several lines; a model of five layers beside one of three; a VAE is left out."""
    store, rows = swept_layers
    arms = []
    for number, warmup in enumerate(("linear", "off")):
        told = json.loads(rows.iloc[0]["configuration"])
        told["options"]["warmup"] = warmup
        told["architecture"] = f"ladder_mlp_small_{'no_norm' if number else 'as_long_as_names_get'}"
        arms.append(rows.iloc[[0]].assign(configuration=json.dumps(told)))
    arms[1].at[arms[1].index[0], "kl_per_layer_nats"] = [0.0, 1.0, -0.5, 20.0, 3.0]
    arms[1].at[arms[1].index[0], "active_units_per_layer"] = [0.0, 1.0, 2.0, 20.0, 3.5]
    figure = drawn(
        "layers", pd.concat([*arms, invented(["vae"], data_sets=["digits"])], ignore_index=True), store
    )
    assert_readable(figure)
    assert [text.get_text() for text in figure.axes[0].texts][3:] == ["3.0", "20", "-0.50", "1.0", "0.00"]
    assert [text.get_text() for text in figure.axes[1].texts][3:] == ["3.5", "20", "2", "1", "0"]


def test_one_layer_is_redrawn_at_a_time():
    """By hand: two units at the top, one below."""
    code, noise = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[-1.0, -2.0, -3.0], [7.0, 8.0, 9.0]])
    assert redrawn(code, noise, (2, 1)).tolist() == [
        [[-1, -2, 3], [7, 8, 3]],
        [[1, 2, -3], [1, 2, 9]],
    ]


@torch.no_grad()
def test_rows_of_samples_are_layers(swept_layers, digits):
    """Beginning with one reconstruction; a collapsed layer would repeat it."""
    store, rows = swept_layers
    one, model = store.model(rows.iloc[0].to_dict())
    images = GRIDS["layers"](Question(one, model, digits, count=3))
    assert images.shape == (3, 3, 1, 8, 8)
    assert torch.equal(images[0, 0], images[2, 0])
    assert not torch.allclose(images[0, 0], images[0, 1])


def test_the_study_has_the_papers_arms():
    """A plain hierarchy bare, with batch normalisation, with warm-up too, and the ladder with both."""
    arms = [
        (arm.objective, "no_norm" not in arm.architecture, arm.options.get("warmup") != "off")
        for arm in load_study("sonderby2016").arms
    ]
    plain, ours = "hierarchical_vae", "ladder_vae"
    for expected in ((plain, False, False), (plain, True, False), (plain, True, True), (ours, True, True)):
        assert expected in arms
