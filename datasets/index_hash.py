"""Random numbers that depend on an image's index alone: the same image has the same noise, whenever it is asked for.

Each number is a 32-bit hash of (index, position): two rounds of shifts, XOR and multiplication with the constants
that C. Wellons found by search to leave least bias ("lowbias32", 2018, public domain). Everything is arithmetic on
int32 tensors, which wraps the same way on every device, so hosts and accelerators agree to the last bit.
"""

import torch
from torch import Tensor

GOLDEN = -0x61C88647  # 0x9E3779B9, 2^32 over the golden ratio, as int32


def mixed(words: Tensor) -> Tensor:
    """Hash int32 words in place; every bit of the outcome depends on every bit of a word."""
    for shift, factor in ((16, 0x7FEB352D), (15, -0x7B935975), (16, 1)):  # the second is 0x846CA68B
        shifted = words >> shift
        shifted &= (1 << (32 - shift)) - 1  # int32 shifts copy the sign; these bits are not its
        words ^= shifted
        words *= factor
    return words


def hashes(indices: Tensor, role: int, count: int) -> Tensor:
    """int32 words [B, count] for `indices` [B]; another `role` gives other words."""
    start = mixed(indices.to(torch.int32) + role * 0x1000000)
    steps = torch.arange(count, dtype=torch.int32, device=indices.device) * GOLDEN
    return mixed(start[:, None] + steps)


def uniform(indices: Tensor, role: int, count: int) -> Tensor:
    """Numbers in [0, 1) [B, count]: float32 multiples of 2^-16, two from each hash."""
    halves = hashes(indices, role, (count + 1) // 2).view(torch.int16)[:, :count]
    return halves.float().add_(2**15).mul_(2.0**-16)


def uniform_levels(indices: Tensor, role: int, count: int) -> Tensor:
    """Numbers in [0, 1] [B, count]: float32 multiples of 1/255 as images have them, four from each hash."""
    return hashes(indices, role, (count + 3) // 4).view(torch.uint8)[:, :count].float().mul_(1 / 255)


def below(indices: Tensor, role: int, limits: tuple[int, ...]) -> Tensor:
    """Whole numbers [B, len(limits)], column k uniform in [0, limits[k])."""
    words = hashes(indices, role, len(limits)).long() & 0xFFFFFFFF
    return torch.stack([(words[:, k] * limit) >> 32 for k, limit in enumerate(limits)], dim=1)
