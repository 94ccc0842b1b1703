"""A VAE whose encoder and decoder are told a caption: any plain net, and a text encoder that trains with it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models import VAE, ForwardPass, ImageShape, Model, reparameterised
from .text_encoder import TextEncoder


class ToldPrior(nn.Module):
    """p(z | t) = N(mean(t), variance(t)), a net of one hidden layer."""

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, 2 * width)
        self.parameters_of = nn.Linear(2 * width, 2 * latents)

    def forward(self, told: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each [B, D], of captions' vectors [B, width]."""
        mean, logvar = self.parameters_of(F.relu(self.hidden(told))).chunk(2, dim=-1)
        return mean, logvar


class CaptionedVAE(Model):
    """p(x | z, t) and q(z | x, t) with the condition t = text(caption); p(z) is N(0, I), or `told_prior`, p(z | t).

    The plain VAE inside is told the text's vector where a class-conditional one is told a one-hot class.

    With a prior that is told, a code is what the caption leaves open, e = (z - mean(t)) / deviation(t): its prior is
    N(0, I) again, KL(q(e | x, t) || N(0, I)) is KL(q(z | x, t) || p(z | t)), and what is defined for those is here.
    """

    def __init__(
        self, text: TextEncoder, encoder: nn.Module, decoder: nn.Module, told_prior: ToldPrior | None = None
    ) -> None:
        super().__init__()
        self.text, self.encoder, self.decoder, self.told_prior = text, encoder, decoder, told_prior

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code, each [B, D], of images and their captions [B, T]."""
        mean, logvar = self.posterior(images, self.text(condition)).chunk(2, dim=-1)
        return mean, logvar

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of p(x | z, t), [B, C, H, W]."""
        return self.drawn(codes, self.text(condition))

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One reparameterised pass; the caption is read once."""
        told = self.text(condition)
        mean, logvar, codes = reparameterised(self.posterior(images, told), noise)
        logits = self.drawn(codes.to(images.dtype), told).to(noise.dtype)
        return ForwardPass(images.to(noise.dtype), logits, mean, logvar, codes)

    def posterior(self, images: Tensor, told: Tensor) -> Tensor:
        """Parameters of the code's posterior [B, 2 D]."""
        parameters: Tensor = self.encoder(images, told)
        if self.told_prior is None:
            return parameters
        (mean, logvar), (prior_mean, prior_logvar) = parameters.chunk(2, dim=-1), self.told_prior(told)
        return torch.cat(((mean - prior_mean) * (-0.5 * prior_logvar).exp(), logvar - prior_logvar), dim=-1)

    def drawn(self, codes: Tensor, told: Tensor) -> Tensor:
        """Logits of codes [B, D] and captions' vectors."""
        if self.told_prior is not None:
            mean, logvar = self.told_prior(told)
            codes = mean + (0.5 * logvar).exp() * codes
        logits: Tensor = self.decoder(codes, told)
        return logits


Build = Callable[[ImageShape, int, int], CaptionedVAE]


def captioned(
    plain: Callable[[ImageShape, int, int], VAE], *, width: int, heads: int, blocks: int, prior_told: bool
) -> Build:
    """The captioned form of a plain net, with a prior that is told or not: (image shape, latents, T) to a module."""

    def build(image_shape: ImageShape, latents: int, words: int) -> CaptionedVAE:
        inside, text = plain(image_shape, latents, width), TextEncoder(words, width, heads, blocks)
        prior = ToldPrior(width, latents) if prior_told else None
        return CaptionedVAE(text, inside.encoder, inside.decoder, prior)

    return build
