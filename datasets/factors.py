"""Which factors made which image: a full grid (by arithmetic) or an explicit table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FactorGrid:
    """Every combination of factor values, one image each, the last factor varying fastest.

    `values` maps each factor to the physical values of its classes. `constants` names factors of a single
    class that the official file writes in front of each row; they are dropped here and accepted by `index`.
    """

    values: Mapping[str, NDArray[Any]]
    constants: tuple[str, ...] = ()
    is_full_grid: ClassVar[bool] = True

    @cached_property
    def names(self) -> tuple[str, ...]:
        """K factor names."""
        return tuple(self.values)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """K numbers of classes."""
        return tuple(len(classes) for classes in self.values.values())

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """How far apart two images are that differ by one class in one factor."""
        return tuple(math.prod(self.sizes[k + 1 :]) for k in range(len(self.sizes)))

    @property
    def description(self) -> str:
        """All that the grid is, in words: part of what a cache is recognised by."""
        return ", ".join(f"{name} {classes.tolist()}" for name, classes in self.values.items())

    def __len__(self) -> int:
        """The number of combinations."""
        return math.prod(self.sizes)

    def rows(self, indices: Tensor) -> Tensor:
        """Factor classes [B, K] of the images at `indices` [B]."""
        # Arithmetic with plain numbers: no table to keep on each device, nothing a CUDA graph could not hold.
        columns = [indices // stride % size for stride, size in zip(self.strides, self.sizes, strict=True)]
        return torch.stack(columns, dim=1)

    def index(self, factors: Tensor) -> Tensor:
        """Where the images of `factors` [B, K] are; rows may carry the constants in front.

        Raises ValueError for rows of another width, IndexError for a class that does not exist. Rows on an
        accelerator are not checked for range.
        """
        names, sizes, strides = self.names, self.sizes, self.strides
        if factors.ndim == 2 and factors.shape[1] == len(self.constants) + len(names):
            names = self.constants + names
            sizes = (1,) * len(self.constants) + sizes
            strides = (0,) * len(self.constants) + strides
        if factors.ndim != 2 or factors.shape[1] != len(names):
            wanted = f"rows [B, {len(names)}] of {', '.join(names)}"
            raise ValueError(f"factors must be {wanted}, got shape {list(factors.shape)}")
        if factors.device.type == "cpu" and len(factors):
            for name, size, column in zip(names, sizes, factors.unbind(1), strict=True):
                low, high = (int(bound) for bound in column.aminmax())
                if low < 0 or high >= size:
                    wrong = low if low < 0 else high
                    raise IndexError(f"{name} has classes 0 to {size - 1}, got {wrong}")
        position = torch.zeros_like(factors[:, 0])
        for column, stride in zip(factors.unbind(1), strides, strict=True):
            position = position + column * stride
        return position


@dataclass(frozen=True, eq=False)
class FactorTable:
    """Factors of images that are no full grid: one row of classes [N, K] for each image."""

    values: Mapping[str, NDArray[Any]]
    classes: Tensor
    is_full_grid: ClassVar[bool] = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """K factor names."""
        return tuple(self.values)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """K numbers of classes."""
        return tuple(len(classes) for classes in self.values.values())

    def __len__(self) -> int:
        """The number of images."""
        return len(self.classes)

    def rows(self, indices: Tensor) -> Tensor:
        """Factor classes [B, K] of the images at `indices` [B]."""
        return self.classes.index_select(0, indices)

    def index(self, factors: Tensor) -> Tensor:
        """Refuse: the same factors may belong to many images, or to none."""
        raise ValueError(
            "index() needs one image for every combination of factors; this data set is no full grid"
        )

    def to(self, device: torch.device | str) -> Self:
        """The same table on `device`."""
        return replace(self, classes=self.classes.to(device))
