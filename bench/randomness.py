"""Random numbers as a function of (run seed, role, step, position), not of a generator's state.

The function is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), written in int64
tensor operations so that the same program runs on every device and for many seeds at once. The run seed is the
Philox key; the counter is (position // 4, step, role, 0). So a number depends on nothing but its four names: not on
the batch it is drawn in, on the runs trained beside it, on the number of threads, or on what was drawn before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

ROLES: Final = {
    "init": 1,
    "data": 2,
    "noise": 3,
    "permute": 4,
    "metric": 5,
    "sample": 6,
    "missing": 7,
    "labels": 8,
    "pairs": 9,
    "captions": 10,
    "mask": 11,
    "corruption": 12,
}
"""What a stream of numbers is for. The numbers are part of every result: append, never renumber."""

_LOW = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Philox4x32-10: four words of counter and two of key to four random words, all int64 in [0, 2^32).

    Arguments broadcast against each other. A product of two 32-bit words may wrap in int64; its low 64 bits are
    right all the same, and masking after the shift removes the copied sign.
    """
    a, b, c, d = counter
    key_0, key_1 = key
    for _ in range(_ROUNDS):
        product_0, product_1 = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            ((product_1 >> 32) & _LOW) ^ b ^ key_0,
            product_1 & _LOW,
            ((product_0 >> 32) & _LOW) ^ d ^ key_1,
            product_0 & _LOW,
        )
        key_0, key_1 = (key_0 + _WEYL[0]) & _LOW, (key_1 + _WEYL[1]) & _LOW
    return a, b, c, d


def words(seeds: Tensor | Sequence[int], role: str, steps: Tensor | Sequence[int], count: int) -> Tensor:
    """Random 32-bit words [len(seeds), len(steps), count] as int64, for K run seeds and S steps at once.

    `seeds` are integers in [0, 2^63), `steps` in [0, 2^32), `role` a key of `ROLES`.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}; known: {', '.join(ROLES)}")
    seeds = torch.as_tensor(seeds, dtype=torch.int64)
    steps = torch.as_tensor(steps, dtype=torch.int64, device=seeds.device)
    blocks = torch.arange(-(-count // 4), dtype=torch.int64, device=seeds.device)
    seed, step, block = seeds[:, None, None], steps[None, :, None], blocks[None, None, :]
    zero = torch.zeros_like(seed)
    counter = (block + zero, step + zero, zero + ROLES[role], zero)
    out = torch.stack(philox(counter, (seed & _LOW, (seed >> 32) & _LOW)), dim=-1)
    return out.flatten(-2)[..., :count]


def uniform(
    seeds: Tensor | Sequence[int],
    role: str,
    steps: Tensor | Sequence[int],
    count: int,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Uniform numbers in [0, 1), [K, S, count]; 24 random bits each, so that float32 never rounds up to 1."""
    return ((words(seeds, role, steps, count) >> 8).to(torch.float64) * 2.0**-24).to(dtype)


def keyed_uniform(seeds: Tensor, role: str, keys: Tensor, count: int) -> Tensor:
    """Uniform numbers in [0, 1) that belong to things, not to steps: [S, B, count], for keys [S, B] of S seeds [S].

    A key is an image's index, say: the numbers are those of `uniform` at that step, whatever the batch it comes in.
    """
    blocks = torch.arange(-(-count // 4), dtype=torch.int64, device=keys.device)
    seed, zero = seeds.to(torch.int64)[:, None, None], torch.zeros((), dtype=torch.int64, device=keys.device)
    counter = (blocks + zero, keys.to(torch.int64)[..., None], zero + ROLES[role], zero)
    out = torch.stack(torch.broadcast_tensors(*philox(counter, (seed & _LOW, (seed >> 32) & _LOW))), dim=-1)
    return ((out.flatten(-2)[..., :count] >> 8).to(torch.float64) * 2.0**-24).float()


def normal(
    seeds: Tensor | Sequence[int],
    role: str,
    steps: Tensor | Sequence[int],
    count: int,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Standard normal numbers [K, S, count], by the Box-Muller transform of pairs of words.

    Computed in float64 and rounded once, so that one unit in the last place of some other math library's cosine
    does not show in float32. The largest magnitude is 6.8.
    """
    pairs = words(seeds, role, steps, 2 * -(-count // 2)).unflatten(-1, (-1, 2)).to(torch.float64)
    radius = torch.sqrt(-2.0 * torch.log((pairs[..., 0] + 0.5) * 2.0**-32))
    angle = pairs[..., 1] * (2.0 * math.pi * 2.0**-32)
    both = torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=-1)
    return both.flatten(-2)[..., :count].to(dtype)


def integers(
    seeds: Tensor | Sequence[int], role: str, steps: Tensor | Sequence[int], count: int, *, below: int
) -> Tensor:
    """Integers in [0, below), [K, S, count] int64, for `below` <= 2^31; uniform to one part in 2^32 / below."""
    if not 0 < below <= 2**31:
        raise ValueError(f"below must be in [1, 2^31], got {below}")
    return (words(seeds, role, steps, count) * below) >> 32
