"""The vector-quantised autoencoder with a PixelCNN as the prior of its indices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...models import KL_NATS, ForwardPass, Model
from .pixelcnn import GatedPixelCNN
from .quantiser import VectorQuantiser, along_main_axis, straight_through

COMMITMENT, FROZEN = "commitment", "codebook_frozen"
"""Of `ForwardPass.extra`: [B], mean squared difference of an encoder's numbers and their codes; and the switch."""

POINT = -60.0
"""Log-variance of a code of which nothing is drawn: a deviation below all rounding, and a finite number."""


class VQVAE(Model):
    """A map of P discrete codes an image, each one of K vectors (van den Oord et al. 2017).

    For tables of codes an image is P numbers, one a position: its code's place among the K along the main axis of the
    codebook (see `along_main_axis`), so that near numbers are near vectors as far as one number can say so; and that in
    the coordinates of N(0, 1) cut into K equally likely parts, so that a traversal from -2 to 2 goes through the
    codebook. The index of each position is the model's latent variable, what its prior is over and what its bound
    counts; the vectors would say the same in P d columns, no position of which is read off by itself. `decode` takes
    any real numbers, for the code in whose part each lies.
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
        codes = self.codes(indices).to(noise.dtype)
        extra = {
            KL_NATS: -self.pixelcnn.log_probabilities(indices).to(noise.dtype),
            COMMITMENT: (points - vectors).square().mean(dim=(1, 2)),
            FROZEN: self.quantiser.frozen,
        }
        return ForwardPass(images.to(noise.dtype), logits, codes, torch.full_like(codes, POINT), codes, extra)

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [B, P], and the log-variance of a point: q(z | x) is one."""
        codes = self.codes(self.indices(images)).to(images.dtype)
        return codes, torch.full_like(codes, POINT)

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W] of codes [B, P]."""
        vectors = self.quantiser.vectors
        indices = along_main_axis(vectors)[places(codes, len(vectors))]
        logits: Tensor = self.decoder(vectors[indices].to(codes.dtype))
        return logits

    def prior(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Codes [B, P] that the PixelCNN draws; its chances are the normal distribution of `noise`."""
        return self.codes(self.pixelcnn.sample(torch.special.ndtr(noise))).to(noise.dtype)

    def indices(self, images: Tensor) -> Tensor:
        """Which vector of the codebook each position has, int64 [B, P]."""
        points = self.encoder(images)
        found = self.quantiser(points.flatten(0, 1), points.new_zeros(points.shape[:2]).flatten())
        return found.indices.unflatten(0, points.shape[:2])

    def codes(self, indices: Tensor) -> Tensor:
        """Places along the codebook's main axis of the vectors with these indices, as numbers of N(0, 1)."""
        vectors = self.quantiser.vectors
        place = along_main_axis(vectors).argsort()[indices]
        return torch.special.ndtri((place.to(vectors.dtype) + 0.5) / len(vectors))


def places(codes: Tensor, count: int) -> Tensor:
    """In which of `count` equally likely parts of N(0, 1) each of `codes` lies, int64 from 0."""
    part = (torch.special.ndtr(codes.nan_to_num()) * count).long()
    return part.clamp(0, count - 1)
