"""Convolutions carried out by other programs against PyTorch's own."""

import shutil
import warnings
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, vmap

from disbench.bench.catalogue import ARCHITECTURES
from disbench.bench.cohort import train
from disbench.bench.lowering import (
    LOWERINGS,
    Lowered,
    channels_last,
    convolution_by_matmul,
    lowered,
    thin_transposed,
    transposed_by_matmul,
    transposed_by_phases,
)
from disbench.bench.run import Cohort
from disbench.bench.study_loading import parse_study
from disbench.datasets import load


def random(*shape):
    """Normal numbers in float64 that want a gradient."""
    return torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape))
    ).requires_grad_()


def agree(ours, theirs, inputs):
    """Values and gradients of two functions."""
    outcome, expected = ours(*inputs), theirs(*inputs)
    torch.testing.assert_close(outcome, expected)
    direction = torch.randn_like(expected)
    for mine, right in zip(
        torch.autograd.grad(outcome, inputs, direction),
        torch.autograd.grad(expected, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(mine, right)


@pytest.mark.parametrize("kernel", [2, 4])
@pytest.mark.parametrize(("channels", "outputs"), [(1, 3), (3, 2), (4, 5)])
def test_convolution_by_matmul(kernel, channels, outputs):
    """Kernel 2 and 4, stride 2, any channels, sides that differ."""
    inputs = random(2, channels, 8, 12), random(outputs, channels, kernel, kernel), random(outputs)
    agree(
        convolution_by_matmul,
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1 if kernel == 4 else 0),
        inputs,
    )


@pytest.mark.parametrize("function", [transposed_by_matmul, transposed_by_phases, thin_transposed])
@pytest.mark.parametrize(("channels", "outputs"), [(5, 1), (3, 3), (4, 6)])
def test_transposed(function, channels, outputs):
    """Stride 2 upwards, any channels, sides that differ."""
    inputs = random(2, channels, 4, 6), random(channels, outputs, 4, 4), random(outputs)
    agree(function, lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1), inputs)


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("architecture", ["study_conv", "burgess_conv"])
@pytest.mark.parametrize("channels", [1, 3])
def test_models_say_the_same(lowering, architecture, channels):
    """A whole net, alone and stacked, in every lowering; names and values of parameters stay."""
    torch.manual_seed(0)
    build = ARCHITECTURES[architecture].build
    model = build((channels, 64, 64), 4, 0).double()
    inputs = torch.rand(2, channels, 64, 64).double(), torch.zeros(2, 0).double(), torch.zeros(2, 4).double()
    expected = model(*inputs)
    weights = dict(model.named_parameters())
    other = lowered(build((channels, 64, 64), 4, 0).double(), lowering)
    assert dict(other.named_parameters()).keys() == weights.keys()
    outcome = functional_call(other, weights, inputs)
    torch.testing.assert_close(outcome.logits, expected.logits)
    stacked = {name: torch.stack((value, value)) for name, value in weights.items()}
    both = vmap(lambda w: functional_call(other, w, inputs))(stacked)
    torch.testing.assert_close(both.logits[1], expected.logits)


def test_matmul_leaves_no_convolution():
    """All layers of the conv nets are of the kinds that it knows."""
    for architecture in ("study_conv", "burgess_conv"):
        model = lowered(ARCHITECTURES[architecture].build((3, 64, 64), 4, 0), "matmul")
        kinds = [type(module) for module in model.modules()]
        assert kinds.count(Lowered) == 8
        assert not {torch.nn.Conv2d, torch.nn.ConvTranspose2d} & set(kinds)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_reaches_every_layer(channels):
    """The layout of the images decides that of the first layer's output, and so of all: one stray layout is slow."""
    images = torch.rand(2, channels, 64, 64)
    turned = channels_last(images)
    assert torch.equal(turned, images)
    weight = torch.rand(32, channels, 4, 4).contiguous(memory_format=torch.channels_last)
    out = F.conv2d(turned, weight, stride=2, padding=1)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert not out.is_contiguous()


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a compiler"
)
@pytest.mark.parametrize("models", [1, 2])
def test_compiled_training_is_training(models):
    """The same weights as without, up to the rounding of float64 sums in another order."""
    arm = {"objective": "beta_tcvae", "data_set": "digits", "architecture": "small_patch", "strengths": [4]}
    arm |= {"latents": 3, "steps": 20, "batch_size": 16, "learning_rate": 1e-3}
    run = parse_study({"name": "compiled", "arms": [arm]}, "compiled").runs()[0]
    cohort, digits = Cohort(tuple(replace(run, seed=seed) for seed in range(models))), load("digits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler's own making
        compiled = train(cohort, digits, dtype=torch.float64, lowering="compiled").parameters
    for name, value in train(cohort, digits, dtype=torch.float64).parameters.items():
        torch.testing.assert_close(compiled[name], value, rtol=0, atol=1e-9)
