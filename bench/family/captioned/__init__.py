"""VAEs conditioned on language: told a caption of each image by a text encoder that is trained with them."""

from __future__ import annotations

from torch import Tensor

from ...models import Architecture, ForwardPass, sides_in_patches, sides_of_64
from ...models.small_patch import small_patch
from ...models.study_conv import study_conv
from ...objectives import Objective, Setting, kl, reconstruction
from ..member import Member
from .caption_reading import CAPTION_READING
from .model import captioned
from .telling import CAPTION


def captioned_vae(outcome: ForwardPass, strength: Tensor, setting: Setting, *, named: float) -> Tensor:
    """-log p(x | z, t) + beta KL(q(z | x, t) || N(0, I)), t the vector of the caption; strength is beta.

    At beta = 1 the negative bound of the conditional VAE of Yan et al. 2016, equation 2, with t in place of attributes.
    `named`, how likely a caption names a factor, is the telling's.
    """
    return reconstruction(outcome) + strength * kl(outcome).sum()


MEMBER = Member(
    objectives={
        "captioned_vae": Objective(
            captioned_vae,
            "Captioned VAE",
            "β",
            "Yan et al. 2016",
            loss_options={"named": 0.8},
            architectures=("captioned_patch", "captioned_conv"),
            telling=CAPTION,
            tasks=("caption_reading",),
        )
    },
    architectures={
        "captioned_patch": Architecture(
            captioned(small_patch, width=32, heads=2, blocks=1),
            "glorot",
            sides_in_patches,
            "small net for CPUs, told captions by a transformer of one block of width 32",
            own=True,
        ),
        "captioned_conv": Architecture(
            captioned(study_conv, width=128, heads=4, blocks=4),
            "glorot",
            sides_of_64,
            "conv net of Locatello et al. 2019, told captions by a transformer of 4 blocks of width 128",
            own=True,
        ),
    },
    tasks={"caption_reading": CAPTION_READING},
)
