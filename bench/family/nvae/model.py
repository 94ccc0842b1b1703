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
    """[B, D], of q, given the codes of the groups above."""
    logvar: Tensor
    """[B, D]."""
    codes: Tensor
    """[B, D]."""
    kl: Tensor
    """[B, L], KL(q || p) of each group in nats, given the codes of the groups above."""
    log_weight: Tensor
    """[B], log p(z) - log q(z | x) of these codes in nats."""


class NVAE(Model):
    """Codes of an image are those of all groups side by side, the top one first.

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
            posterior = relative.of(prior)
            codes = posterior.at(per_group[number])
            kl = relative.kl(prior).flatten(1).sum(dim=1)
            weight = relative.log_weight(prior, per_group[number]).flatten(1).sum(dim=1)
            found.append((posterior.mean, 2 * posterior.log_deviation, codes, kl, weight))
            return codes

        logits = self.cropped(self.top_down(len(images), condition, draw)).to(noise.dtype)
        means, logvars, codes, kls, weights = zip(*found, strict=True)
        join = self.layout.join
        kl, weight = torch.stack(kls, dim=1), torch.stack(weights, dim=1).sum(dim=1)
        return Inference(logits, join(means), join(logvars), join(codes), kl, weight)

    def generate(self, noise: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [B, D] of the prior, each group's given those above, and the logits [B, C, H, W] that they make."""
        per_group, drawn = self.layout.split(noise), list[Tensor]()

        def draw(number: int, group: Group, x: Tensor) -> Tensor:
            drawn.append(group.prior(x, noise.dtype).at(per_group[number]))
            return drawn[-1]

        logits = self.cropped(self.top_down(len(noise), condition, draw))
        return self.layout.join(drawn), logits

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
        """Logits [B, C, H, W] of codes [B, D] of all groups; the priors have no say."""
        per_group = self.layout.split(codes)
        return self.cropped(self.top_down(len(codes), condition, lambda number, group, x: per_group[number]))

    def prior(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Codes [B, D] of the prior from standard normal noise, whose multiple t is the temperature t."""
        return self.generate(noise, condition)[0]

    def for_samples(self, temperature: float) -> NVAE:
        """A copy whose batch normalisations have the moments of samples of that temperature."""
        return reestimated(self, temperature=temperature)

    def cropped(self, images: Tensor) -> Tensor:
        """Without the padding."""
        first = self.margins[0]
        return images[:, :, first : first + self.side, first : first + self.side]
