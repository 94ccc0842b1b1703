"""Random numbers of a row: a function of (seed, stream, effort, row), whatever rows stand beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import torch
from torch import Tensor

STREAMS: Final = {
    "importance": 1,
    "pilot": 2,
    "forward": 3,
    "reverse": 4,
    "simulate": 5,
    "pixels": 6,
    "regret": 7,
}
"""What a stream is for. The numbers are part of every estimate: append, never renumber."""


class RowNoise:
    """A Philox generator for each of some rows; numbers are drawn on the CPU, so that every device sees the same."""

    def __init__(self, seed: int, stream: str, effort: int, rows: Iterable[int], like: Tensor) -> None:
        self._dtype, self._device = like.dtype, like.device
        self._generators = [
            np.random.Generator(np.random.Philox(key=[seed, row], counter=[0, effort, STREAMS[stream], 0]))
            for row in rows
        ]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers [rows, *shape]."""
        numbers = np.empty((len(self._generators), *shape))
        for generator, part in zip(self._generators, numbers, strict=True):
            generator.standard_normal(out=part)
        return torch.from_numpy(numbers).to(self._device, self._dtype)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in 0 .. 1, below 1, [rows, *shape], in double precision."""
        numbers = np.empty((len(self._generators), *shape))
        for generator, part in zip(self._generators, numbers, strict=True):
            generator.random(out=part)
        return torch.from_numpy(numbers).to(self._device)


def require_seed(seed: int) -> int:
    """The seed, if it can be one: a whole number from 0, below 2^64."""
    if isinstance(seed, bool) or int(seed) != seed or not 0 <= seed < 2**64:
        raise ValueError(f"seed: expected a whole number in 0 .. 2^64 - 1, got {seed}")
    return int(seed)
