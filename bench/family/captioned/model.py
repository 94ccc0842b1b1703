"""A VAE whose encoder and decoder are told a caption: any plain net, and a text encoder that trains with it."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from disbench.metrics import gaussian_kl

from ...models import KL_NATS, VAE, ForwardPass, ImageShape, Model, reparameterised
from .text_encoder import TextEncoder


class CaptionedVAE(Model):
    """p(x | z, t) and q(z | x, t) with the condition t = text(caption); the prior of z is N(0, I) whatever the caption.

    The plain VAE inside is told the text's vector where a class-conditional one is told a one-hot class.
    """

    def __init__(self, text: TextEncoder, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.text, self.encoder, self.decoder = text, encoder, decoder

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x, t), each [B, D], of images and their captions [B, T]."""
        mean, logvar = self.encoder(images, self.text(condition)).chunk(2, dim=-1)
        return mean, logvar

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of p(x | z, t), [B, C, H, W]."""
        return self.decoder(codes, self.text(condition))

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One reparameterised pass; the caption is read once."""
        told = self.text(condition)
        mean, logvar, codes = reparameterised(self.encoder(images, told), noise)
        logits = self.decoder(codes.to(images.dtype), told).to(noise.dtype)
        return ForwardPass(images.to(noise.dtype), logits, mean, logvar, codes)


class CaptionedPriorVAE(CaptionedVAE):
    """The same with a prior that is told the caption too, p(z | t) = N(mean(t), variance(t)), learned with the rest.

    Codes may then say again what the caption says; where they do, the prior of a caption knows.
    """

    def __init__(
        self, text: TextEncoder, encoder: nn.Module, decoder: nn.Module, width: int, latents: int
    ) -> None:
        super().__init__(text, encoder, decoder)
        self.prior_hidden = nn.Linear(width, 2 * width)
        self.prior_parameters = nn.Linear(2 * width, 2 * latents)

    def prior_of(self, told: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of p(z | t), each [B, D], of captions' vectors [B, width]."""
        mean, logvar = self.prior_parameters(F.relu(self.prior_hidden(told))).chunk(2, dim=-1)
        return mean, logvar

    def prior(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Codes [B, D] of p(z | t)."""
        mean, logvar = self.prior_of(self.text(condition))
        return mean + (0.5 * logvar).exp() * noise

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One reparameterised pass; `kl_nats` [B, D] is KL(q(z | x, t) || p(z | t)) of each latent."""
        told = self.text(condition)
        mean, logvar, codes = reparameterised(self.encoder(images, told), noise)
        logits = self.decoder(codes.to(images.dtype), told).to(noise.dtype)
        prior_mean, prior_logvar = (part.to(noise.dtype) for part in self.prior_of(told))
        scale = (-0.5 * prior_logvar).exp()
        # In units of the prior's deviation it is the KL to N(0, 1).
        between = gaussian_kl((mean - prior_mean) * scale, logvar - prior_logvar)
        return ForwardPass(images.to(noise.dtype), logits, mean, logvar, codes, {KL_NATS: between})


Build = Callable[[ImageShape, int, int], CaptionedVAE]


def captioned(
    plain: Callable[[ImageShape, int, int], VAE], *, width: int, heads: int, blocks: int, prior_told: bool
) -> Build:
    """The captioned form of a plain net, with a prior that is told or not: (image shape, latents, T) to a module."""

    def build(image_shape: ImageShape, latents: int, words: int) -> CaptionedVAE:
        inside, text = plain(image_shape, latents, width), TextEncoder(words, width, heads, blocks)
        if prior_told:
            return CaptionedPriorVAE(text, inside.encoder, inside.decoder, width, latents)
        return CaptionedVAE(text, inside.encoder, inside.decoder)

    return build
