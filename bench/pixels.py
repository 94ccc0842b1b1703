"""Images that a user gives, as models take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .bad_input import BadInput
from .npz_file import NUMBERS


def as_images(images: Tensor | NDArray[Any], where: str = "images") -> Tensor:
    """Floats [N, C, H, W] in 0 .. 1 of a tensor or an array of these, of bytes, or [N, H, W] of one channel.

    Bytes (uint8) are levels from 0 to 255; every other number is a pixel as it is.

    Args:
        images: of any device, which is kept.
        where: what the error calls them.

    Raises:
        BadInput: another shape, nothing in it, or values that are no pixels.
    """
    found = images.detach() if isinstance(images, Tensor) else _tensor(np.asarray(images), where)
    if found.is_complex():
        raise BadInput(f"{where} must be an array of real numbers, got {found.dtype}")
    shape = list(found.shape)
    found = found[:, None] if found.ndim == 3 else found
    if found.ndim != 4 or 0 in found.shape:
        raise BadInput(f"{where} must be [N, C, H, W] or [N, H, W], got {shape}")
    if found.dtype == torch.uint8:
        found = found / 255
    if not found.is_floating_point():
        found = found.float()
    if not bool(((found >= 0) & (found <= 1)).all()):
        raise BadInput(f"{where} must be numbers in 0 .. 1, or bytes")
    return found


def _tensor(array: NDArray[Any], where: str) -> Tensor:
    """The array in this machine's byte order, in a type that PyTorch has."""
    if array.dtype.kind not in NUMBERS:
        raise BadInput(f"{where} must be an array of real numbers, got {array.dtype}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("=")))
