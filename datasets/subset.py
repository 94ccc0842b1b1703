"""A part of a data set, which is itself a data set: the images of the combinations that a rule keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from .contract import DataSet, Integers, Source
from .factored_images import as_int64


@dataclass(frozen=True, eq=False)
class Subset:
    """Images of `whole` at `kept` [n], in that order; index i here is index kept[i] there.

    Factors keep the numbers, sizes and values that they have in the whole, so that scores and models of parts and
    wholes compare; classes may be missing.
    """

    whole: DataSet
    kept: Tensor
    name: str
    """Says what was kept."""

    @property
    def source(self) -> Source:
        """Where the pixels come from."""
        return self.whole.source

    @property
    def factor_names(self) -> tuple[str, ...]:
        """K names, slowest factor first."""
        return self.whole.factor_names

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """K numbers of classes, of the whole."""
        return self.whole.factor_sizes

    @property
    def factor_values(self) -> Mapping[str, NDArray[Any]]:
        """For each factor, the physical value of each class."""
        return self.whole.factor_values

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.whole.image_shape

    @property
    def is_full_grid(self) -> bool:
        """A part lacks combinations."""
        return False

    @property
    def device(self) -> torch.device:
        """Where the pixels live."""
        return self.whole.device

    def __len__(self) -> int:
        """The number of images kept."""
        return len(self.kept)

    def images(self, indices: Integers) -> Tensor:
        """Images at `indices` [B]: float32 [B, C, H, W] in [0, 1]."""
        return self.whole.images(self.in_whole(indices))

    def factors(self, indices: Integers) -> Tensor:
        """Factor classes at `indices` [B]: int64 [B, K]."""
        return self.whole.factors(self.in_whole(indices))

    def index(self, factors: Integers) -> Tensor:
        """Refuse: combinations that were left out are nowhere here."""
        raise ValueError(f"index() needs every combination of factors; {self.name} is no full grid")

    def in_whole(self, indices: Integers) -> Tensor:
        """Which images of the whole those at `indices` are."""
        positions = as_int64(indices, "indices")
        if positions.ndim != 1:
            raise ValueError(f"indices must be one list [B], got shape {list(positions.shape)}")
        if positions.device.type == "cpu" and len(positions):
            low, high = (int(bound) for bound in positions.aminmax())
            if low < 0 or high >= len(self):
                wrong = low if low < 0 else high
                raise IndexError(f"{self.name} has images 0 to {len(self) - 1}, got index {wrong}")
        return self.kept.index_select(0, positions.to(self.device))

    def to(self, device: torch.device | str) -> Self:
        """The same part with its pixels on `device`."""
        return replace(self, whole=self.whole.to(device), kept=self.kept.to(device))
