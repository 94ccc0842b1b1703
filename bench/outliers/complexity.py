"""How many nats an image takes when it is compressed without a model of its data set."""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..randomness import uniform

Bytes = NDArray[np.uint8]

NATS_A_BYTE = 8 * math.log(2)

STEP = 25
"""Of the role `metric`: the pixels that are drawn."""


def complexity_nats(images: Tensor, *, draws: int = 4, seed: int = 0) -> NDArray[np.float64]:
    """Length of each image compressed as PNG does it, a bit a pixel: the best of its filters, then DEFLATE.

    A likelihood of Bernoulli pixels is a code for black-and-white images; the cross-entropy of a grey one is the mean
    length of those that are drawn with its pixels for chances. So these are what is compressed, and both lengths are in
    one unit. (Bytes of grey levels would cost eight bits a pixel that such a likelihood never charges.) An image of 0
    and 1 alone is its own draw.

    Args:
        images: [N, C, H, W] in [0, 1].
        draws: black-and-white images behind the mean length of a grey one.
        seed: of them.

    Returns:
        [N] in nats, ln 2 a bit, without the headers of a file. Whole bytes, so that images of few pixels differ
        little. Another version of zlib may find other lengths.

    Reference:
        Serra et al. 2020, "Input Complexity and Out-of-Distribution Detection with Likelihood-based Generative Models":
        theirs are models of 8-bit levels, and they compress 8-bit images, with PNG among others.
    """
    pixels = images.detach().double().cpu()
    chances = uniform([seed], "metric", [STEP], pixels.numel() * draws)[0, 0].reshape(
        len(pixels), draws, *pixels.shape[1:]
    )
    drawn = (chances < pixels[:, None]).numpy()
    grey = ((pixels > 0) & (pixels < 1)).flatten(1).any(dim=1).tolist()
    return np.array(
        [
            NATS_A_BYTE * np.mean([shortest(bits) for bits in some[: draws if is_grey else 1]])
            for some, is_grey in zip(drawn, grey, strict=True)
        ]
    )


def shortest(bits: NDArray[np.bool_]) -> int:
    """Bytes of a black-and-white image [C, H, W] by the filter that suits it best."""
    rows = bits.transpose(1, 2, 0).reshape(bits.shape[1], -1)
    packed = np.packbits(rows, axis=1)
    return min(deflated(filtered) for filtered in (packed, *filters(packed)))


def filters(packed: Bytes) -> list[Bytes]:
    """What PNG's filters Sub, Up, Average and Paeth leave of bytes [H, W], each over the whole image."""
    wide = np.pad(packed, ((1, 0), (1, 0))).astype(np.int16)
    left, above, corner = wide[1:, :-1], wide[:-1, 1:], wide[:-1, :-1]
    guess = left + above - corner
    far = [np.abs(guess - known) for known in (left, above, corner)]
    paeth = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, corner))
    return [(packed - taken).astype(np.uint8) for taken in (left, above, (left + above) // 2, paeth)]


def deflated(content: Bytes) -> int:
    """Bytes of a raw DEFLATE stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    return len(packer.compress(np.ascontiguousarray(content).tobytes())) + len(packer.flush())
