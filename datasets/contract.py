"""What every data set promises: images indexed by known factors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor

from .official_file import OfficialFile

Source: TypeAlias = str
"""Where the pixels come from: `rendered` (drawn by us), `official` (the authors' own file), `embedded` (shipped inside
a dependency) or `user`; after a comma, whatever else the pixels depend on."""

Integers: TypeAlias = Tensor | NDArray[Any] | Sequence[Any]
"""Integers in any usual clothing: a tensor, an array, a list, a range."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called as `progress(images_done, images_in_all)` while a cache is built, from the thread that builds it."""


class DataSet(Protocol):
    """N images and the K factors that made each of them.

    Images and factor rows come out on `device`. Indices on the host are checked and raise IndexError; indices
    that already lie on an accelerator are not looked at, so that a batch costs no synchronisation and can be
    part of a CUDA graph.
    """

    @property
    def name(self) -> str:
        """The name that `load` knows it by."""

    @property
    def source(self) -> Source:
        """Where the pixels come from."""

    @property
    def factor_names(self) -> tuple[str, ...]:
        """K names, slowest factor first."""

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """K numbers of classes."""

    @property
    def factor_values(self) -> Mapping[str, NDArray[Any]]:
        """For each factor, the physical value of each class: radians, positions, scales, labels."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""

    @property
    def is_full_grid(self) -> bool:
        """Whether every combination of factors has exactly one image."""

    @property
    def device(self) -> torch.device:
        """Where the pixels live."""

    def __len__(self) -> int:
        """N."""

    def images(self, indices: Integers) -> Tensor:
        """Images at `indices` [B]: float32 [B, C, H, W] in [0, 1]."""

    def factors(self, indices: Integers) -> Tensor:
        """Factor classes at `indices` [B]: int64 [B, K]."""

    def index(self, factors: Integers) -> Tensor:
        """Where the images of `factors` [B, K] are: int64 [B]. ValueError where the grid is not full."""

    def to(self, device: torch.device | str) -> Self:
        """The same data set with its pixels on `device`."""


class Open(Protocol):
    """A function that opens a data set, building its cache first where there is none."""

    def __call__(self, *, progress: Progress | None = None) -> DataSet:
        """Open it, reporting to `progress` while building."""


@dataclass(frozen=True)
class Entry:
    """A row of the table of data sets: all that can be said of one without opening it."""

    name: str
    summary: str
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    length: int
    image_shape: tuple[int, int, int]
    open: Open
    files: tuple[OfficialFile, ...] = ()
    """The authors' files, if there are any to fetch."""
    needs_files: bool = False
    """Whether nothing can be opened without them."""
    files_tell_factors: bool = True
    """Whether they say what each image's factors are; else the order of the images alone does."""

    @property
    def is_full_grid(self) -> bool:
        """Whether every combination of factors has exactly one image."""
        return math.prod(self.factor_sizes) == self.length
