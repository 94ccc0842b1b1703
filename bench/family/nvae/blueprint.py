"""How large an NVAE is, and where its groups of latents lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Blueprint:
    """The numbers of a net. Channels double each time that the side of the maps halves."""

    stem: int
    """Side of the patches that the first convolution cuts; 1 is the paper's, a 3 x 3 convolution of all pixels."""
    channels: int
    """After the stem."""
    blocks: int
    """Halvings of the side between the stem and the largest latents, each with `cells_a_block` cells, and back."""
    cells_a_block: int
    groups: tuple[int, ...]
    """Groups of latents of each scale, top first; the side doubles from scale to scale."""
    cells_a_group: int
    """Cells of the encoder, and of the decoder, between one group and the next."""

    @property
    def reduction(self) -> int:
        """Pixels along a side of the image for one of the top group; images are padded to a multiple of it."""
        return self.stem * 2 ** (self.blocks + len(self.groups) - 1)

    def channels_at(self, scale: int) -> int:
        """Channels of the maps of a scale, 0 being the top one."""
        return self.channels * 2 ** (self.blocks + len(self.groups) - 1 - scale)


def padded_side(side: int, multiple: int) -> int:
    """The least multiple that is no smaller."""
    return -(-side // multiple) * multiple


class GroupLayout:
    """Where the groups are in a row of codes: one after another, the top one first, each as [L, side, side].

    Args:
        blueprint: whose groups.
        side: of the images, before padding.
        latents: L, channels of each group.
    """

    def __init__(self, blueprint: Blueprint, side: int, latents: int) -> None:
        top = padded_side(side, blueprint.reduction) // blueprint.reduction
        self.scales = [scale for scale, count in enumerate(blueprint.groups) for _ in range(count)]
        self.sides = [top * 2**scale for scale in self.scales]
        self.latents = latents
        self.sizes = [latents * side * side for side in self.sides]
        self.shares = [
            size / blueprint.groups[scale] for size, scale in zip(self.sizes, self.scales, strict=True)
        ]
        """Size over the number of groups of the scale: what the KL of a group is balanced by."""

    @property
    def width(self) -> int:
        """Codes of an image, D."""
        return sum(self.sizes)

    def split(self, codes: Tensor) -> list[Tensor]:
        """Codes [B, D] to the groups [B, L, side, side], top first."""
        return [
            part.unflatten(1, (self.latents, side, side))
            for part, side in zip(codes.split(self.sizes, dim=1), self.sides, strict=True)
        ]

    @staticmethod
    def join(groups: Sequence[Tensor]) -> Tensor:
        """The inverse of `split`."""
        return torch.cat([group.flatten(1) for group in groups], dim=1)


MNIST = Blueprint(stem=1, channels=32, blocks=2, cells_a_block=3, groups=(5, 10), cells_a_group=2)
"""Vahdat and Kautz 2020, table 6: images padded to 32 x 32, 5 groups at 4 x 4 and 10 at 8 x 8, of 20 channels."""

SMALL_SIDE, SMALL_CHANNELS = 8, 8
"""Of the small net's maps after its stem: side, at most, and channels."""


def small(image_shape: ImageShape) -> Blueprint:
    """A net for one core: one group at 2 x 2 and two at 4 x 4, for images of 8 pixels along a side or more.

    What an image has beyond 8 along a side is cut into patches by the stem, and put together from them at the end.
    """
    stem = 2 ** max(0, math.ceil(math.log2(max(image_shape[1:]) / SMALL_SIDE)))
    return Blueprint(
        stem=stem, channels=SMALL_CHANNELS, blocks=1, cells_a_block=1, groups=(1, 2), cells_a_group=1
    )
