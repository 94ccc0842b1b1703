"""Codes in layers: which part of a code belongs to which, and one layer drawn anew while the others stay."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .model import Model


def layer_widths(model: Model, width: int) -> tuple[int, ...]:
    """Units of each layer of a code of so many, top first: the model's `layer_widths`; one layer where it has none.

    A model that has them keeps its codes in the coordinates in which the prior of every layer, given those above it, is
    N(0, I).
    """
    return tuple(getattr(model, "layer_widths", (width,)))


def redrawn(code: Tensor, noise: Tensor, widths: Sequence[int]) -> Tensor:
    """A code with one layer at a time drawn anew from its prior given the layers above.

    Args:
        code: [1, D], of one image.
        noise: standard normal, [T, D].
        widths: units of each layer, top first; they sum to D.

    Returns:
        [L, T, D]: in row l the layer l has the noise, every other is the image's. Layers below keep what they add to
        what is above them, so that their z follow what was drawn.
    """
    rows = []
    first = 0
    for width in widths:
        row = code.repeat(len(noise), 1)
        row[:, first : first + width] = noise[:, first : first + width]
        rows.append(row)
        first += width
    return torch.stack(rows)
