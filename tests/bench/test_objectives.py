"""Objectives against values worked by hand, known equalities, and finite differences."""

import math

import pytest
import torch

from disbench.bench.models import ForwardPass
from disbench.bench.objectives import PLAIN_OBJECTIVES, Setting, kl, reconstruction
from disbench.bench.objectives.miscounted_mss import miscounted_log_densities, miscounted_log_weights
from disbench.metrics import log_gaussian, minibatch_log_densities

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
    times = 2 if estimator == "mss_public_copies" else 1  # they add the weight in each of two latents

    def log_weight(i, j):
        if estimator == "mss_public_copies":
            return miscounted_log_weights(batch, size, outcome.codes)[
                i, j
            ].item()  # held to hand-worked ones below
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
            math.exp(times * log_weight(i, j) + sum(log_density(i, j, d) for d in range(2)))
            for j in range(batch)
        )
        marginals = [
            sum(math.exp(log_weight(i, j) + log_density(i, j, d)) for j in range(batch)) for d in range(2)
        ]
        expected += (math.log(joint) - sum(map(math.log, marginals))) / batch
    assert slope.item() == pytest.approx(expected, rel=1e-9)


def test_weights_of_public_copies_by_hand():
    """Three rows of ten images: 1/10 down the first column, 8/20 down the second, 1/2; the last row but one is odd."""
    weights = miscounted_log_weights(3, 10, torch.zeros(1, dtype=torch.float64)).exp()
    expected = torch.tensor([[0.1, 0.4, 0.5], [0.4, 0.4, 0.5], [0.1, 0.4, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(weights, expected)
    for rows, size in ((1, 10), (3, 2)):
        with pytest.raises(ValueError, match='"mss_public_copies" needs a batch of two rows or more'):
            miscounted_log_weights(rows, size, torch.zeros(1))


def test_public_copies_read_total_correlation_far_too_low():
    """As in the stored log of Dubois et al. 2019, first epoch: -32.9 nats, where none is below zero.

    With D independent latents whose posteriors do not tell images apart the total correlation is zero, and they read
    -(D - 1) log M but for the two columns that are weighed otherwise: at D = 10 and M = 63, -37.3.
    """
    codes = torch.randn(64, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    same = torch.zeros_like(codes)
    joint, marginals = miscounted_log_densities(codes, same, same, dataset_size=737_280)
    assert (joint - marginals).mean().item() == pytest.approx(-9 * math.log(63), abs=0.1)
    right, each = minibatch_log_densities(codes, same, same, dataset_size=737_280, estimator="mss")
    assert (right - each).mean().item() == pytest.approx(0, abs=1e-9)


WARMED = ("vae", "beta_vae", "cvae", "factor_vae", "dip_vae_i", "dip_vae_ii")


@pytest.mark.parametrize("name", WARMED)
def test_warm_up_weighs_the_regulariser(name):
    """Nothing of it at the first update, half of it half way, all of it from then on; the KL of three is no part of it.

    Where it is whole, and where a study names none, the loss is the same to the last bit.
    """
    outcome = forward_pass()

    def at(step, **options):
        return loss(name, outcome, 4, step=step, helper=torch.sin, **options)

    whole = at(0)
    begin = reconstruction(outcome)
    if name in ("factor_vae", "dip_vae_i", "dip_vae_ii"):
        begin = begin + kl(outcome).sum()
    assert torch.equal(at(0, warmup_steps=10_000), begin)
    half = (begin + whole).item() / 2
    assert at(5_000, warmup_steps=10_000).item() == pytest.approx(half, rel=1e-12)
    assert torch.equal(at(10_000, warmup_steps=10_000), whole)
    assert torch.equal(at(90_000, warmup_steps=10_000), whole)


def test_warm_up_by_hand():
    """N(1, 1) costs half a nat: beta 4 of it weighs 0, 1 and 2 nats; a pixel given 3/4 costs ln 4/3 all along."""
    outcome = one_pixel(image=1.0, logit=math.log(3), mean=1.0, logvar=0.0)
    for step, nats in ((0, 0.0), (1, 2e-4), (5_000, 1.0), (10_000, 2.0), (345_599, 2.0)):
        found = loss("beta_vae", outcome, 4, step=step, warmup_steps=10_000.0)
        assert found.item() == pytest.approx(math.log(4 / 3) + nats)


@pytest.mark.parametrize("estimator", PLAIN_OBJECTIVES["beta_tcvae"].options["estimator"])
def test_warm_up_of_beta_tcvae_is_of_the_dimensionwise_kl(estimator):
    """MI + beta TC + w DWKL from one minibatch, as public code sums them, but for the KL that is analytic here.

    What differs is the KL's sample, log q(z | x) - log p(z), less its mean over noise, at every w and beta.
    """
    outcome, beta = forward_pass(batch=6), 6.4
    sample = outcome.codes, outcome.mean, outcome.logvar
    if estimator == "mss_public_copies":
        joint, marginals = miscounted_log_densities(*sample, dataset_size=DATASET_SIZE)
    else:
        joint, marginals = minibatch_log_densities(*sample, dataset_size=DATASET_SIZE, estimator=estimator)
    posterior = log_gaussian(*sample).sum(dim=1)
    nothing = torch.zeros_like(outcome.codes)
    prior = log_gaussian(outcome.codes, nothing, nothing).sum(dim=1)
    noise = (posterior - prior).mean() - kl(outcome).sum()
    for step, weight in ((0, 0.0), (2_500, 0.25), (10_000, 1.0), (20_000, 1.0)):
        theirs = (posterior - joint) + beta * (joint - marginals) + weight * (marginals - prior)
        expected = reconstruction(outcome) + theirs.mean() - noise
        found = loss("beta_tcvae", outcome, beta, step=step, estimator=estimator, warmup_steps=10_000)
        assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    off = loss("beta_tcvae", outcome, beta, estimator=estimator)
    assert torch.equal(
        off, reconstruction(outcome) + kl(outcome).sum() + (beta - 1) * (joint - marginals).mean()
    )


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
