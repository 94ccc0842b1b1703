"""M1: an ordinary VAE of all images, whose codes a classifier learns from the labelled ones alone."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ...models import VAE, ForwardPass, ImageShape, Model
from ...models.small_patch import small_patch
from ...objectives import Setting, kl, reconstruction
from .networks import SoftplusDecoder, SoftplusEncoder

WIDTH = 600
"""Units of each hidden layer of the paper's M1."""


class M1(Model):
    """A VAE that does not listen to what it is told: its codes [B, D] are q(z | x), and know no label."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """The VAE's pass."""
        outcome: ForwardPass = self.vae(images, condition[:, :0], noise)
        return outcome

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), each [B, D]."""
        return self.vae.encode(images, condition[:, :0])

    def image_encoder(self) -> nn.Module:
        """The VAE's."""
        return self.vae.encoder

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of p(x | z), [B, C, H, W], whatever the class."""
        return self.vae.decode(codes, condition[:, :0])


def m1(outcome: ForwardPass, strength: Tensor, setting: Setting, **of_the_classifier: object) -> Tensor:
    """The negative evidence bound, mean over images; labels have no part in it (Kingma et al. 2014, eq. 5)."""
    return reconstruction(outcome) + kl(outcome).sum()


def softplus_vae(image_shape: ImageShape, latents: int) -> VAE:
    """The paper's: MLPs with two hidden layers of 600 units, softplus."""
    return VAE(
        SoftplusEncoder(math.prod(image_shape), latents, WIDTH), SoftplusDecoder(image_shape, latents, WIDTH)
    )


def m1_mlp(image_shape: ImageShape, latents: int, classes: int) -> M1:
    """M1 of MLPs, for images of any shape."""
    return M1(softplus_vae(image_shape, latents))


def m1_patch(image_shape: ImageShape, latents: int, classes: int) -> M1:
    """M1 of the patch net."""
    return M1(small_patch(image_shape, latents, 0))
