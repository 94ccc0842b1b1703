"""Random numbers of a row: a function of (seed, purpose, row), whatever rows stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

PURPOSES: Final = {"chain": 1, "importance": 2, "resampling": 3, "density": 4, "pixels": 5}
"""What numbers are for. They are part of every result: append, never renumber."""


class Chance:
    """A Philox generator a row, on the CPU, so that every device sees the same; each call takes what comes next."""

    def __init__(self, seed: int, purpose: str, rows: Sequence[tuple[int, int]], like: Tensor) -> None:
        """`rows` are pairs of whole numbers (image, draw)."""
        self._dtype, self._device = like.dtype, like.device
        counters = ([0, 0, PURPOSES[purpose], draw] for _, draw in rows)
        self._generators = [
            np.random.Generator(np.random.Philox(key=[seed, image], counter=counter))
            for (image, _), counter in zip(rows, counters, strict=True)
        ]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers [rows, *shape]."""
        numbers = np.empty((len(self._generators), *shape))
        for generator, part in zip(self._generators, numbers, strict=True):
            generator.standard_normal(out=part)
        return torch.from_numpy(numbers).to(self._device, self._dtype)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), [rows, *shape]; 24 random bits each in single precision, so that none is 1."""
        kind = np.float64 if self._dtype == torch.float64 else np.float32
        numbers = np.empty((len(self._generators), *shape), dtype=kind)
        for generator, part in zip(self._generators, numbers, strict=True):
            generator.random(out=part, dtype=kind)
        return torch.from_numpy(numbers).to(self._device, self._dtype)
