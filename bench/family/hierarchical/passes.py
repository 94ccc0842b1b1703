"""The generative pass downwards, and the two inference models: a ladder, and a chain of Gaussians upwards.

Lists over layers are top first: z_L, ..., z_1. The paper counts from the image, so that z_1 is next to the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from disbench.metrics import gaussian_kl, log_gaussian

from .gaussian import Gaussian, drawn, merged, relative, standard_like, standardised
from .nets import joined


class Layers(NamedTuple):
    """One pass: of each layer, top first, the code, what it was drawn from, and its prior given the layer above."""

    codes: list[Tensor]
    """z, [B, D_l] each."""
    posteriors: list[Gaussian]
    priors: list[Gaussian]

    def relative(self) -> list[Gaussian]:
        """The posteriors in the coordinates in which each prior is N(0, I)."""
        return [relative(q, p) for q, p in zip(self.posteriors, self.priors, strict=True)]

    def side_by_side(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the posteriors in those coordinates, each [B, D]."""
        means, logvars = zip(*self.relative(), strict=True)
        return torch.cat(means, dim=1), torch.cat(logvars, dim=1)

    def innovations(self) -> list[Tensor]:
        """The codes in those coordinates: what each layer adds to what the one above says."""
        return [standardised(z, p) for z, p in zip(self.codes, self.priors, strict=True)]

    def log_ratios(self) -> Tensor:
        """Log q(z_l | ...) - log p(z_l | z_{l+1}) of these codes, nats, [B, L]."""
        ratios = [
            (log_gaussian(z, *q) - log_gaussian(z, *p)).sum(dim=1)
            for z, q, p in zip(self.codes, self.posteriors, self.priors, strict=True)
        ]
        return torch.stack(ratios, dim=1)

    def closed_form_kl(self) -> Tensor:
        """KL(q(z_l | ...) || p(z_l | z_{l+1})) with the layer above as drawn, nats, [B, L]."""
        return torch.stack([gaussian_kl(*q).sum(dim=1) for q in self.relative()], dim=1)


class Generative(nn.Module):
    """p(x | z_1) p(z_1 | z_2) ... p(z_{L-1} | z_L) p(z_L), p(z_L) = N(0, I)."""

    def __init__(self, conditionals: Sequence[nn.Module], pixels: nn.Module) -> None:
        super().__init__()
        self.conditionals = nn.ModuleList(conditionals)
        """p(z_l | z_{l+1}), the topmost first: one fewer than layers."""
        self.pixels = pixels

    def prior(self, above: Sequence[Tensor], condition: Tensor, like: Tensor) -> Gaussian:
        """Of the layer below those that are there, or of the top one; `like` has the codes' shape and type."""
        if not above:
            return standard_like(like)
        gaussian: Gaussian = self.conditionals[len(above) - 1](above[-1], condition, like.dtype)
        return gaussian

    def drawn(self, innovations: Sequence[Tensor], condition: Tensor) -> list[Tensor]:
        """Ancestral sampling: standard normal numbers of every layer to codes z, both top first."""
        codes: list[Tensor] = []
        for noise in innovations:
            codes.append(drawn(self.prior(codes, condition, noise), noise))
        return codes


class Ladder(nn.Module):
    """A deterministic pass upwards, then downwards the prior of each layer merged with what the way up said of it."""

    def __init__(self, steps: Sequence[nn.Module], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        """d_l = MLP(d_{l-1}), d_0 = x, from the image upwards."""
        self.heads = nn.ModuleList(heads)
        """d_l to a Gaussian of z_l, from the image upwards."""

    def forward(
        self, images: Tensor, condition: Tensor, noise: Sequence[Tensor], generative: Generative
    ) -> Layers:
        """Both passes (Sonderby et al. 2016, section 2.1); `noise` [B, D_l] is top first."""
        x = joined(images.flatten(1), condition)
        upwards: list[Gaussian] = []
        for step, head, of_layer in zip(self.steps, self.heads, reversed(noise), strict=True):
            x = step(x)
            upwards.append(head(x, of_layer.dtype))
        layers = Layers([], [], [])
        for said, of_layer in zip(reversed(upwards), noise, strict=True):
            prior = generative.prior(layers.codes, condition, of_layer)
            # The top layer has nothing above it to be merged with: N(0, I) enters by its KL alone.
            posterior = merged(said, prior) if layers.codes else said
            layers.priors.append(prior)
            layers.posteriors.append(posterior)
            layers.codes.append(drawn(posterior, of_layer))
        return layers

    def kl(self, layers: Layers) -> Tensor:
        """In closed form: every layer's posterior and prior are given the same draw of the layer above. [B, L]."""
        return layers.closed_form_kl()


class Chain(nn.Module):
    """q(z_1 | x) q(z_2 | z_1) ... q(z_L | z_{L-1}), each drawn given the layer below."""

    def __init__(self, conditionals: Sequence[nn.Module]) -> None:
        super().__init__()
        self.conditionals = nn.ModuleList(conditionals)
        """From the image upwards."""

    def forward(
        self, images: Tensor, condition: Tensor, noise: Sequence[Tensor], generative: Generative
    ) -> Layers:
        """The pass upwards, then the prior of each layer given what was drawn; `noise` [B, D_l] is top first."""
        below = images.flatten(1)
        codes: list[Tensor] = []
        posteriors: list[Gaussian] = []
        for conditional, of_layer in zip(self.conditionals, reversed(noise), strict=True):
            posterior = conditional(below, condition, of_layer.dtype)
            below = drawn(posterior, of_layer)
            codes.insert(0, below)
            posteriors.insert(0, posterior)
        priors = [generative.prior(codes[:level], condition, z) for level, z in enumerate(codes)]
        return Layers(codes, posteriors, priors)

    def kl(self, layers: Layers) -> Tensor:
        """The top layer's in closed form, the others' log-ratios of this draw, [B, L].

        q(z_l | z_{l-1}) and p(z_l | z_{l+1}) are given different layers, and z_{l+1} was drawn from z_l: there is no
        closed form, and what a layer below the top adds to the sum is no KL by itself and may be negative.
        """
        top = gaussian_kl(*layers.posteriors[0]).sum(dim=1, keepdim=True)
        return torch.cat((top, layers.log_ratios()[:, 1:]), dim=1)
