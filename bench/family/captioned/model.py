"""A VAE whose encoder and decoder are told a caption: any plain net, and a text encoder that trains with it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ...models import VAE, ForwardPass, ImageShape, Model, reparameterised
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


def captioned(
    plain: Callable[[ImageShape, int, int], VAE], *, width: int, heads: int, blocks: int
) -> Callable[[ImageShape, int, int], CaptionedVAE]:
    """The captioned form of a plain net: (image shape, latents, T) to a module."""

    def build(image_shape: ImageShape, latents: int, words: int) -> CaptionedVAE:
        inside = plain(image_shape, latents, width)
        return CaptionedVAE(TextEncoder(words, width, heads, blocks), inside.encoder, inside.decoder)

    return build
