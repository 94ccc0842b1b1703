"""Factors and pixels joined into a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .contract import Integers, Source
from .factors import FactorGrid, FactorTable
from .pixels import Pixels


@dataclass(frozen=True, eq=False)
class FactoredImages:
    """A `DataSet` made of a table of factors and a store of pixels."""

    name: str
    source: Source
    table: FactorGrid | FactorTable
    pixels: Pixels

    @property
    def factor_names(self) -> tuple[str, ...]:
        """K names, slowest factor first."""
        return self.table.names

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """K numbers of classes."""
        return self.table.sizes

    @property
    def factor_values(self) -> Mapping[str, NDArray[Any]]:
        """For each factor, the physical value of each class."""
        return self.table.values

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.pixels.image_shape

    @property
    def is_full_grid(self) -> bool:
        """Whether every combination of factors has exactly one image."""
        return self.table.is_full_grid

    @property
    def device(self) -> torch.device:
        """Where the pixels live."""
        return self.pixels.device

    def __len__(self) -> int:
        """The number of images."""
        return len(self.pixels)

    def images(self, indices: Integers) -> Tensor:
        """Images at `indices` [B]: float32 [B, C, H, W] in [0, 1]."""
        return self.pixels.images(self._checked(indices))

    def factors(self, indices: Integers) -> Tensor:
        """Factor classes at `indices` [B]: int64 [B, K]."""
        return self.table.rows(self._checked(indices))

    def index(self, factors: Integers) -> Tensor:
        """Where the images of `factors` [B, K] are: int64 [B]. ValueError where the grid is not full."""
        return self.table.index(as_int64(factors, "factors")).to(self.device)

    def to(self, device: torch.device | str) -> Self:
        """The same data set with its pixels on `device`."""
        table = self.table if isinstance(self.table, FactorGrid) else self.table.to(device)
        return replace(self, table=table, pixels=self.pixels.to(device))

    def _checked(self, indices: Integers) -> Tensor:
        """Indices as int64 [B] on the pixels' device; range checked where that needs no synchronisation."""
        positions = as_int64(indices, "indices")
        if positions.ndim != 1:
            raise ValueError(f"indices must be one list [B], got shape {list(positions.shape)}")
        if positions.device.type == "cpu" and len(positions):
            low, high = (int(bound) for bound in positions.aminmax())
            if low < 0 or high >= len(self):
                wrong = low if low < 0 else high
                raise IndexError(f"{self.name} has images 0 to {len(self) - 1}, got index {wrong}")
        return positions.to(self.device)


def as_int64(integers: Integers, argument: str) -> Tensor:
    """Integers of any kind as an int64 tensor on the same device; TypeError for floats and booleans."""
    if isinstance(integers, Tensor):
        if integers.is_floating_point() or integers.is_complex() or integers.dtype == torch.bool:
            raise TypeError(f"{argument} must be integers, got a tensor of {integers.dtype}")
        return integers.long()
    array = np.asarray(integers)
    if array.size and array.dtype.kind not in "iu":  # an empty list has a float dtype, and is fine
        raise TypeError(f"{argument} must be integers, got {type(integers).__name__} of {array.dtype}")
    return torch.from_numpy(array.astype(np.int64))
