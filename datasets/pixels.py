"""Images at rest: as small as they go, unfolded to floats a batch at a time, on the host or on a device."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class Pixels(Protocol):
    """N images that know how to become float batches."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""

    @property
    def device(self) -> torch.device:
        """Where they live."""

    def __len__(self) -> int:
        """N."""

    def images(self, indices: Tensor) -> Tensor:
        """float32 [B, C, H, W] in [0, 1] for int64 `indices` [B], on the same device and within range."""

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""


class PackedBits:
    """Black and white images, eight pixels a byte as `numpy.packbits` lays them: uint8 [N, C * H * W / 8]."""

    def __init__(self, packed: Tensor, image_shape: tuple[int, int, int]) -> None:
        self.packed = packed
        self.image_shape = image_shape
        # The pixels in each possible byte, first pixel highest: [256, 8]. Made now, not at the first batch:
        # that may be inside a CUDA graph, whose memory is not ours to keep.
        byte = torch.arange(256)[:, None]
        self.eight_pixels = (byte >> torch.arange(7, -1, -1) & 1).float().to(packed.device)

    @property
    def device(self) -> torch.device:
        """Where the bytes live."""
        return self.packed.device

    def __len__(self) -> int:
        """The number of images."""
        return len(self.packed)

    def images(self, indices: Tensor) -> Tensor:
        """Gather B rows of bytes, then unpack those."""
        rows = self.packed.index_select(0, indices)
        if rows.device.type == "cpu":  # the fastest of a dozen ways tried, by 1.3 to 10 times
            pixels = torch.from_numpy(np.unpackbits(rows.numpy(), axis=1)).float()
        else:  # a table look-up: three kernels, nothing on the host
            pixels = functional.embedding(rows.int(), self.eight_pixels)
        return pixels.view(-1, *self.image_shape)

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        return type(self)(self.packed.to(device), self.image_shape)


@dataclass(frozen=True, eq=False)
class Reordered:
    """The images of `stored` in another order: image i is number order[i] there. `order` is int64 [N]."""

    stored: Pixels
    order: Tensor

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.stored.image_shape

    @property
    def device(self) -> torch.device:
        """Where the images live."""
        return self.stored.device

    def __len__(self) -> int:
        """The number of images."""
        return len(self.order)

    def images(self, indices: Tensor) -> Tensor:
        """Look up where they are stored, then gather."""
        return self.stored.images(self.order.index_select(0, indices))

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        return type(self)(self.stored.to(device), self.order.to(device))


@dataclass(frozen=True, eq=False)
class Levels:
    """Images of whole levels 0 to `white`: uint8 [N, C, H, W]."""

    levels: Tensor
    white: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.levels.shape
        return channels, height, width

    @property
    def device(self) -> torch.device:
        """Where the levels live."""
        return self.levels.device

    def __len__(self) -> int:
        """The number of images."""
        return len(self.levels)

    def images(self, indices: Tensor) -> Tensor:
        """Gather B images and divide by white."""
        return self.levels.index_select(0, indices).float() / self.white

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        return type(self)(self.levels.to(device), self.white)
