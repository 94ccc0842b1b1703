"""The vector-quantised autoencoder with a PixelCNN as the prior of its indices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...models import KL_NATS, ForwardPass, Model
from .pixelcnn import GatedPixelCNN
from .quantiser import VectorQuantiser, along_main_axis, straight_through

COMMITMENT, FROZEN = "commitment", "codebook_frozen"
"""Of `ForwardPass.extra`: [B], mean squared difference of an encoder's numbers and their codes; and the switch."""


class VQVAE(Model):
    """A map of P discrete codes an image, each one of K vectors (van den Oord et al. 2017).

    For tables of codes an image is P whole numbers, 0 .. K - 1: which vector each position has, numbered along the main
    axis of the codebook (see `along_main_axis`), so that near numbers are near vectors as far as one number can say so.
    The numbers are the model's latent variables, what its prior is over and what its bound counts; the vectors would be
    the same twice over, in P d columns that no position is read off by itself. `decode` takes any real numbers, and the
    nearest code's vector.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, quantiser: VectorQuantiser, pixelcnn: GatedPixelCNN
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.quantiser = quantiser
        self.pixelcnn = pixelcnn

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """A pass of nothing random; `noise` [B, P] picks, in training, the vectors that replace dead codes."""
        points = self.encoder(images).to(noise.dtype)  # [B, P, d]
        found = self.quantiser(points.flatten(0, 1), noise.flatten())
        indices, vectors = (part.unflatten(0, points.shape[:2]) for part in found)
        logits = self.decoder(straight_through(points, vectors).to(images.dtype)).to(noise.dtype)
        numbers = self.numbers(indices).to(noise.dtype)
        extra = {
            KL_NATS: -self.pixelcnn.log_probabilities(indices).to(noise.dtype),
            COMMITMENT: (points - vectors).square().mean(dim=(1, 2)),
            FROZEN: self.quantiser.frozen,
        }
        return ForwardPass(images.to(noise.dtype), logits, numbers, torch.zeros_like(numbers), numbers, extra)

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the codes [B, P], and zeros: q(z | x) is a single point."""
        numbers = self.numbers(self.indices(images)).to(images.dtype)
        return numbers, torch.zeros_like(numbers)

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W] of the codes whose numbers are nearest to `codes` [B, P]."""
        last = len(self.quantiser.vectors) - 1
        numbers = codes.nan_to_num().round().clamp(0, last).long()
        indices = along_main_axis(self.quantiser.vectors)[numbers]
        logits: Tensor = self.decoder(self.quantiser.vectors[indices].to(codes.dtype))
        return logits

    def prior(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Numbers of codes [B, P] that the PixelCNN draws; its chances are the normal distribution of `noise`."""
        return self.numbers(self.pixelcnn.sample(torch.special.ndtr(noise))).to(noise.dtype)

    def indices(self, images: Tensor) -> Tensor:
        """Which vector of the codebook each position has, int64 [B, P]."""
        points = self.encoder(images)
        found = self.quantiser(points.flatten(0, 1), points.new_zeros(points.shape[:2]).flatten())
        return found.indices.unflatten(0, points.shape[:2])

    def numbers(self, indices: Tensor) -> Tensor:
        """Places along the codebook's main axis of the codes with these indices."""
        return along_main_axis(self.quantiser.vectors).argsort()[indices]
