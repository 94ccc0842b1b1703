"""NVAE: its parts against what they equal, its balance by hand, its bounds against densities, cohorts, resume."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence

from disbench.bench import cohort as engine
from disbench.bench import load_study, sweep
from disbench.bench.family.nvae import MEMBER, nvae_small, reestimated
from disbench.bench.family.nvae.balancing import balancing_coefficients, warm_up
from disbench.bench.family.nvae.bits import BITS, bits_per_dimension, bounds
from disbench.bench.family.nvae.blueprint import MNIST, Blueprint, GroupLayout
from disbench.bench.family.nvae.cells import EncoderCell, Expansion, GenerativeCell, Reduction
from disbench.bench.family.nvae.convolution import Convolution, depthwise_by_matrices
from disbench.bench.family.nvae.model import NVAE
from disbench.bench.family.nvae.objective import nvae
from disbench.bench.family.nvae.residual_normal import Normal, Residual, bounded
from disbench.bench.family.nvae.spectral import SpectralNorms, kernels_of, largest_scales
from disbench.bench.family.nvae.squeeze_excitation import SqueezeExcitation
from disbench.bench.generation import KINDS, Question
from disbench.bench.models import initial_parameters
from disbench.bench.objectives import Setting, reconstruction
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import one_model
from disbench.bench.study_loading import parse_study
from disbench.datasets import load

OPTIONS = {"warm_up_share": 0.3, "spectral": 1e-2, "balancing": "on"}
RUN = Run(
    data_set="digits", data_content=None, architecture="nvae_small", objective="nvae", options=OPTIONS, condition=None,
    correlation=None, latents=1, steps=10, batch_size=4, learning_rate=1e-3, strength=1.0, seed=0,
    evaluation=EvaluationPlan(samples=100, test_samples=50, metrics=()),
)  # fmt: skip
TINY = Blueprint(stem=1, channels=4, blocks=1, cells_a_block=1, groups=(1, 1), cells_a_group=1)


@pytest.fixture(scope="module")
def digits():
    """Small images."""
    return load("digits")


def normal(*shape, seed=0):
    """Made-up numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_weights(module, seed=0):
    """A module in float64 for inference, with weights as a training begins with and norms that do something."""
    started = initial_parameters(module, "torch_default", [seed], torch.device("cpu"))
    module.double().load_state_dict({name: value[0] for name, value in started.items()}, strict=False)
    for number, norm in enumerate(m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.copy_(0.3 * normal(norm.num_features, seed=number))
        norm.running_var.copy_(normal(norm.num_features, seed=number + 1).exp())
    return module.eval().requires_grad_(False)


def tiny(latents=2, condition_size=0):
    """Two groups, for images of 4 x 4: codes [2, 1, 1] and [2, 2, 2]."""
    return with_weights(NVAE((1, 4, 4), latents, condition_size, TINY))


def asked(model, images=3):
    """Images, no condition and noise for a model."""
    x = normal(images, 1, model.side, model.side).sigmoid()
    return x, torch.zeros(images, 0), normal(images, model.layout.width, seed=1)


# The posterior relative to its prior.


def test_residual_kl_is_the_kl_of_two_normals():
    """Equation 2 of the paper against torch's KL of any two Gaussians; the prior's mean does not matter."""
    prior = Normal(normal(50), 0.5 * normal(50, seed=1))
    relative = Residual(normal(50, seed=2), 0.5 * normal(50, seed=3))
    posterior = relative.of(prior)
    p, q = (TorchNormal(part.mean, part.log_deviation.exp()) for part in (prior, posterior))
    torch.testing.assert_close(relative.kl(prior), kl_divergence(q, p))
    moved = Normal(prior.mean + 3, prior.log_deviation)
    assert torch.equal(relative.kl(moved), relative.kl(prior))


def test_residual_kl_by_hand():
    """A shift of one deviation costs half a nat; twice the deviation (4 - 1) / 2 - ln 2; nothing costs nothing."""
    prior = Normal(torch.zeros(3), torch.full((3,), math.log(2)))
    relative = Residual(torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, math.log(2), 0.0]))
    assert relative.kl(prior).tolist() == pytest.approx([0.5, 1.5 - math.log(2), 0])


def test_weights_are_ratios_of_densities():
    """Log p(z) - log q(z) at the sample, against torch's densities."""
    prior = Normal(normal(50), 0.5 * normal(50, seed=1))
    relative, noise = Residual(normal(50, seed=2), 0.5 * normal(50, seed=3)), normal(50, seed=4)
    posterior = relative.of(prior)
    z = posterior.at(noise)
    p, q = (TorchNormal(part.mean, part.log_deviation.exp()) for part in (prior, posterior))
    torch.testing.assert_close(relative.log_weight(prior, noise), p.log_prob(z) - q.log_prob(z))


def test_networks_cannot_leave_the_bounds():
    """Near 0 nothing changes; 5 is never passed."""
    first, second = bounded(torch.tensor([[0.01, 1000.0], [0.0, -1000.0]]).T[None, :, :])
    assert first.flatten()[0].item() == pytest.approx(0.01, rel=1e-5)
    assert second.flatten().tolist() == pytest.approx([5, -5])


# Cells.


def test_squeeze_and_excitation_by_hand():
    """Means of two channels, 1 and 3; each weight 1 and no bias: hidden 4, gates sigmoid(4 hidden units of 4)."""
    gate = SqueezeExcitation(2)
    assert gate.squeeze.out_features == 4
    for name, parameter in gate.named_parameters():
        nn.init.constant_(parameter, 0.25 if name == "excite.weight" else float(name == "squeeze.weight"))
    x = torch.stack((torch.tensor([[0.0, 2.0], [1.0, 1.0]]), torch.full((2, 2), 3.0)))[None]
    torch.testing.assert_close(gate(x), x * torch.sigmoid(torch.tensor(4.0)))
    assert SqueezeExcitation(128).squeeze.out_features == 8


def test_a_normalised_kernel_has_the_norm_that_it_is_told():
    """The scale of its direction does not matter (Salimans and Kingma 2016)."""
    layer = with_weights(Convolution(3, 5, 3))
    norms = layer.kernel().flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, layer.log_norm.exp(), rtol=1e-4, atol=0)
    before = layer.kernel()
    layer.direction.weight.mul_(7)
    torch.testing.assert_close(layer.kernel(), before, rtol=1e-4, atol=0)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_depthwise_is_a_convolution_with_a_block_diagonal_kernel(side):
    """Each channel sees itself alone, whichever way it is carried out."""
    layer = with_weights(Convolution(6, 6, 5, groups=6, normalised=False))
    whole = torch.zeros(6, 6, 5, 5, dtype=torch.float64)
    for channel in range(6):
        whole[channel, channel] = layer.kernel()[channel, 0]
    x = normal(3, 6, side, side)
    torch.testing.assert_close(layer(x), F.conv2d(x, whole, padding=2))
    torch.testing.assert_close(depthwise_by_matrices(x, layer.kernel()), F.conv2d(x, whole, padding=2))


def test_depthwise_by_matrices_has_the_same_gradients():
    """With respect to maps and kernels."""
    x, kernel = normal(2, 3, 4, 4).requires_grad_(), normal(3, 1, 5, 5, seed=1).requires_grad_()
    there = torch.autograd.grad(F.conv2d(x, kernel, padding=2, groups=3).square().sum(), (x, kernel))
    here = torch.autograd.grad(depthwise_by_matrices(x, kernel).square().sum(), (x, kernel))
    torch.testing.assert_close(here, there)


def test_a_cell_that_doubles_the_side_repeats_pixels_first():
    """Pointwise layers commute with repeating pixels, 1 x 1 convolutions with interpolating: the paper's order."""
    cell = with_weights(GenerativeCell(8, 3, up=True))
    x = normal(2, 8, 3, 3)
    inner = F.interpolate(x, scale_factor=2, mode="nearest")
    inner = F.silu(cell.norm_2(cell.widen(cell.norm_1(inner))))
    inner = cell.gate(cell.norm_4(cell.narrow(F.silu(cell.norm_3(cell.depthwise(inner))))))
    assert isinstance(cell.skip, Expansion)
    skip = cell.skip.mix(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
    torch.testing.assert_close(cell(x), skip + 0.1 * inner)


def test_a_reduction_is_four_convolutions_of_stride_two():
    """One for each pixel of 2 x 2, a quarter of the output channels each."""
    skip = with_weights(Reduction(4))
    x = normal(2, 4, 6, 6)
    quarters, biases = skip.quarters.kernel().chunk(4), skip.quarters.bias.chunk(4)
    shifted = [F.silu(x[:, :, row:, column:]) for row, column in ((0, 0), (1, 1), (0, 1), (1, 0))]
    made = [F.conv2d(s, k, b, 2) for s, k, b in zip(shifted, quarters, biases, strict=True)]
    torch.testing.assert_close(skip(x), torch.cat(made, dim=1))


@pytest.mark.parametrize(("cell", "shape"), [
    (EncoderCell(8), (8, 4, 4)), (EncoderCell(8, down=True), (16, 2, 2)),
    (GenerativeCell(8, 6), (8, 4, 4)), (GenerativeCell(8, 6, up=True), (4, 8, 8)),
])  # fmt: skip
def test_shapes_of_cells(cell, shape):
    """Same, or half the side with twice the channels, or the reverse."""
    assert cell(torch.rand(3, 8, 4, 4)).shape[1:] == shape


# Spectral regularisation.


def test_spectral_norms_are_largest_singular_values():
    """Against the whole decomposition, after enough steps of the power method that its buffers remember."""
    kernels = [normal(4, 3, 3, 3), normal(4, 3, 3, 3, seed=1), normal(2, 5, 1, 1, seed=2)]
    norms = SpectralNorms([kernel.shape for kernel in kernels]).double()
    for _ in range(200):
        found = norms(kernels)
    exact = sum(torch.linalg.svdvals(kernel.flatten(1))[0] for kernel in kernels)
    torch.testing.assert_close(found, exact)
    kept = [buffer.clone() for buffer in norms.buffers()]
    again = norms.eval()([2 * kernel for kernel in kernels])
    torch.testing.assert_close(again, 2 * exact)
    assert all(torch.equal(a, b) for a, b in zip(kept, norms.buffers(), strict=True))


def test_the_gradient_of_a_spectral_norm_is_the_outer_product():
    """Of its singular vectors: what lessens the largest singular value and no other."""
    kernel = normal(4, 6, 1, 1).requires_grad_()
    norms = SpectralNorms([kernel.shape]).double()
    for _ in range(200):
        norms([kernel.detach()])
    norms([kernel]).backward()
    left, _, right = torch.linalg.svd(kernel.detach().flatten(1))
    torch.testing.assert_close(kernel.grad.flatten(1), left[:, :1] @ right[:1])


def test_every_convolution_and_every_norm_is_punished():
    """By name: what has a kernel is among the kernels; scales begin at one for each norm, their largest counts."""
    model = tiny()
    layers = [m for m in model.modules() if isinstance(m, Convolution)]
    sides_by_four = sum(m.groups == 4 and not m.depthwise for m in layers)
    assert len(kernels_of(model)) == len(layers) + 3 * sides_by_four
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert largest_scales(model).item() == len(norms)
    norms[0].weight[1] = -3.0
    assert largest_scales(model).item() == len(norms) + 2


# The objective.


def test_warm_up():
    """A ten-thousandth at first, half in the middle of the share, then all, whatever the steps."""
    weights = [warm_up(torch.tensor(float(step)), 10_000, 0.3).item() for step in (0, 1, 1501, 3001, 9999)]
    assert weights == pytest.approx([1e-4, 1e-4, 0.5, 1, 1])


def test_balancing_by_hand():
    """Groups of 8 and 32 codes that spend 3.99 and 7.99 nats: 0.5 and 0.25 a code, so 4/3 and 2/3."""
    kl, sizes = torch.tensor([3.99, 7.99], requires_grad=True), torch.tensor([8.0, 32.0])
    found = balancing_coefficients(kl, sizes)
    assert found.tolist() == pytest.approx([4 / 3, 2 / 3])
    assert not found.requires_grad
    even = balancing_coefficients(torch.tensor([0.99, 3.99]), torch.tensor([1.0, 4.0]))
    assert even.tolist() == pytest.approx([1, 1])


def test_the_loss_is_the_bound_with_its_penalty():
    """Weights of the groups in the warm-up; after it the plain bound, balanced or not."""
    outcome = tiny()(*asked(tiny()))
    kl, shares = outcome.extra["kl_nats"].mean(dim=0), outcome.extra["group_shares"]
    punished = 0.1 * (outcome.extra["spectral_norms"] + outcome.extra["largest_scales"])
    gamma = balancing_coefficients(kl, shares)
    cases = (
        ("on", 0, 1e-4 * (gamma * kl).sum()), ("off", 0, 1e-4 * kl.sum()), ("on", 90, kl.sum()), ("off", 90, kl.sum()),
    )  # fmt: skip
    for balancing, step, expected in cases:
        setting = Setting(100, torch.tensor(float(step)), steps=100)
        options = {"warm_up_share": 0.3, "spectral": 0.1, "balancing": balancing}
        found = nvae(outcome, torch.tensor(1.0), setting, **options)
        torch.testing.assert_close(found, reconstruction(outcome) + expected + punished)
    assert shares.tolist() == [2, 8]


# The model.


def test_codes_of_the_prior_decode_to_what_a_pass_through_the_priors_makes():
    """Each group's z is drawn from its prior given those above; the top group has the prior of a plain VAE."""
    model = tiny()
    _, told, noise = asked(model)
    per_group, seen = model.layout.split(noise), []

    def draw(number, group, x):
        prior = group.prior(x, torch.float64)
        seen.append((prior, prior.mean + prior.log_deviation.exp() * per_group[number]))
        return seen[-1][1]

    logits = model.top_down(len(noise), told, draw)
    assert torch.equal(model.prior(noise, told), noise)
    torch.testing.assert_close(model.decode(noise, told), logits)
    assert torch.equal(seen[0][1], per_group[0])
    assert not torch.allclose(seen[1][1], per_group[1])
    assert model.layer_widths == (2, 8)


def test_codes_of_an_image_decode_to_its_logits():
    """The decoder needs nothing but codes: no feature of the encoder leaks past them."""
    model = tiny()
    outcome = model(*asked(model))
    torch.testing.assert_close(model.decode(outcome.codes, asked(model)[1]), outcome.logits)


def test_encoding_goes_down_by_means():
    """Without noise codes are means, and so are those of `encode`."""
    model = tiny()
    images, told, noise = asked(model)
    mean, logvar = model.encode(images, told)
    still = model(images, told, torch.zeros_like(noise))
    assert torch.equal(mean, still.mean)
    assert torch.equal(logvar, still.logvar)
    torch.testing.assert_close(mean, still.codes)


def test_kl_and_weights_of_groups_against_densities():
    """Of z, from the posterior of its innovation and its prior given the groups above, by torch's distributions."""
    model = tiny()
    images, told, noise = asked(model)
    seen, priors = model.infer(images, told, noise), []

    def draw(number, group, x):
        priors.append(group.prior(x, torch.float64))
        return priors[-1].at(model.layout.split(seen.codes)[number])

    model.top_down(len(images), told, draw)
    mean, logvar, codes = (model.layout.split(part) for part in (seen.mean, seen.logvar, seen.codes))
    weight = torch.zeros(len(images), dtype=torch.float64)
    for number, prior in enumerate(priors):
        deviation = prior.log_deviation.exp()
        q = TorchNormal(prior.mean + deviation * mean[number], deviation * (logvar[number] / 2).exp())
        p, z = TorchNormal(prior.mean, deviation), prior.at(codes[number])
        torch.testing.assert_close(seen.kl[:, number], kl_divergence(q, p).flatten(1).sum(dim=1))
        weight += (p.log_prob(z) - q.log_prob(z)).flatten(1).sum(dim=1)
    torch.testing.assert_close(seen.log_weight, weight)


def test_a_condition_reaches_both_halves():
    """Another condition, another code for the same image, another image for the same codes."""
    model = tiny(condition_size=2)
    images, _, noise = asked(model, 1)
    first, second = torch.eye(2, dtype=torch.float64).split(1)
    assert not torch.allclose(model.encode(images, first)[0], model.encode(images, second)[0])
    assert not torch.allclose(model.decode(noise, first), model.decode(noise, second))


def test_groups_lie_side_by_side():
    """Top first, each channel by channel; `join` undoes `split`."""
    layout = GroupLayout(TINY, 4, 2)
    assert (layout.sides, layout.sizes, layout.width) == ([1, 2], [2, 8], 10)
    codes = torch.arange(20.0).reshape(2, 10)
    groups = layout.split(codes)
    assert groups[1][0].tolist() == [[[2, 3], [4, 5]], [[6, 7], [8, 9]]]
    assert torch.equal(layout.join(groups), codes)


def test_the_papers_net_for_mnist():
    """Table 6: 5 groups at 4 x 4 and 10 at 8 x 8 of 20 channels; features of 32 channels, doubled thrice."""
    layout = GroupLayout(MNIST, 28, 20)
    assert layout.sides == [4] * 5 + [8] * 10
    assert layout.width == 5 * 20 * 16 + 10 * 20 * 64
    assert MEMBER.architectures["nvae_mnist"].code_width((1, 28, 28), 20) == layout.width
    with torch.device("meta"):
        model = MEMBER.architectures["nvae_mnist"].build((1, 28, 28), 20, 0)
    assert len(model.top_down.groups) == len(model.bottom_up.runs) == 15
    assert model.margins == (2, 2)
    assert model.top_down.constant.shape == (256, 4, 4)
    assert model.top_down.groups[1].cells[0].depthwise.kernel().shape == (6 * 256, 1, 5, 5)


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 64, 64), (1, 28, 28), (1, 8, 8)])
def test_the_small_net_has_the_same_groups_for_all_images(shape):
    """2 x 2 and twice 4 x 4; 36 codes for each channel; images of any side."""
    model = nvae_small(shape, 3, 0)
    assert model.layout.sides == [2, 4, 4]
    assert MEMBER.architectures["nvae_small"].code_width(shape, 3) == 36 * 3
    outcome = model(torch.rand(2, *shape), torch.zeros(2, 0), torch.randn(2, 108))
    assert outcome.logits.shape == (2, *shape)


# Batch normalisation for samples.


def test_reestimation_takes_the_moments_of_a_batch():
    """One draw: the first norm of the decoder has the moments of what it is given; the encoder's stay."""
    model = tiny()
    rows, width = 16, model.layout.width
    sampler = reestimated(model, temperature=0.7, draws=1, rows=rows)
    met = []
    norm = model.top_down.groups[0].up.norm_1
    hook = norm.register_forward_pre_hook(lambda module, inputs: met.append(inputs[0]))
    from disbench.bench.family.nvae.reestimation import FIRST_STEP
    from disbench.bench.randomness import normal as numbers

    drawn = numbers([0], "sample", [FIRST_STEP], rows * width)[0, 0].reshape(rows, width).double()
    model.decode(0.7 * drawn, torch.zeros(rows, 0))
    hook.remove()
    found = sampler.top_down.groups[0].up.norm_1
    torch.testing.assert_close(found.running_mean, met[0].mean(dim=(0, 2, 3)))
    torch.testing.assert_close(found.running_var, met[0].transpose(0, 1).flatten(1).var(dim=1))
    for name, value in model.bottom_up.state_dict().items():
        assert torch.equal(sampler.bottom_up.state_dict()[name], value)
    for name, value in model.named_parameters():
        assert torch.equal(dict(sampler.named_parameters())[name], value)


def test_reestimation_leaves_the_model_and_depends_on_the_temperature():
    """A copy, in eval mode, that samples otherwise."""
    model = tiny()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cold, warm = (reestimated(model, temperature=t, draws=2, rows=8) for t in (0.3, 1.0))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not cold.training
    assert not any(module.training for module in cold.modules())
    _, told, noise = asked(model)
    assert not torch.allclose(cold.decode(noise, told), warm.decode(noise, told))


def test_samples_are_drawn_with_moments_of_their_temperature(digits):
    """`disbench sample --kind prior`: the copy of the model that is made for samples, not the model."""
    model = with_weights(nvae_small((1, 8, 8), 1, 0)).float()
    question = Question(RUN, model, digits, count=2, temperature=0.7)
    sampler = reestimated(model, temperature=0.7)
    expected = sampler.decode(question.noise(4), torch.zeros(4, 0)).sigmoid().unflatten(0, (2, 2))
    torch.testing.assert_close(KINDS["prior"](question), expected)
    assert not torch.allclose(
        model.decode(question.noise(4), torch.zeros(4, 0)).sigmoid(), expected.flatten(0, 1)
    )


# Scores.


def test_bits_per_dimension():
    """One bit for each of four pixels is 4 ln 2 nats."""
    assert bits_per_dimension(4 * math.log(2), 4) == pytest.approx(1)
    assert bits_per_dimension(78.01, 784) == pytest.approx(78.01 / (784 * math.log(2)))


def test_bounds_by_hand_and_in_order():
    """One sample: log p(x | z) less the KL, and with the density ratio. More samples: tighter on the mean."""
    model = tiny()
    images, told, _ = asked(model, 6)
    passes = [model.infer(images, told, normal(6, model.layout.width, seed=seed)) for seed in range(20)]
    elbo, weighted = bounds(images, passes[:1])
    likelihood = torch.distributions.Bernoulli(logits=passes[0].logits, validate_args=False).log_prob(images)
    likelihood = likelihood.flatten(1).sum(dim=1)
    torch.testing.assert_close(elbo, likelihood - passes[0].kl.sum(dim=1))
    torch.testing.assert_close(weighted, likelihood + passes[0].log_weight)
    elbo, weighted = bounds(images, passes)
    assert weighted.mean() > elbo.mean()


# Training.


class Kept:
    """The state of a training after each chunk of steps, in memory; it may begin at one of them."""

    def __init__(self, begin=None):
        self.begin, self.states = begin, {}

    def resume(self, state, history):
        """Go back, if there is something to go back to."""
        if self.begin is None:
            return 0
        done, tensors, points = self.begin
        state.load(tensors)
        history.load(points)
        return done

    def offer(self, done, state, history):
        """Keep a copy."""
        tensors = {name: value.clone() for name, value in state.tensors().items()}
        self.states[done] = (done, tensors, dict(history.tensors()))


@pytest.fixture
def chunks(monkeypatch):
    """Training goes on by four steps at a time."""
    monkeypatch.setattr(engine, "DRAWN_AHEAD", 4)


def test_a_cohort_equals_single_runs_and_resumes(digits, chunks):
    """In float64: at once and one at a time agree to 1e-9, running moments and singular vectors too; to the bit again
    from the state after eight of ten steps.
    """
    runs, kept = [replace(RUN, seed=seed) for seed in (0, 7)], Kept()
    together = engine.train(Cohort(tuple(runs)), digits, dtype=torch.float64, checkpoint=kept).parameters
    alone = one_model(engine.train(Cohort(tuple(runs[1:])), digits, dtype=torch.float64).parameters, 0)
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value, rtol=0, atol=1e-9)
    assert any(name.endswith("running_var") for name in alone)
    assert any("left" in name for name in alone)
    begun = Kept(kept.states[8])
    again = engine.train(Cohort(tuple(runs)), digits, dtype=torch.float64, checkpoint=begun).parameters
    assert list(begun.states) == [10]
    assert all(torch.equal(value, again[name]) for name, value in together.items())


def test_low_precision_keeps_moments_and_singular_vectors_in_full(digits):
    """In bfloat16 too a training goes on, alone and in company."""
    low = replace(RUN, precision="bf16", steps=2)
    for runs in ((low,), (low, replace(low, seed=1))):
        trained = engine.train(Cohort(runs), digits).parameters
        assert {value.dtype for value in trained.values()} == {torch.float32}
        assert all(torch.isfinite(value).all() for value in trained.values())


def test_from_study_to_table(tmp_path):
    """A sweep: a bound, its bits, groups, nothing of posteriors."""
    document = {
        "name": "tiny", "data_set": "digits", "architecture": "nvae_small", "steps": 20, "batch_size": 16, "seeds": 1,
        "latents": 1, "learning_rate": 1e-3,
        "evaluation": {
            "samples": 60, "test_samples": 30, "metrics": ["mig", "dci", "active_units", "bits"],
            "options": {"bits": {"images": 20, "samples": 3}, "dci": {"rounds": 1}},
        },
        "arms": [{"objective": "nvae"}],
    }  # fmt: skip
    row = sweep(parse_study(document, "tiny.toml"), out=tmp_path / "out").iloc[0]
    assert row["status"] == "done", row["error"]
    assert row["elbo_nats"] < -row["reconstruction_nats"]
    assert row["importance_weighted_bits"] <= row["bits_per_dimension"]
    assert row["importance_weighted_bits"] == pytest.approx(
        bits_per_dimension(-row["importance_weighted_nats"], 64)
    )
    assert len(row["group_kl_nats"]) == 3
    assert 0 <= row["active_groups"] <= 3
    assert math.isfinite(row["mig"])
    assert len(row["dci_importance"]) == 36  # a list for each number of a code, not for each of `latents`
    assert not math.isfinite(row["active_units"])


def test_only_its_own_nets():
    """Another net has no groups, another objective no use for them; other models have no bits."""
    for objective, architecture in (("nvae", "small_patch"), ("vae", "nvae_small")):
        arm = {"objective": objective, "architecture": architecture}
        with pytest.raises(ValueError, match=architecture):
            load_study(parse_study({"name": "x", "data_set": "digits", "arms": [arm]}, "x.toml"))
    assert BITS.defined_for(RUN)
    assert not BITS.defined_for(replace(RUN, objective="vae"))
