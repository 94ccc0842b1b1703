"""Objectives against values worked by hand, known equalities, and finite differences."""

import math

import pytest
import torch

from disbench.bench.models import ForwardPass
from disbench.bench.objectives import PLAIN_OBJECTIVES, Setting, kl, reconstruction

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
    objective = PLAIN_OBJECTIVES[name]
    words = {
        key: takes[0] if isinstance(takes, tuple) else takes for key, takes in objective.loss_options.items()
    }
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
    twice = ForwardPass(*(torch.cat((part, part)) for part in outcome[:5]))
    assert reconstruction(twice).item() == pytest.approx(reconstruction(outcome).item())
    probability = outcome.logits.sigmoid()
    per_pixel = -(outcome.images * probability.log() + (1 - outcome.images) * (1 - probability).log())
    assert reconstruction(outcome).item() == pytest.approx(per_pixel.sum(dim=(1, 2, 3)).mean().item())


def test_reconstruction_survives_extreme_logits():
    """Confident and right costs nothing, confident and wrong costs the logit; neither is NaN."""
    assert reconstruction(one_pixel(1.0, 200.0, 0.0, 0.0)).item() == pytest.approx(0)
    assert reconstruction(one_pixel(0.0, 200.0, 0.0, 0.0)).item() == pytest.approx(200)


@pytest.mark.parametrize("name", [n for n, o in PLAIN_OBJECTIVES.items() if o.strength == "β"])
def test_strength_one_is_the_vae(name):
    """Beta = 1 leaves the evidence bound, for every objective that has a beta."""
    outcome = forward_pass()
    assert loss(name, outcome, 1).item() == pytest.approx(loss("vae", outcome, 1).item(), rel=1e-12)


@pytest.mark.parametrize("estimator", PLAIN_OBJECTIVES["beta_tcvae"].options["estimator"])
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


def test_capacity_grows_and_then_stays():
    """N(1, 1) costs half a nat: gamma times its distance to the capacity, which is 0, half, and all of C in time."""
    outcome = one_pixel(image=1.0, logit=math.log(3), mean=1.0, logvar=0.0)
    error = math.log(4 / 3)
    for step, capacity in ((0, 0.0), (25_000, 1.0), (50_000, 2.0), (100_000, 4.0), (300_000, 4.0)):
        expected = error + 1000 * abs(0.5 - capacity)
        assert loss("annealed_vae", outcome, 4, step=step).item() == pytest.approx(expected)
    faster = loss("annealed_vae", outcome, 4, step=50, gamma=3.0, capacity_steps=100.0)
    assert faster.item() == pytest.approx(error + 3 * 1.5)


def test_dip_by_hand():
    """Means (1, 1) and (-1, -1): covariance all ones. Type I: off-diagonal 2; type II adds variances e^0 = 1."""
    mean = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    blank = torch.zeros(2, 1, 1, 1, dtype=torch.float64)
    outcome = ForwardPass(blank, blank, mean, torch.zeros_like(mean), mean)
    bound = loss("vae", outcome, 1).item()
    assert loss("dip_vae_i", outcome, 5).item() == pytest.approx(bound + 5 * 2)
    # diagonal 1 + 1 = 2, one too much for each of two latents; off the diagonal nothing is added
    assert loss("dip_vae_ii", outcome, 5).item() == pytest.approx(bound + 5 * (2 + 2))
    halved = ForwardPass(blank, blank, mean / 2, torch.zeros_like(mean), mean)
    less = loss("dip_vae_i", halved, 5).item() - loss("vae", halved, 1).item()
    # covariance 1/4 everywhere: 2 / 16 off the diagonal, 10 times 2 (3/4)^2 on it
    assert less == pytest.approx(5 * (2 / 16 + 10 * 2 * 9 / 16))


def test_factor_vae_reads_the_discriminator_as_a_density_ratio():
    """TC is the mean of log D / (1 - D), the difference of the two logits (Kim and Mnih 2018, eq. 3)."""
    outcome = forward_pass()

    def network(codes):
        return torch.stack((codes.sum(dim=1), codes[:, 0]), dim=1)

    expected = (outcome.codes.sum(dim=1) - outcome.codes[:, 0]).mean().item()
    got = loss("factor_vae", outcome, 7, helper=network) - loss("vae", outcome, 1)
    assert got.item() == pytest.approx(7 * expected)


def test_the_discriminator_learns_to_tell_codes_from_permuted_ones():
    """By hand: undecided costs ln 2 and certain nothing. By training: two equal latents have an endless TC."""
    helper = PLAIN_OBJECTIVES["factor_vae"].helper
    codes, permuted = torch.randn(64, 2), torch.randn(64, 2)
    undecided = helper.loss(lambda rows: torch.zeros(len(rows), 2), codes, permuted)
    assert undecided.item() == pytest.approx(math.log(2))

    def certain(rows):
        sign = torch.cat((torch.ones(64), -torch.ones(64)))
        return torch.stack((50 * sign, -50 * sign), dim=1)

    assert helper.loss(certain, codes, permuted).item() == pytest.approx(0, abs=1e-6)
    torch.manual_seed(0)
    network = helper.build(2)
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [1000] * 6 + [2]
    adam = torch.optim.Adam(network.parameters(), lr=1e-4, betas=helper.betas)
    for _ in range(60):
        first = torch.randn(64, 1)
        same, apart = torch.cat((first, first), dim=1), torch.cat((first, first.roll(1)), dim=1)
        adam.zero_grad()
        helper.loss(network, same, apart).backward()
        adam.step()
    logits = network(same)
    assert (logits[:, 0] - logits[:, 1]).mean() > 0.5


def options_of(name):
    """Every choice of the words that an objective's loss takes."""
    words = {
        key: takes for key, takes in PLAIN_OBJECTIVES[name].loss_options.items() if isinstance(takes, tuple)
    }
    return [{key: choice} for key, takes in words.items() for choice in takes] or [{}]


@pytest.mark.parametrize("name", PLAIN_OBJECTIVES)
def test_gradients_against_finite_differences(name):
    """Gradients with respect to logits, means, log-variances and codes."""
    outcome = forward_pass(batch=4, latents=2)
    inputs = [part.clone().requires_grad_() for part in outcome[1:5]]
    for options in options_of(name):
        assert torch.autograd.gradcheck(
            lambda *parts, options=options: loss(
                name, ForwardPass(outcome.images, *parts), 3, helper=torch.sin, **options
            ),
            inputs,
        )
