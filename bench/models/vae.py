"""The variational autoencoder as a module: an encoder, a decoder and the reparameterised sample between them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .model import ForwardPass, Model


class Posterior(NamedTuple):
    """q(z | x) of a batch, each [B, D], and samples of it, [S B, D]."""

    mean: Tensor
    logvar: Tensor
    codes: Tensor


def reparameterised(parameters: Tensor, noise: Tensor, samples: int = 1) -> Posterior:
    """An encoder's output [B, 2 D] and standard normal `noise` [S B, D] to z = mean + exp(logvar / 2) noise."""
    mean, logvar = parameters.to(noise.dtype).chunk(2, dim=-1)
    deviation = torch.exp(0.5 * logvar)
    if samples == 1:
        return Posterior(mean, logvar, mean + deviation * noise)
    codes = mean + deviation * noise.unflatten(0, (samples, len(mean)))
    return Posterior(mean, logvar, codes.flatten(0, 1))


class VAE(Model):
    """One VAE with a diagonal Gaussian posterior (Kingma and Welling 2014), conditional if its parts are.

    `encoder` maps images [B, C, H, W] and a condition [B, Y] to 2 D numbers an image, `decoder` maps codes [B, D] and
    the condition to logits [B, C, H, W]. The condition is one-hot, [B, 0] for a model without one.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x, y), each [B, D]."""
        mean, logvar = self.encoder(images, condition).chunk(2, dim=-1)
        return mean, logvar

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of p(x | z, y), [B, C, H, W]."""
        logits: Tensor = self.decoder(codes, condition)
        return logits

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One reparameterised pass; `noise` is standard normal, [B, D], or [S B, D] for S codes an image.

        Networks compute in the type of the images, everything between and after them in that of the noise.
        """
        samples = len(noise) // len(images)
        mean, logvar, codes = reparameterised(self.encoder(images, condition), noise, samples)
        told = condition if samples == 1 else condition.repeat(samples, 1)
        logits = self.decode(codes.to(images.dtype), told).to(noise.dtype)
        return ForwardPass(images.to(noise.dtype), logits, mean, logvar, codes)
