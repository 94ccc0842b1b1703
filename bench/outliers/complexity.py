"""How many nats an image takes when it is compressed without a model of its data set."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Bytes = NDArray[np.uint8]

NATS_A_BYTE = 8 * math.log(2)


def complexity_nats(images: Tensor) -> NDArray[np.float64]:
    """Length of each image compressed as PNG does it: the best of its five filters, then DEFLATE at its best.

    Args:
        images: [N, C, H, W] in [0, 1]; pixels are rounded to bytes, or to single bits where all of an image are 0 or 1.

    Returns:
        [N] in nats, ln 2 a bit, without the headers of a file. It is a whole number of bytes, so that images of few
        pixels differ little. Another version of zlib may find other lengths.

    Reference:
        Serra et al. 2020, "Input Complexity and Out-of-Distribution Detection with Likelihood-based Generative Models"
        (PNG is one of their compressors).
    """
    levels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return np.array([NATS_A_BYTE * shortest(image.transpose(1, 2, 0)) for image in levels])


def shortest(image: Bytes) -> int:
    """Bytes of an image [H, W, C] by the filter that suits it best."""
    if np.isin(image, (0, 255)).all():
        packed = np.packbits(image.reshape(len(image), -1) > 0, axis=1)[:, :, None]
        return min(deflated(filtered) for filtered in (packed, *filters(packed)))
    return min(deflated(filtered) for filtered in (image, *filters(image)))


def filters(image: Bytes) -> list[Bytes]:
    """What PNG's filters Sub, Up, Average and Paeth leave of bytes [H, W, C], each over the whole image."""
    wide = np.pad(image, ((1, 0), (1, 0), (0, 0))).astype(np.int16)
    left, above, corner = wide[1:, :-1], wide[:-1, 1:], wide[:-1, :-1]
    guess = left + above - corner
    far = [np.abs(guess - known) for known in (left, above, corner)]
    paeth = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, corner))
    return [(image - taken).astype(np.uint8) for taken in (left, above, (left + above) // 2, paeth)]


def deflated(content: Bytes) -> int:
    """Bytes of a raw DEFLATE stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    return len(packer.compress(np.ascontiguousarray(content).tobytes())) + len(packer.flush())
