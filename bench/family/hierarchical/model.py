"""A VAE of several stochastic layers, and the nets of the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ...models import ForwardPass, ImageShape, Model
from ...objectives import bernoulli_errors
from .nets import Conditional, GaussianHead, Perceptron, PixelNet
from .passes import Chain, Generative, Ladder, Layers


class Hierarchy(Model):
    """L layers of Gaussian codes; the model's codes are the innovations of all layers side by side, top first.

    The innovation of a layer is e_l = (z_l - mean_p(z_{l+1})) / deviation_p(z_{l+1}): z_l in the coordinates in which
    its prior is N(0, I), and z_L itself at the top. The two say the same (a bijection), with the same KL and the same
    likelihood. In innovations the prior of all codes is N(0, I) and `decode` runs the generative pass, so that
    traversals and interpolations of the top layer reach the image; z_1 alone would decide it otherwise.
    """

    def __init__(self, inference: Ladder | Chain, generative: Generative, widths: Sequence[int]) -> None:
        super().__init__()
        self.inference = inference
        self.generative = generative
        self.layer_widths = tuple(widths)
        """D_L, ..., D_1: top first."""

    def split(self, codes: Tensor) -> tuple[Tensor, ...]:
        """[B, D] to the layers' [B, D_l], top first."""
        return codes.split(self.layer_widths, dim=1)

    def layers(self, images: Tensor, condition: Tensor, noise: Tensor) -> Layers:
        """One pass of inference; `noise` [B, D] of zeros goes along the means."""
        layers: Layers = self.inference(images, condition, self.split(noise), self.generative)
        return layers

    def latents(self, codes: Tensor, condition: Tensor) -> list[Tensor]:
        """The z of every layer, top first, of innovations [B, D]."""
        return self.generative.drawn(self.split(codes), condition)

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One pass; `noise` [B, D] is top first.

        In training, mean and log-variance are those given the codes drawn above. In evaluation, where they stand for
        the image, they are `encode`'s, with nothing drawn.
        """
        layers = self.layers(images, condition, noise)
        logits = self.generative.pixels(layers.codes[-1], condition).to(noise.dtype)
        mean, logvar = (
            layers.side_by_side() if self.training else self.encode(images.to(noise.dtype), condition)
        )
        codes = torch.cat(layers.innovations(), dim=1)
        extra = {"kl_nats": self.inference.kl(layers)}
        return ForwardPass(images.to(noise.dtype), logits, mean, logvar, codes, extra)

    def log_weights(self, images: Tensor, condition: Tensor, noise: Tensor) -> Tensor:
        """Log p(x, z_1 .. z_L) - log q(z_1 .. z_L | x) of the codes that `noise` [B, D] draws, nats, [B]."""
        layers = self.layers(images, condition, noise)
        logits = self.generative.pixels(layers.codes[-1], condition)
        return -bernoulli_errors(images, logits) - layers.log_ratios().sum(dim=1)

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the innovations with every other layer at its mean, each [B, D]."""
        return self.at_means(images, condition).side_by_side()

    def at_means(self, images: Tensor, condition: Tensor) -> Layers:
        """The pass that draws nothing: every code is the mean of its posterior."""
        return self.layers(images, condition, images.new_zeros(len(images), sum(self.layer_widths)))

    def image_encoder(self) -> nn.Module:
        """The inference model, whose last layer is the top one's."""
        return self.inference

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W] of innovations [B, D]: the whole generative pass."""
        logits: Tensor = self.generative.pixels(self.latents(codes, condition)[-1], condition)
        return logits


def widths_of(latents: int, layers: int) -> tuple[int, ...]:
    """Units of each layer, top first: `latents` at the top, twice as many in each layer below."""
    return tuple(latents * 2**level for level in range(layers))


def hierarchy(
    image_shape: ImageShape,
    latents: int,
    condition_size: int,
    *,
    units: Sequence[int],
    ladder: bool,
    normalised: bool,
) -> Hierarchy:
    """Sonderby's nets: a ladder or a plain hierarchy of the same generative model.

    Args:
        image_shape: (C, H, W), any sides.
        latents: D_L, the width of the top layer; each layer below has twice as many.
        condition_size: Y; a condition joins the inputs of all nets but those of the ladder above its first step.
        units: of both hidden layers between x and z_1, z_1 and z_2, ...: as many as layers, in both directions.
        ladder: whether inference is a `Ladder` or a `Chain`.
        normalised: whether hidden layers are batch-normalised.
    """
    widths = widths_of(latents, len(units))
    upwards = tuple(reversed(widths))  # D_1, ..., D_L beside `units`
    downwards = [
        Conditional(above, between, below, condition_size, normalised)
        for (below, above), between in zip(pairwise(upwards), units[1:], strict=True)
    ]
    pixels = PixelNet(image_shape, units[0], upwards[0], condition_size, normalised)
    generative = Generative(list(reversed(downwards)), pixels)
    inputs = math.prod(image_shape)
    inference: Ladder | Chain
    if ladder:
        fed = (inputs + condition_size, *units[:-1])
        steps = [Perceptron(into, out, normalised) for into, out in zip(fed, units, strict=True)]
        inference = Ladder(
            steps, [GaussianHead(out, width) for out, width in zip(units, upwards, strict=True)]
        )
    else:
        fed = (inputs, *upwards[:-1])
        inference = Chain(
            [
                Conditional(into, between, width, condition_size, normalised)
                for into, between, width in zip(fed, units, upwards, strict=True)
            ]
        )
    return Hierarchy(inference, generative, widths)
