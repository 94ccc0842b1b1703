"""Two stages in one training: the autoencoder with its codebook, then the prior of what they make."""

from __future__ import annotations

import torch
from torch import Tensor

from ...models import KL_NATS, ForwardPass
from ...objectives import Setting, reconstruction
from .model import COMMITMENT, FROZEN

FADING = 0.2
"""Of the autoencoder's stage, the last part over which its loss fades out."""


def stage_two(steps: int, prior_share: float) -> int:
    """The first step of the prior's stage; the first of all stays the autoencoder's."""
    return max(1, round(steps * (1 - prior_share)))


def vq_vae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, commitment: float, prior_share: float
) -> Tensor:
    """First -log p(x | z) + beta |z_e - sg(e)|^2, then -log p(z) of frozen codes (van den Oord et al. 2017, eq. 3).

    The middle term of their equation, which moves the codebook, is the moving average instead (their appendix A.1). The
    commitment is a mean over all of the encoder's numbers, times the pixels of an image: beta is in proportion to a
    reconstruction by pixel, as in the authors' published code. Neither stage has a gradient with respect to the other's
    weights. Adam would still carry the autoencoder on after its last gradient, about ten steps far and with nothing to
    turn it back; so its loss fades out linearly before, which to Adam is a learning rate that falls to nothing.

    Args:
        outcome: of a `VQVAE`.
        strength: it has none.
        setting: whose step decides the stage.
        commitment: beta, 0.25 in the paper.
        prior_share: of the steps, the last so many train the PixelCNN. The codebook is frozen by this function, for it
            alone knows the step: it writes the model's switch, as of the next step.

    Returns:
        Nats an image, of the stage's own loss, times what is left of it.
    """
    begins = stage_two(setting.steps, prior_share)
    outcome.extra[FROZEN].copy_(setting.step + 1 >= begins)
    pixels = outcome.images[0].numel()
    autoencoder = reconstruction(outcome) + commitment * pixels * outcome.extra[COMMITMENT].mean()
    prior = outcome.extra[KL_NATS].sum(dim=1).mean()
    left = ((begins - setting.step) / (FADING * begins)).clamp(0, 1)
    return torch.where(setting.step < begins, left * autoencoder, prior)
