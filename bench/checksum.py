"""Telling whether tensors on a disk are still what was written."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def checksum(tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 of the bytes of tensors, in the order of their names; safetensors has none of its own."""
    import torch

    total = 0
    for _, value in sorted(tensors.items()):
        total = zlib.crc32(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data, total)
    return total
