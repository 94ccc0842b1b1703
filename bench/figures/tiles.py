"""Many small images in one: a mosaic with thin gaps, drawn as a single picture."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]

GAP = 2
"""Pixels between tiles, at the size that small tiles are enlarged to."""

SMALLEST = 32
"""Tiles of fewer pixels are enlarged, so that the gap looks the same for all data sets."""


def mosaic(rows: Tensor) -> Pixels:
    """Images [R, T, C, H, W] in [0, 1] to one image [height, width, 3] of bytes with white gaps.

    Images of one channel become grey; of those with other than 3 channels only the first shows.
    """
    pixels = (rows.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy().transpose(0, 1, 3, 4, 2)
    enlarge = -(-SMALLEST // pixels.shape[2])
    pixels = pixels.repeat(enlarge, axis=2).repeat(enlarge, axis=3)
    count, across, height, width, channels = pixels.shape
    sheet = np.full((count * (height + GAP) - GAP, across * (width + GAP) - GAP, 3), 255, dtype=np.uint8)
    for row in range(count):
        for column in range(across):
            y, x = row * (height + GAP), column * (width + GAP)
            sheet[y : y + height, x : x + width] = pixels[row, column, :, :, : 3 if channels == 3 else 1]
    return sheet


def draw_mosaic(axes: Axes, sheet: Pixels, rows: int) -> list[float]:
    """Draw a mosaic without ticks or frame, and return the vertical centre of each of its rows."""
    axes.imshow(sheet, aspect="auto", interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    height = (sheet.shape[0] + GAP) / rows
    return [height * row + (height - GAP) / 2 - 0.5 for row in range(rows)]
