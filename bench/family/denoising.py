"""The denoising criterion: an encoder that is shown spoilt images, and a bound on the likelihood of the clean ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from disbench.datasets import DataSet, Entry

from ..denoising.corruption import CORRUPTIONS, require_corruption
from ..models import ForwardPass, Model
from ..objectives import Objective, Options, Setting, Telling, Told, kl, reconstruction
from ..randomness import keyed_uniform
from ..run import Run
from .member import Member

KEYS = 2
"""Standard normal numbers an image, of which all uniform numbers of its pixels are made."""

CELLS = 2**20
"""Of a unit of those: a normal number times it is a whole number that names the image's corruption."""


def denoising_vae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, noise: str, level: float
) -> Tensor:
    """-log p(x | z) + KL(q(z | x') || p(z)), z ~ q(z | x') of a spoilt x': L_dvae of Im et al. 2017; no strength.

    In expectation over x' it is no less than -log p(x): the encoder of clean images is replaced by a mixture of those
    of spoilt ones. `noise` and `level` have spoilt the images before it is asked.
    """
    return reconstruction(outcome) + kl(outcome).sum()


def shown_spoilt(model: Model, images: Tensor, told: Tensor, noise: Tensor) -> ForwardPass:
    """One pass of a model that is shown spoilt images, as it is learned from.

    Args:
        model: any plain one.
        images: [B, C, H, W], clean.
        told: [B, kinds + 1], the kind of noise as one-hot, and its level.
        noise: [B, D + 2]: of the codes, and of the corruption.
    """
    pixels = math.prod(images.shape[1:])
    # Two numbers name a stream of as many as there are pixels: the batches ahead need not hold them all.
    keys = (noise[:, -KEYS:] * CELLS).round().long() & 0xFFFFFFFF
    chances = keyed_uniform(keys[:, 0], "corruption", keys[:, 1:], pixels)[:, 0].reshape(images.shape)
    level = told[:, -1, None, None, None].to(images.dtype)
    spoilt = torch.stack([corrupt(images, chances, level) for corrupt in CORRUPTIONS.values()], dim=1)
    kind = told[:, : len(CORRUPTIONS), None, None, None] > 0.5
    seen = torch.where(kind, spoilt, torch.zeros_like(spoilt)).sum(dim=1)
    outcome: ForwardPass = model(seen, images.new_zeros(len(images), 0), noise[:, :-KEYS])
    return outcome._replace(images=images.to(noise.dtype))


def numbers_told(options: Options, condition: str | None, data_set: Entry) -> int:
    """The kind of noise as one-hot, and its level; BadInput for a level that the kind does not take."""
    level = options["level"]
    assert isinstance(level, float | int)  # of a study: the table has a number there
    require_corruption(str(options["noise"]), level, where="options")
    return len(CORRUPTIONS) + 1


def how_to_spoil(run: Run, data: DataSet, seeds: Sequence[int]) -> Told:
    """The same for every image, [S, B, kinds + 1]."""
    kind, level = str(run.options["noise"]), float(run.options["level"])
    said = torch.tensor([*(float(name == kind) for name in CORRUPTIONS), level], device=data.device)
    return lambda indices, factors: said.expand(*indices.shape, -1)


def nothing_spoilt(run: Run, data: DataSet) -> Told:
    """Scores are of clean images."""
    none = torch.zeros(len(CORRUPTIONS) + 1, device=data.device)
    return lambda indices, factors: none.expand(*indices.shape, -1)


MEMBER = Member(
    objectives={
        "denoising_vae": Objective(
            denoising_vae,
            "Denoising VAE",
            None,
            "Im et al. 2017",
            loss_options={"noise": tuple(CORRUPTIONS), "level": 0.25},
            telling=Telling(numbers_told, how_to_spoil, nothing_spoilt, to_model=False),
            forward=shown_spoilt,
            extra_noise=lambda image_shape, latents: KEYS,
        )
    }
)
