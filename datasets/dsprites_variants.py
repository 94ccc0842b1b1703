"""Color-, Noisy- and Scream-dSprites, as the unsupervised study has them (Locatello et al., 2019).

- *color*: the sprite has a random colour, each channel uniform in [0.5, 1]; the background is black.
- *noisy*: the sprite is white; each channel of each background pixel is uniform in [0, 1].
- *scream*: the background is a random 64 x 64 patch of a picture, averaged with a random colour; inside the sprite
  the background is inverted.

All three are colour images, made on the device from the bit-packed dSprites grid, and have its five factors. The
study draws colour, noise and patch anew whenever an image is visited. Here they are a function of the image's index
(`index_hash`), so that a data set is a fixed table and a run can be repeated: over a few epochs a model could learn
noise by heart, which in the study it cannot; over 300,000 steps of 64 an image is visited 26 times.

The study's picture is *The Scream* by Edvard Munch. Any picture can be given, by the `picture` argument or by
$DISBENCH_SCREAM; without one a procedural background of coloured waves stands in, and `source` says so.
"""

import hashlib
import math
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .contract import Entry, Progress
from .dsprites import GRID, open_dsprites
from .factored_images import FactoredImages
from .factors import FactorGrid
from .index_hash import below, uniform, uniform_levels
from .official_file import reading
from .pixels import PackedBits
from .polygon import SIZE

PICTURE_VARIABLE = "DISBENCH_SCREAM"
PICTURE_SIZE = (350, 274)
"""Pictures are shrunk to fit into this width and height, as in the study."""

IMAGE_SHAPE = (3, SIZE, SIZE)
COLOUR, NOISE, PATCH, TINT = range(1, 5)
"""Roles of random numbers; part of every image: append, never renumber."""


@dataclass(frozen=True, eq=False)
class Painted:
    """Sprites in three channels; the kinds differ in how `images` paints them."""

    sprites: PackedBits
    image_shape = IMAGE_SHAPE

    @property
    def device(self) -> torch.device:
        """Where the sprites live."""
        return self.sprites.device

    def __len__(self) -> int:
        """The number of images."""
        return len(self.sprites)


@dataclass(frozen=True, eq=False)
class RandomColour(Painted):
    """A coloured sprite on black."""

    def images(self, indices: Tensor) -> Tensor:
        """float32 [B, 3, 64, 64]."""
        colour = 0.5 + 0.5 * uniform(indices, COLOUR, 3)
        return self.sprites.images(indices) * colour[:, :, None, None]

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        return type(self)(self.sprites.to(device))


@dataclass(frozen=True, eq=False)
class RandomNoise(Painted):
    """A white sprite on coloured noise."""

    def images(self, indices: Tensor) -> Tensor:
        """float32 [B, 3, 64, 64]."""
        noise = uniform_levels(indices, NOISE, 3 * SIZE * SIZE).view(-1, *IMAGE_SHAPE)
        return torch.maximum(noise, self.sprites.images(indices), out=noise)

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        return type(self)(self.sprites.to(device))


@dataclass(frozen=True, eq=False)
class RandomPatch(Painted):
    """A tinted patch of a `picture` (float32 [3, height, width]), inverted inside the sprite."""

    picture: Tensor

    def images(self, indices: Tensor) -> Tensor:
        """float32 [B, 3, 64, 64]."""
        _, height, width = self.picture.shape
        corner = below(indices, PATCH, (height - SIZE, width - SIZE))
        runs = self.picture.reshape(-1).unfold(0, SIZE, 1)  # a view: the 64 pixels from each place on
        line, channel = torch.arange(SIZE, device=indices.device), torch.arange(3, device=indices.device)
        row = channel[:, None] * height + corner[:, :1, None] + line  # [B, 3, 64]
        start = row * width + corner[:, 1:, None]
        patches = runs.index_select(0, start.flatten()).view(-1, *IMAGE_SHAPE)
        patches += uniform(indices, TINT, 3)[:, :, None, None]
        patches *= 0.5
        return torch.sub(self.sprites.images(indices), patches, out=patches).abs_()

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        return type(self)(self.sprites.to(device), self.picture.to(device))


def open_color_dsprites(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open Color-dSprites; builds the cache of dSprites where there is none."""
    data, sprites = _sprites(progress, grid)
    return FactoredImages("color_dsprites", data.source, grid, RandomColour(sprites))


def open_noisy_dsprites(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open Noisy-dSprites; builds the cache of dSprites where there is none."""
    data, sprites = _sprites(progress, grid)
    return FactoredImages("noisy_dsprites", data.source, grid, RandomNoise(sprites))


def open_scream_dsprites(
    *, progress: Progress | None = None, grid: FactorGrid = GRID, picture: str | Path | None = None
) -> FactoredImages:
    """Open Scream-dSprites; builds the cache of dSprites where there is none.

    Args:
        progress: told (images done, images in all) while the cache is built.
        grid: a smaller grid of the same factors, for trials.
        picture: the background, larger than 64 x 64; default: $DISBENCH_SCREAM, else a procedural one.

    Raises:
        FileNotFoundError: no such picture.
        DamagedFileError: a file that is no picture, or a picture that is too small.
    """
    chosen = picture or os.environ.get(PICTURE_VARIABLE)
    if chosen:
        levels, background = picture_levels(Path(chosen).expanduser())
    else:
        levels, background = waves(), "procedural background"
    data, sprites = _sprites(progress, grid)
    pixels = RandomPatch(
        sprites, torch.from_numpy(levels.astype(np.float32) / 255).permute(2, 0, 1).contiguous()
    )
    return FactoredImages("scream_dsprites", f"{data.source}, {background}", grid, pixels)


def _sprites(progress: Progress | None, grid: FactorGrid) -> tuple[FactoredImages, PackedBits]:
    data = open_dsprites(progress=progress, grid=grid)
    assert isinstance(data.pixels, PackedBits)
    return data, data.pixels


def picture_levels(path: Path) -> tuple[NDArray[np.uint8], str]:
    """A picture file as uint8 [height, width, 3], shrunk to fit `PICTURE_SIZE`, and what to call it."""
    from PIL import Image  # late: only who brings a picture needs it

    if not path.is_file():
        raise FileNotFoundError(
            f"no background picture at {path}: give another, or unset ${PICTURE_VARIABLE}"
        )
    advice = "give a JPEG or PNG larger than 64 x 64"
    with reading(path, "a usable background picture", advice), Image.open(path) as file:
        file.thumbnail(PICTURE_SIZE)
        levels = np.asarray(file.convert("RGB"))
        if min(levels.shape[:2]) <= SIZE:
            raise ValueError(f"{levels.shape[1]} x {levels.shape[0]} pixels when made to fit {PICTURE_SIZE}")
    return levels, f"background {path.name} {hashlib.sha256(levels.tobytes()).hexdigest()[:8]}"


def waves() -> NDArray[np.uint8]:
    """The procedural background: three octaves of bent waves in each channel, uint8 [274, 350, 3]."""
    width, height = PICTURE_SIZE
    x, y = np.meshgrid(np.arange(width) / height, np.arange(height) / height)
    channels = []
    for channel in range(3):
        total = np.zeros_like(x)
        for octave in range(3):
            turn = 2.4 * channel + 1.3 * octave
            bend = 0.3 * np.sin(2 * math.pi * (1.5 * x + 0.7 * y) + 2.1 * octave + channel)
            along = x * math.cos(turn) + y * math.sin(turn) + bend
            total += np.sin(2 * math.pi * 2**octave * 1.7 * along + 0.9 * channel) / 2**octave
        channels.append(total)
    stacked = np.stack(channels, axis=-1)
    low, high = stacked.min(), stacked.max()
    return np.round(255 * (stacked - low) / (high - low)).astype(np.uint8)


_entry = partial(
    Entry, factor_names=GRID.names, factor_sizes=GRID.sizes, length=len(GRID), image_shape=IMAGE_SHAPE
)

COLOR_DSPRITES = _entry(
    name="color_dsprites", summary="dSprites, the sprite in a random colour", open=open_color_dsprites
)
NOISY_DSPRITES = _entry(
    name="noisy_dsprites", summary="dSprites on a background of coloured noise", open=open_noisy_dsprites
)
SCREAM_DSPRITES = _entry(
    name="scream_dsprites",
    summary="dSprites inverting a patch of a picture (yours, or a procedural one)",
    open=open_scream_dsprites,
)
