"""NVAE: a deep hierarchical VAE whose posterior is told relative to its prior (Vahdat and Kautz 2020)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models import ForwardPass, Model
from .blueprint import Blueprint, GroupLayout, ImageShape, padded_side
from .reestimation import reestimated
from .residual_normal import Residual
from .spectral import SpectralNorms, kernels_of, largest_scales
from .towers import BottomUp, Group, TopDown


class Inference(NamedTuple):
    """What looking at images leaves; B of them, L groups of D codes in all."""

    logits: Tensor
    """[B, C, H, W]."""
    mean: Tensor
    """[B, D], of q of the innovations, given the groups above."""
    logvar: Tensor
    """[B, D]."""
    codes: Tensor
    """[B, D]."""
    kl: Tensor
    """[B, L], KL(q || p) of each group in nats, given the groups above."""
    log_weight: Tensor
    """[B], log p(z) - log q(z | x) of these codes in nats."""


class NVAE(Model):
    """Codes of an image are the innovations of all groups side by side, the top one first.

    The innovation of a group's z is (z - mean) / deviation of its prior given the groups above: z in the coordinates in
    which that prior is N(0, I). So the prior of a code is N(0, I) too, and decoding runs the hierarchy.

    Args:
        image_shape: of the images, square; padded inside.
        latents: channels of each group.
        condition_size: of the condition.
        blueprint: how large it is.
    """

    def __init__(
        self, image_shape: ImageShape, latents: int, condition_size: int, blueprint: Blueprint
    ) -> None:
        super().__init__()
        image_channels, side, _ = image_shape
        self.layout = GroupLayout(blueprint, side, latents)
        self.layer_widths = tuple(self.layout.sizes)
        self.side, padded = side, padded_side(side, blueprint.reduction)
        self.margins = ((padded - side) // 2, padded - side - (padded - side) // 2)
        self.bottom_up = BottomUp(blueprint, image_channels, condition_size)
        self.top_down = TopDown(
            blueprint, image_channels, latents, padded // blueprint.reduction, condition_size
        )
        self.register_buffer("group_shares", torch.tensor(self.layout.shares))
        self.spectral = SpectralNorms([kernel.shape for kernel in kernels_of(self)])

    def infer(self, images: Tensor, condition: Tensor, noise: Tensor) -> Inference:
        """Images [B, C, H, W] through the encoder, and down by codes of q that `noise` [B, D] makes."""
        features = self.bottom_up(F.pad(images, self.margins * 2), condition)
        per_group = self.layout.split(noise)
        found: list[tuple[Tensor, ...]] = []

        def draw(number: int, group: Group, x: Tensor) -> Tensor:
            prior = group.prior(x, noise.dtype)
            relative = Residual(*group.relative(features[number], x, noise.dtype))
            posterior = relative.innovation(prior)
            codes = posterior.at(per_group[number])
            kl = relative.kl(prior).flatten(1).sum(dim=1)
            weight = relative.log_weight(prior, per_group[number]).flatten(1).sum(dim=1)
            found.append((posterior.mean, 2 * posterior.log_deviation, codes, kl, weight))
            return prior.at(codes)

        logits = self.cropped(self.top_down(len(images), condition, draw)).to(noise.dtype)
        means, logvars, codes, kls, weights = zip(*found, strict=True)
        join = self.layout.join
        kl, weight = torch.stack(kls, dim=1), torch.stack(weights, dim=1).sum(dim=1)
        return Inference(logits, join(means), join(logvars), join(codes), kl, weight)

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One pass. Beside the KL of each group, `extra` has what the objective weighs and punishes.

        `group_shares` [L] is what the KL of each group is balanced by, `spectral_norms` the sum of the largest singular
        values of all kernels, `largest_scales` that of batch normalisations' scales; scalars.
        """
        seen = self.infer(images, condition, noise)
        extra = {
            "kl_nats": seen.kl,
            "group_shares": self.get_buffer("group_shares"),
            "spectral_norms": self.spectral(kernels_of(self)),
            "largest_scales": largest_scales(self),
        }
        return ForwardPass(images.to(noise.dtype), seen.logits, seen.mean, seen.logvar, seen.codes, extra)

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q along the path of means, each [B, D]: a group sees the means of those above."""
        seen = self.infer(images, condition, images.new_zeros(len(images), self.layout.width))
        return seen.mean, seen.logvar

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W] of innovations [B, D]: a group's prior, given those above, says what they mean."""
        per_group = self.layout.split(codes)

        def draw(number: int, group: Group, x: Tensor) -> Tensor:
            return group.prior(x, codes.dtype).at(per_group[number])

        return self.cropped(self.top_down(len(codes), condition, draw))

    def for_samples(self, temperature: float) -> NVAE:
        """A copy whose batch normalisations have the moments of samples of that temperature."""
        return reestimated(self, temperature=temperature)

    def cropped(self, images: Tensor) -> Tensor:
        """Without the padding."""
        first = self.margins[0]
        return images[:, :, first : first + self.side, first : first + self.side]
