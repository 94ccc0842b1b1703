"""VAEs conditioned on language: told a caption of each image by a text encoder that is trained with them."""

from __future__ import annotations

from dataclasses import replace

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
    """-log p(x | z, t) + beta KL(q(z | x, t) || p(z)), t the vector of the caption; strength is beta.

    At beta = 1 the negative bound of a conditional VAE: with p(z) = N(0, I) that of Yan et al. 2016, with t in place of
    their attributes; with a prior that is told, p(z | t), that of Sohn et al. 2015, equation 4. Which, the net says.
    `named`, how likely a caption names a factor, is the telling's.
    """
    return reconstruction(outcome) + strength * kl(outcome).sum()


def nets(prior: str, *, prior_told: bool) -> dict[str, Architecture]:
    """The small net and the study's."""
    told = ", and a prior that is told them too" if prior_told else ""
    return {
        f"captioned_{prior}patch": Architecture(
            captioned(small_patch, width=32, heads=2, blocks=1, prior_told=prior_told),
            "glorot",
            sides_in_patches,
            f"small net for CPUs, told captions by a transformer of one block of width 32{told}",
            own=True,
        ),
        f"captioned_{prior}conv": Architecture(
            captioned(study_conv, width=128, heads=4, blocks=4, prior_told=prior_told),
            "glorot",
            sides_of_64,
            f"conv net of Locatello et al. 2019, told captions by a transformer of 4 blocks of width 128{told}",
            own=True,
        ),
    }


FIXED, TOLD = nets("", prior_told=False), nets("prior_", prior_told=True)

OBJECTIVE = Objective(
    captioned_vae,
    "Captioned VAE",
    "β",
    "Yan et al. 2016",
    loss_options={"named": 0.8},
    architectures=tuple(FIXED),
    telling=CAPTION,
    tasks=("caption_reading",),
)

MEMBER = Member(
    objectives={
        "captioned_vae": OBJECTIVE,
        "captioned_prior_vae": replace(
            OBJECTIVE,
            title="Captioned VAE, prior told",
            paper="Sohn et al. 2015",
            architectures=tuple(TOLD),
        ),
    },
    architectures={**FIXED, **TOLD},
    tasks={"caption_reading": CAPTION_READING},
)
