"""Objectives against values worked by hand, known equalities, and finite differences."""

import math

import pytest
import torch

from disbench.bench.models import ForwardPass
from disbench.bench.objectives import OBJECTIVES, Setting, kl, reconstruction

DATASET_SIZE = 1000


def forward_pass(batch=8, latents=3, seed=0, dtype=torch.float64):
    """A made-up pass: any logits and posteriors."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    images = torch.rand(batch, 1, 4, 4, generator=generator, dtype=dtype)
    mean, logvar = normal(batch, latents), normal(batch, latents) - 1
    codes = mean + torch.exp(0.5 * logvar) * normal(batch, latents)
    return ForwardPass(images, normal(batch, 1, 4, 4), mean, logvar, codes)


def one_pixel(image, logit, mean, logvar):
    """A pass of one image of one pixel with one latent."""
    value = [torch.tensor([[x]], dtype=torch.float64) for x in (mean, logvar, mean)]
    return ForwardPass(
        torch.full((1, 1, 1, 1), image, dtype=torch.float64),
        torch.full((1, 1, 1, 1), logit, dtype=torch.float64),
        *value,
    )


def strength(value):
    """A strength as the engine hands it in."""
    return torch.tensor(float(value), dtype=torch.float64)


def loss(name, outcome, value, *, step=50_000, helper=None, **options):
    """The loss of an objective of the table."""
    objective = OBJECTIVES[name]
    words = {key: takes[0] if isinstance(takes, tuple) else takes for key, takes in objective.loss_options.items()}
    setting = Setting(DATASET_SIZE, strength(step), helper)
    return objective.loss(outcome, strength(value), setting, **{**words, **options})


def test_terms_by_hand():
    """A white pixel given probability 3/4 costs ln 4/3; N(1, e^0) costs 1/2 nat against N(0, 1)."""
    outcome = one_pixel(image=1.0, logit=math.log(3), mean=1.0, logvar=0.0)
    assert reconstruction(outcome).item() == pytest.approx(math.log(4 / 3))
    assert kl(outcome).tolist() == pytest.approx([0.5])
    assert loss("beta_vae", outcome, 4).item() == pytest.approx(math.log(4 / 3) + 4 * 0.5)


def test_reconstruction_sums_pixels_and_averages_images():
    """The field's convention; torch's default of a mean over pixels would weaken it a thousandfold."""
    outcome = forward_pass(batch=8)
    twice = ForwardPass(*(torch.cat((part, part)) for part in outcome))
    assert reconstruction(twice).item() == pytest.approx(reconstruction(outcome).item())
    probability = outcome.logits.sigmoid()
    per_pixel = -(outcome.images * probability.log() + (1 - outcome.images) * (1 - probability).log())
    assert reconstruction(outcome).item() == pytest.approx(per_pixel.sum(dim=(1, 2, 3)).mean().item())


def test_reconstruction_survives_extreme_logits():
    """Confident and right costs nothing, confident and wrong costs the logit; neither is NaN."""
    assert reconstruction(one_pixel(1.0, 200.0, 0.0, 0.0)).item() == pytest.approx(0)
    assert reconstruction(one_pixel(0.0, 200.0, 0.0, 0.0)).item() == pytest.approx(200)


@pytest.mark.parametrize("name", [n for n, o in OBJECTIVES.items() if o.strength == "β"])
def test_strength_one_is_the_vae(name):
    """Beta = 1 leaves the evidence bound, for every objective that has a beta."""
    outcome = forward_pass()
    assert loss(name, outcome, 1).item() == pytest.approx(loss("vae", outcome, 1).item(), rel=1e-12)


@pytest.mark.parametrize("estimator", OBJECTIVES["beta_tcvae"].options["estimator"])
def test_beta_weighs_total_correlation_alone(estimator):
    """The loss is a line in beta whose slope is the minibatch's total correlation, worked here with plain loops."""
    outcome = forward_pass(batch=5, latents=2)
    slope = loss("beta_tcvae", outcome, 3, estimator=estimator) - loss(
        "beta_tcvae", outcome, 2, estimator=estimator
    )
    size, batch = DATASET_SIZE, 5

    def log_weight(i, j):
        if estimator == "mws":
            return -math.log(batch * size)
        # Chen et al. 2018, appendix C.2: the batch is x_i and others; x_i counts 1/N, the others share the rest.
        return -math.log(size) if i == j else math.log((size - 1) / (size * (batch - 1)))

    def log_density(i, j, d):
        mean, logvar = outcome.mean[j, d], outcome.logvar[j, d]
        return -0.5 * (math.log(2 * math.pi) + logvar + (outcome.codes[i, d] - mean) ** 2 / logvar.exp())

    expected = 0.0
    for i in range(batch):
        joint = sum(
            math.exp(log_weight(i, j) + sum(log_density(i, j, d) for d in range(2))) for j in range(batch)
        )
        marginals = [
            sum(math.exp(log_weight(i, j) + log_density(i, j, d)) for j in range(batch)) for d in range(2)
        ]
        expected += (math.log(joint) - sum(map(math.log, marginals))) / batch
    assert slope.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_against_finite_differences(name):
    """Gradients with respect to logits, means, log-variances and codes."""
    outcome = forward_pass(batch=4, latents=2)
    inputs = [part.clone().requires_grad_() for part in outcome[1:]]
    for options in [
        {key: choice} for key, choices in OBJECTIVES[name].options.items() for choice in choices
    ] or [{}]:
        assert torch.autograd.gradcheck(
            lambda *parts, options=options: loss(name, ForwardPass(outcome.images, *parts), 3, **options),
            inputs,
        )
