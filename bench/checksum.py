"""Telling whether tensors on a disk are still what was written."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def checksum(tensors: Mapping[str, Tensor], about: str = "") -> int:
    """CRC-32 of a text and of tensors, with their names, types and shapes; safetensors has none of its own.

    A bit of the header can change as well as one of the numbers: a tensor then has another's name, or a training's
    state that of another step.
    """
    import torch

    total = zlib.crc32(about.encode())
    for name, value in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), total)
        total = zlib.crc32(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data, total)
    return total
