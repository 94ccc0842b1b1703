"""The importance-weighted objective: its bound by hand, its limits, and training with several codes an image."""

import json
import math
from dataclasses import replace

import pytest
import torch

from disbench.bench import BadInput
from disbench.bench import cohort as engine
from disbench.bench.batches import Batches
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.models import ForwardPass
from disbench.bench.objectives import Setting
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import one_model
from disbench.bench.speed.cost import flops_of
from disbench.bench.study_loading import load_study, parse_study
from disbench.datasets import load

PLAN = EvaluationPlan(samples=100, test_samples=50, metrics=())
SETTING = Setting(1797, torch.tensor(0.0, dtype=torch.float64))
NOTHING = torch.tensor(1.0, dtype=torch.float64)


def run(**changes):
    """A tiny run on digits with three codes an image."""
    plain = Run(
        data_set="digits", data_content=None, architecture="burda_mlp", objective="iwae",
        options={"importance_samples": 3}, condition=None, correlation=None, latents=3, steps=30, batch_size=8,
        learning_rate=1e-3, strength=1.0, seed=0, evaluation=PLAN,
    )  # fmt: skip
    return replace(plain, **changes)


def loss(outcome):
    """The objective's."""
    return OBJECTIVES["iwae"].loss(outcome, NOTHING, SETTING)


def pass_of(samples, images=4, latents=2, seed=0):
    """A forward pass with several codes an image, made up."""
    chance = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=chance, dtype=torch.float64)

    mean, logvar = normal(images, latents), normal(images, latents) - 1
    noise = normal(samples, images, latents)
    codes = (mean + (logvar / 2).exp() * noise).flatten(0, 1)
    pixels = torch.rand(images, 1, 2, 2, generator=chance, dtype=torch.float64).round()
    return ForwardPass(pixels, normal(samples * images, 1, 2, 2), mean, logvar, codes)


def log_weights(outcome):
    """Log p(x | z) + log p(z) - log q(z | x), [S, B], by torch's own distributions."""
    images = len(outcome.images)
    samples = len(outcome.codes) // images
    x = outcome.images.repeat(samples, 1, 1, 1)
    mean, logvar = outcome.mean.repeat(samples, 1), outcome.logvar.repeat(samples, 1)
    likelihood = torch.distributions.Bernoulli(logits=outcome.logits).log_prob(x).flatten(1).sum(1)
    prior = torch.distributions.Normal(0, 1).log_prob(outcome.codes).sum(1)
    posterior = torch.distributions.Normal(mean, (logvar / 2).exp()).log_prob(outcome.codes).sum(1)
    return (likelihood + prior - posterior).unflatten(0, (samples, images))


def test_the_bound_by_hand():
    """Two codes of one pixel: weights 1/2 and 1/4 (prior and posterior are equal) have the mean 3/8."""
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    logits = torch.tensor([0.0, math.log(1 / 3)], dtype=torch.float64).reshape(2, 1, 1, 1)
    white = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    outcome = ForwardPass(white, logits, zeros, zeros, torch.tensor([[0.3], [-1.2]], dtype=torch.float64))
    assert loss(outcome).item() == pytest.approx(-math.log(3 / 8))


@pytest.mark.parametrize("samples", [1, 5])
def test_the_bound_against_torchs_distributions(samples):
    """An independent computation of the same weights."""
    outcome = pass_of(samples)
    expected = -(log_weights(outcome).logsumexp(0) - math.log(samples)).mean()
    torch.testing.assert_close(loss(outcome), expected)


def test_more_codes_make_it_tighter():
    """The bound of five codes is above the mean of the bounds of each (Jensen), and below the best weight."""
    outcome = pass_of(5)
    weights = log_weights(outcome)
    assert weights.mean() < -loss(outcome) < weights.max(0).values.mean()


def test_gradients_against_finite_differences():
    """With three codes an image."""
    outcome = pass_of(3, images=2)
    inputs = [part.clone().requires_grad_() for part in outcome[1:5]]
    assert torch.autograd.gradcheck(lambda *parts: loss(ForwardPass(outcome.images, *parts)), inputs)


def test_the_first_codes_are_those_of_every_method():
    """At one seed the noise of the first code of each image is what the VAE sees."""
    data = load("digits")
    several, one = (
        Batches(Cohort((r,)), data, torch.float64) for r in (run(), run(objective="vae", options={}))
    )
    for ours, plain in zip(several.of(range(3)), one.of(range(3)), strict=True):
        assert ours.noise.shape == (1, 24, 3)
        assert torch.equal(ours.noise[:, :8], plain.noise)
        assert torch.equal(ours.indices, plain.indices)


def test_cohorts_equal_single_runs():
    """Two seeds at once and one at a time, to 1e-9; the history has one code an image."""
    data = load("digits")
    runs = (run(), run(seed=5))
    together = engine.train(Cohort(runs), data, dtype=torch.float64)
    alone = engine.train(Cohort(runs[1:]), data, dtype=torch.float64)
    for name, value in one_model(alone.parameters, 0).items():
        torch.testing.assert_close(together.parameters[name][1], value, rtol=0, atol=1e-9)
    points = alone.history.rows()
    assert points[0]["images"] == 8
    assert points[-1]["reconstruction_nats"] < points[0]["reconstruction_nats"]


def test_conditional_decoders_see_the_condition_with_each_code():
    """A model with a condition takes several codes an image too."""
    from disbench.bench.catalogue import ARCHITECTURES

    model = ARCHITECTURES["burda_mlp"].build((1, 8, 8), 3, 10)
    images, told = torch.rand(4, 1, 8, 8), torch.eye(10)[:4]
    noise = torch.randn(12, 3)
    outcome = model(images, told, noise)
    assert outcome.logits.shape == (12, 1, 8, 8)
    assert outcome.mean.shape == (4, 3)
    for place in range(3):
        one = model(images, told, noise[4 * place : 4 * place + 4])
        torch.testing.assert_close(outcome.codes[4 * place : 4 * place + 4], one.codes)
        torch.testing.assert_close(outcome.logits[4 * place : 4 * place + 4], one.logits)


def test_more_codes_cost_the_decoder_more():
    """Three times its operations, while the encoder sees each image once: less than three times in all."""
    one, three = flops_of(run(options={"importance_samples": 1})), flops_of(run())
    assert 1.5 * one < three < 3 * one


def test_how_many_is_a_whole_number():
    """5 and 5.0 are one run; 2.5 and 0 are refused."""
    document = {
        "name": "mine", "data_set": "digits", "architecture": "burda_mlp", "arms": [{"objective": "iwae"}],
    }  # fmt: skip
    ids = set()
    for given in ({}, {"importance_samples": 5}, {"importance_samples": 5.0}):
        [one] = parse_study(
            {**document, "arms": [{"objective": "iwae", "options": given}]}, "mine.toml"
        ).runs()
        assert one.codes_an_image == 5
        assert Run.from_configuration(json.loads(json.dumps(one.configuration))).run_id == one.run_id
        ids.add(one.run_id)
    assert len(ids) == 1
    for wrong in (2.5, 0, "many"):
        arm = {"objective": "iwae", "options": {"importance_samples": wrong}}
        with pytest.raises(BadInput, match="importance_samples should be a whole number from 1"):
            parse_study({**document, "arms": [arm]}, "mine.toml")


def test_the_study_has_the_papers_three_rows():
    """One, five and fifty codes with the paper's net on MNIST."""
    one = load_study("burda2016")
    found = [(arm.objective, arm.options.get("importance_samples")) for arm in one.arms]
    assert found == [("beta_vae", None), ("iwae", 5), ("iwae", 50)]
    assert {(arm.data_set, arm.architecture, arm.latents) for arm in one.arms} == {("mnist", "burda_mlp", 50)}
