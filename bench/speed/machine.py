"""What this machine reaches: large matrix products, convolutions that are such products, copies."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ..precision import PRECISIONS, matrix_units

SIDE = {"cpu": 2048, "cuda": 8192}
"""Of the matrices, by kind of device."""


class Machine(NamedTuple):
    """Rates of a device, all threads at work."""

    matmul_flops: float
    """A second, in a large product of matrices."""
    convolution_flops: float
    """A second, in a convolution of kernel 1, which is the same product by another library."""
    copied_bytes: float
    """A second, read and written."""


def rates(device: torch.device, precision: str) -> Machine:
    """Measure; some seconds."""
    side, low = SIDE[device.type], PRECISIONS[precision]
    left, right = (torch.randn(side, side, device=device, dtype=low) for _ in range(2))
    images = torch.randn(16, side // 2, 16, 16, device=device, dtype=low)
    images = images.contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(side // 2, side // 2, 1, 1, device=device, dtype=low)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    large = torch.empty(2**28 if device.type == "cpu" else 2**32, dtype=torch.uint8, device=device)
    target = torch.empty_like(large)
    with matrix_units(precision), torch.no_grad():
        matmul = 2 * side**3 / seconds(lambda: left @ right, device)
        convolution = 2 * 16 * 256 * (side // 2) ** 2 / seconds(lambda: F.conv2d(images, kernel), device)
        copy = 2 * large.numel() / seconds(lambda: target.copy_(large), device)
    return Machine(matmul, convolution, copy)


def seconds(action: Callable[[], object], device: torch.device) -> float:
    """Of one call, the fastest of several rounds."""
    best = float("inf")
    for _ in range(8):
        begun = time.perf_counter()
        for _ in range(3):
            action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, (time.perf_counter() - begun) / 3)
    return best
