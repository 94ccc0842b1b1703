"""Images of a few surfaces, each of one hue: kept as filtered layers of each geometry, coloured when asked for."""

import colorsys
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UNIT = 64
"""Layers are whole numbers of 1/64 grey level, so that their sum is exact, and the same on every device."""

FIFTHS = 6
"""Ten pure hues have red, green and blue of 0, 1/5, ... or 5/5."""

SKY, FLOOR, WALL, OBJECT = 0, 3, 3 + FIFTHS, 3 + 2 * FIFTHS
LAYERS = 3 + 3 * FIFTHS
"""Where each surface's layers begin: the sky's three channels; floor, walls and object for each number of fifths,
since what is brighter than white is cut off before it is filtered."""


def hue_fifths(hues: NDArray[np.floating]) -> Tensor:
    """Red, green and blue, in fifths, of pure colours: hues [A] (tenths of the circle) to int64 [A, 3]."""
    fifths = 5 * np.array([colorsys.hsv_to_rgb(hue, 1, 1) for hue in hues]).reshape(-1, 3)
    if not np.allclose(fifths, np.round(fifths)):
        raise ValueError(f"hues must be tenths, got {np.asarray(hues).tolist()}")
    return torch.from_numpy(np.round(fifths).astype(np.int64))


class ColouredLayers:
    """N = A * A * A * G images: all floor, wall and object hues (slowest first) of each of G geometries.

    `layers` is int16 [G * LAYERS, H * W], as `LAYERS` says; `fifths` is int64 [A, 3] as `hue_fifths` makes them.
    """

    def __init__(self, layers: Tensor, fifths: tuple[Tensor, Tensor, Tensor], size: int) -> None:
        self.layers, self.fifths, self.size = layers, fifths, size
        self.geometries = len(layers) // LAYERS
        self.rgb = torch.arange(3, device=layers.device)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, H, W)."""
        return 3, self.size, self.size

    @property
    def device(self) -> torch.device:
        """Where the layers live."""
        return self.layers.device

    def __len__(self) -> int:
        """The number of images."""
        floor, wall, thing = self.fifths
        return len(floor) * len(wall) * len(thing) * self.geometries

    def images(self, indices: Tensor) -> Tensor:
        """Gather the layers of each surface in each channel, add them, and round as an 8-bit file would."""
        hues, geometry = indices // self.geometries, indices % self.geometries
        floors, walls, things = self.fifths
        thing = things.index_select(0, hues % len(things))
        wall = walls.index_select(0, hues // len(things) % len(walls))
        floor = floors.index_select(0, hues // (len(things) * len(walls)))  # each [B, 3]
        first = geometry[:, None] * LAYERS
        total = self._rows(first + SKY + self.rgb)
        total += self._rows(first + FLOOR + floor)
        total += self._rows(first + WALL + wall)
        total += self._rows(first + OBJECT + thing)
        levels = total.float().mul_(1 / UNIT).round_().clamp_(0, 255)
        return levels.div_(255).view(-1, *self.image_shape)

    def _rows(self, rows: Tensor) -> Tensor:
        return self.layers.index_select(0, rows.flatten())

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        floor, wall, thing = (fifths.to(device) for fifths in self.fifths)
        return type(self)(self.layers.to(device), (floor, wall, thing), self.size)
