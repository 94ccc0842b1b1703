"""What one model is asked about, images of its data set or of a file, and the picture of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from disbench.datasets import DataSet

from ..bad_input import BadInput
from ..randomness import integers
from ..run import Run
from ..run_model import Conditioning
from ..training_part import training_part
from .baselines import NEIGHBOURS
from .masks import observed_pixels

IMAGES, TRAINING = 3, 4
"""Steps of the role `sample` that images, and training images of the baselines, are drawn at."""

TRAINING_IMAGES = 1_000

ROUNDED = 0.501 / 255
"""How far a pixel that was rounded to a byte may be from what it was."""

HIDDEN = (0.55, 0.65, 0.85)
"""The colour of a pixel that is not seen."""


@dataclass(frozen=True)
class About:
    """What one model is asked about, and what the baselines learn from."""

    x: Tensor
    """[N, C, H, W]; 0 where nobody knows."""
    seen: Tensor
    """Bool [N, C, H, W]."""
    known: bool
    """Whether the missing pixels are known, so that an error can be told."""
    told: Tensor
    """[N, Y]."""
    training: Tensor
    """[M, C, H, W], none of them among the images."""


def about_data(run: Run, data: DataSet, count: int, missing: str, share: float, seed: int) -> About:
    """Images of the data set, the same for every model of it.

    Args:
        run: whose model is asked.
        data: its data set.
        count: images, the first being the same whatever the count.
        missing: key of `MASKS`.
        share: that is missing.
        seed: of images, masks and training images.
    """
    indices = integers([seed], "sample", [IMAGES], count, below=len(data))[0, 0]
    x = data.images(indices).cpu()
    told = Conditioning.of(run).evaluation(data)(indices.to(data.device), data.factors(indices)).cpu()
    seen = observed_pixels(missing, torch.tensor([seed]), indices[None], data.image_shape, share)[0]
    training = training_images(run, data, seed, x, torch.ones_like(x, dtype=torch.bool))
    return About(x, seen.expand_as(x), True, told, training)


def training_images(run: Run, data: DataSet, seed: int, x: Tensor, known: Tensor) -> Tensor:
    """Images that the run was trained on, for the baselines, [M, C, H, W], without those that are asked about.

    Args:
        run: whose model is asked.
        data: its data set.
        seed: of which images.
        x: [N, C, H, W], what is asked about.
        known: bool [N, C, H, W], the pixels of it that anybody knows.

    Raises:
        BadInput: fewer than there should be neighbours.
    """
    part = training_part(run, data)
    drawn = integers([seed], "sample", [TRAINING], TRAINING_IMAGES, below=len(part))[0, 0].unique()
    training = part.images(drawn).cpu()
    training = training[~asked_about(training, x, known)]
    if len(training) < NEIGHBOURS:
        raise BadInput(f"{run.label}: {len(training)} training images are fewer than {NEIGHBOURS} neighbours")
    return training


def asked_about(training: Tensor, x: Tensor, known: Tensor) -> Tensor:
    """Which training images [M, C, H, W] may be one of the images x [N, C, H, W] by its known pixels, bool [M].

    Pixels that differ by what rounding to bytes does are alike. Where an image is known in part and is like more
    training images than there are neighbours, its known pixels (all black, or none) do not tell which one it is: they
    stay, since what has the same known pixels is what the neighbours are sought for.
    """
    found = torch.zeros(len(training), dtype=torch.bool)
    pixels = training.flatten(1)
    for image, told in zip(x.flatten(1), known.flatten(1), strict=True):
        alike = ((pixels[:, told] - image[told]).abs() <= ROUNDED).all(dim=1)
        if told.all() or alike.sum() <= NEIGHBOURS:
            found |= alike
    return found


def picture(about: About, columns: Sequence[Tensor]) -> Tensor:
    """A row an image: it, what is seen of it, then the columns [N, C, H, W] one by one; [N, columns + 2, 3, H, W].

    Where nobody knows a pixel, the image has it hidden too.
    """
    hidden = torch.tensor(HIDDEN)[:, None, None]
    seen = torch.where(about.seen, coloured(about.x), hidden)
    whole = coloured(about.x) if about.known else seen
    return torch.stack([whole, seen, *map(coloured, columns)], dim=1)


def coloured(images: Tensor) -> Tensor:
    """Grey images [N, 1, H, W] in three channels; others as they are."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
