"""Ways to spoil an image, as functions of uniform numbers: for training on, and for being put to the test."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..bad_input import BadInput, unknown
from ..randomness import keyed_uniform

HALF = 2.0**-25
"""Half of the distance of two uniform numbers: in the middle of their cells none is 0 or 1."""


def gaussian(images: Tensor, chances: Tensor, level: Tensor | float) -> Tensor:
    """Add level e with e ~ N(0, 1): the mean stays, the mean squared error is level^2. Not cut to [0, 1]."""
    return images + level * torch.special.ndtri(chances.double() + HALF).to(images.dtype)


def salt_and_pepper(images: Tensor, chances: Tensor, level: Tensor | float) -> Tensor:
    """A share of `level` becomes black or white, half of it each: the mean is (1 - level) x + level / 2."""
    spoilt = torch.where(chances < 0.5 * level, torch.zeros_like(images), images)
    return torch.where(chances >= 1 - 0.5 * level, torch.ones_like(images), spoilt)


def masking(images: Tensor, chances: Tensor, level: Tensor | float) -> Tensor:
    """A share of `level` becomes black: the mean is (1 - level) x (Vincent et al. 2008)."""
    return torch.where(chances < level, torch.zeros_like(images), images)


Corruption = Callable[[Tensor, Tensor, "Tensor | float"], Tensor]

CORRUPTIONS: dict[str, Corruption] = {
    "gaussian": gaussian,
    "salt_and_pepper": salt_and_pepper,
    "masking": masking,
}
"""(images [..., C, H, W], uniform numbers in [0, 1) of that shape, level) to spoilt images, each value by itself.

Pure tensor programs: they look at no value.
"""


def corrupted(images: Tensor, indices: Tensor, kind: str, level: float, seed: int) -> Tensor:
    """Images [B, C, H, W] spoilt by numbers that belong to a seed and each image's index [B], whatever the batch.

    Raises:
        BadInput: an unknown kind or a level that it does not take.
    """
    require_corruption(kind, level)
    seeds = torch.tensor([seed], device=indices.device)
    chances = keyed_uniform(seeds, "corruption", indices[None], images[0].numel())[0]
    return CORRUPTIONS[kind](images, chances.reshape(images.shape).to(images.device), level)


def require_corruption(kind: str, level: float, where: str = "denoising") -> None:
    """BadInput unless there is such a kind that takes such a level: a deviation from 0, or a share of 0 to 1."""
    if kind not in CORRUPTIONS:
        raise unknown("kind of noise", kind, CORRUPTIONS, where=where)
    if not level >= 0 or (kind != "gaussian" and level > 1):
        takes = "a standard deviation of at least 0" if kind == "gaussian" else "a share of values, 0 to 1"
        raise BadInput(f"{where}: the level of {kind} noise is {takes}, got {level:g}")
