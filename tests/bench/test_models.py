"""Architectures: the shapes that their papers give, and initial weights that depend on the seed alone."""

import math

import pytest
import torch
from torch import nn

from disbench.bench.catalogue import ARCHITECTURES
from disbench.bench.models import initial_parameters

CPU = torch.device("cpu")

PLAIN = [name for name, net in ARCHITECTURES.items() if not net.own]
"""Nets of ordinary VAEs; those that only their own objectives take have tests of their own."""


def weights(model):
    """Shapes of the weights, biases left out."""
    return [tuple(p.shape) for name, p in model.named_parameters() if name.endswith("weight")]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("condition_size", [0, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_architecture_maps_images_to_codes_and_back(name, condition_size, channels):
    """Contract of the table: images [B, C, 64, 64] to mean and log-variance [B, D] to logits of the images' shape."""
    model = ARCHITECTURES[name].build((channels, 64, 64), 7, condition_size)
    images, condition = torch.rand(5, channels, 64, 64), torch.rand(5, condition_size)
    outcome = model(images, condition, torch.zeros(5, 7))
    assert outcome.mean.shape == outcome.logvar.shape == outcome.codes.shape == (5, 7)
    assert outcome.logits.shape == images.shape
    assert torch.equal(outcome.codes, outcome.mean)  # no noise, no spread


@pytest.mark.parametrize("name", PLAIN)
def test_condition_reaches_encoder_and_decoder(name):
    """Another condition gives other codes for the same image, and another image for the same codes."""
    model = ARCHITECTURES[name].build((1, 64, 64), 4, 2)
    images, codes = torch.rand(1, 1, 64, 64), torch.rand(1, 4)
    first, second = torch.eye(2).split(1)
    assert not torch.equal(model.encode(images, first)[0], model.encode(images, second)[0])
    assert not torch.equal(model.decode(codes, first), model.decode(codes, second))


def test_study_conv_is_the_published_net():
    """Table of hyperparameters of Locatello et al. 2019: k4, k4, k2, k2 down; 256; 256, 1024; k4 up."""
    model = ARCHITECTURES["study_conv"].build((1, 64, 64), 10, 0)
    assert weights(model.encoder) == [
        (32, 1, 4, 4), (32, 32, 4, 4), (64, 32, 2, 2), (64, 64, 2, 2), (256, 1024), (10, 256),
        (10, 256),
    ]  # fmt: skip
    assert weights(model.decoder) == [
        (256, 10), (1024, 256), (64, 64, 4, 4), (64, 32, 4, 4), (32, 32, 4, 4), (32, 1, 4, 4),
    ]  # fmt: skip


def test_burgess_conv_is_the_published_net():
    """Burgess et al. 2018, appendix: four convolutions of 32, two layers of 256, mirrored."""
    model = ARCHITECTURES["burgess_conv"].build((1, 64, 64), 10, 0)
    assert weights(model.encoder) == [(32, 1, 4, 4)] + 3 * [(32, 32, 4, 4)] + [
        (256, 512),
        (256, 256),
        (20, 256),
    ]
    assert weights(model.decoder) == [(256, 10), (256, 256), (512, 256)] + 3 * [(32, 32, 4, 4)] + [
        (32, 1, 4, 4)
    ]


def test_chen_mlp_is_the_published_net():
    """Chen et al. 2018, appendix: 1200-1200 ReLU down, three layers of 1200 tanh up."""
    model = ARCHITECTURES["chen_mlp"].build((1, 64, 64), 10, 0)
    assert weights(model.encoder) == [(1200, 4096), (1200, 1200), (20, 1200)]
    assert weights(model.decoder) == [(1200, 10), (1200, 1200), (1200, 1200), (4096, 1200)]


def test_small_patch_is_a_convolution():
    """Its first layer equals a convolution whose kernel is its stride."""
    model = ARCHITECTURES["small_patch"].build((3, 64, 64), 10, 0)
    from disbench.bench.models.small_patch import join, merge, part, split

    images = torch.rand(2, 3, 64, 64)
    layer = model.encoder.patches
    conv = nn.functional.conv2d(images, layer.weight.reshape(32, 3, 8, 8), layer.bias, stride=8)
    torch.testing.assert_close(layer(split(images, 8)), conv.flatten(2).transpose(1, 2))
    assert torch.equal(join(split(images, 8), 8, 3), images)
    patches = torch.rand(2, 64, 32)
    assert torch.equal(part(merge(patches, 8), 4), patches)
    # The four patches that merge are neighbours: rows 0 and 1, columns 0 and 1 of the grid.
    assert torch.equal(merge(patches, 8)[:, 0], patches[:, [0, 1, 8, 9]].flatten(1))


def test_initial_weights_depend_on_the_seed_alone():
    """Alone or among others, the same weights; other seeds, other weights; no two layers alike."""
    model = ARCHITECTURES["study_conv"].build((1, 64, 64), 10, 0)
    alone = initial_parameters(model, "glorot", [5], CPU)
    company = initial_parameters(model, "glorot", [1, 5, 2], CPU)
    assert list(alone) == [name for name, _ in model.named_parameters()]
    for name, value in alone.items():
        assert torch.equal(value[0], company[name][1])
        if name.endswith("weight"):
            assert not torch.equal(company[name][0], company[name][1])
    one, other = alone["decoder.deconv_2.weight"], alone["decoder.deconv_3.weight"]
    assert not torch.equal(one.flatten()[:100], other.flatten()[:100])


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        ("encoder.conv_2", 32 * 16, 32 * 16),
        ("encoder.conv_3", 32 * 4, 64 * 4),
        ("encoder.hidden", 1024, 256),
        ("encoder.mean", 256, 10),
        ("decoder.deconv_2", 64 * 16, 32 * 16),
    ],
)
def test_glorot_bounds(layer, fan_in, fan_out):
    """Weights fill +-sqrt(6 / (fan in + fan out)); biases are zero (PyTorch's default differs)."""
    model = ARCHITECTURES["study_conv"].build((1, 64, 64), 10, 0)
    parameters = initial_parameters(model, "glorot", range(4), CPU)
    bound = math.sqrt(6 / (fan_in + fan_out))
    weight = parameters[f"{layer}.weight"]
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not parameters[f"{layer}.bias"].any()


def test_he_bounds_are_those_of_torch():
    """Largest weights against `kaiming_uniform_` for a ReLU, of a transposed convolution too; biases as they were."""
    torch.manual_seed(0)
    layers = nn.ModuleDict(
        {"up": nn.ConvTranspose2d(32, 8, 4), "down": nn.Conv2d(8, 32, 4), "flat": nn.Linear(90, 40)}
    )
    ours, plain = (initial_parameters(layers, scheme, [0], CPU) for scheme in ("he", "torch_default"))
    for name, layer in layers.items():
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        assert ours[f"{name}.weight"].abs().max().item() == pytest.approx(
            layer.weight.abs().max().item(), rel=0.01
        )
        assert torch.equal(ours[f"{name}.bias"], plain[f"{name}.bias"])


def test_torch_default_bounds_are_those_of_torch():
    """Largest and typical weights and biases against layers that PyTorch initialised itself."""
    torch.manual_seed(0)
    model = ARCHITECTURES["burgess_conv"].build((1, 64, 64), 10, 0)
    ours = initial_parameters(model, "torch_default", [0], CPU)
    for name, theirs in model.named_parameters():
        if theirs.numel() < 16:
            continue
        assert ours[name].abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.3), name
        assert ours[name].std().item() == pytest.approx(theirs.std().item(), rel=0.3), name
