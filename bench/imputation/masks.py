"""Which pixels of an image are seen: a function of uniform numbers, and so of a seed and the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..bad_input import BadInput, unknown
from ..randomness import keyed_uniform

ImageShape = tuple[int, int, int]

LEVELS = 2**12
"""A share of pixels is taken to one part in so many."""

SIDES = ("left", "right", "upper", "lower")


@dataclass(frozen=True)
class Mask:
    """A way for pixels to be missing. A pixel is missing with all of its channels."""

    meaning: str
    numbers: Callable[[ImageShape], int]
    """How many uniform numbers an image takes."""
    seen: Callable[[Tensor, ImageShape, float], Tensor]
    """(uniform numbers [..., n], image shape, share that is missing) to what is seen, bool [..., H, W].

    A pure tensor program: it looks at no value.
    """


def _at_random(chances: Tensor, shape: ImageShape, share: float) -> Tensor:
    # The 24 bits of a number serve two pixels: for MIWAE's batches they would else take as long as a small net does.
    first = (chances * LEVELS).floor()
    halves = torch.stack((first, (chances * LEVELS - first) * LEVELS), dim=-1).flatten(-2)
    seen = halves >= round(share * LEVELS)
    return seen[..., : shape[1] * shape[2]].unflatten(-1, shape[1:])


def _block(chances: Tensor, shape: ImageShape, share: float) -> Tensor:
    inside = [
        _stretch(chances[..., axis], size, max(1, round(size * math.sqrt(share))))
        for axis, size in enumerate(shape[1:])
    ]
    return ~(inside[0][..., :, None] & inside[1][..., None, :])


def _stretch(chance: Tensor, size: int, length: int) -> Tensor:
    """Which of `size` places lie in a stretch of `length` that begins anywhere it fits, [..., size]."""
    first = (chance * (size - length + 1)).floor()[..., None]
    places = torch.arange(size, device=chance.device)
    return (places >= first) & (places < first + length)


def _halves(shape: ImageShape, device: torch.device) -> Tensor:
    """What is seen where the left, right, upper, lower half is missing, [4, H, W]; of an odd side, the smaller half."""
    _, height, width = shape
    down, across = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)[None]
    seen = (
        across >= width // 2,
        across < width - width // 2,
        down >= height // 2,
        down < height - height // 2,
    )
    return torch.stack([side.expand(height, width) for side in seen])


def _half(chances: Tensor, shape: ImageShape, share: float) -> Tensor:
    return _halves(shape, chances.device)[(chances[..., 0] * len(SIDES)).long()]


def _side(number: int) -> Callable[[Tensor, ImageShape, float], Tensor]:
    def seen(chances: Tensor, shape: ImageShape, share: float) -> Tensor:
        return _halves(shape, chances.device)[number].expand(*chances.shape[:-1], -1, -1)

    return seen


MASKS: dict[str, Mask] = {
    "share": Mask(
        "each pixel by itself, with a chance", lambda shape: -(-math.prod(shape[1:]) // 2), _at_random
    ),
    "block": Mask("a block anywhere, of that share of the image", lambda shape: 2, _block),
    "half": Mask("the left, right, upper or lower half", lambda shape: 1, _half),
    **{side: Mask(f"the {side} half", lambda shape: 1, _side(n)) for n, side in enumerate(SIDES)},
}
"""By the name that `--missing` and MIWAE's `missing_kind` know them by."""


def observed_pixels(
    kind: str, seeds: Tensor, images: Tensor, image_shape: ImageShape, share: float = 0.5
) -> Tensor:
    """What is seen of images, as a function of the seed and of which image it is.

    An image has the same mask at a seed whenever and beside whatever it is met, so that a data set can be incomplete
    for good.

    Args:
        kind: key of `MASKS`.
        seeds: [S], whole numbers.
        images: [S, B], which images: any whole numbers.
        image_shape: (C, H, W).
        share: of the pixels that is missing, above 0 and below 1, to one part in 4,096; halves do not look at it.

    Returns:
        Bool [S, B, 1, H, W], on the device of `images`; pure tensor operations.

    Raises:
        BadInput: an unknown kind, or a share that is none.
    """
    require_missing(kind, share)
    mask = MASKS[kind]
    chances = keyed_uniform(seeds, "missing", images, mask.numbers(image_shape))
    return mask.seen(chances, image_shape, share).unsqueeze(-3)


def require_missing(kind: str, share: float) -> None:
    """`BadInput` unless pixels can be missing like that."""
    if kind not in MASKS:
        raise unknown("way of missing", kind, MASKS)
    if not 0 < share < 1:
        raise BadInput(f"the share of missing pixels must be above 0 and below 1, got {share:g}")
