"""Encoders and decoders around a map of code vectors, features last: [B, P, d]."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ...models import ImageShape
from ...models.small_patch import GRID, join, merge, part, split
from .pixelcnn import Taps

SMALL_MAP = GRID // 2
"""Positions along each side of the small net's map."""

AROUND = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1))
"""The offsets of a 3 x 3 convolution."""


class PatchResidual(nn.Module):
    """x + 1 x 1 of ReLU of 3 x 3 of ReLU of x, on the small net's map as matrix products."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.around = Taps(AROUND, features, hidden)
        self.out = nn.Linear(hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, P, F]."""
        here = F.relu(x).unflatten(1, (SMALL_MAP, SMALL_MAP))
        return x + self.out(F.relu(self.around(here))).flatten(1, 2)


class SmallEncoder(nn.Module):
    """Patches to 32 features, 2 x 2 of them to 64 on a map of 4 x 4, a residual block, code vectors."""

    def __init__(self, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        channels, height, columns = image_shape
        self.patches = nn.Linear(channels * (height // GRID) * (columns // GRID), 32)
        self.merged = nn.Linear(4 * 32, 64)
        self.residual = PatchResidual(64, 32)
        self.out = nn.Linear(64, width)

    def forward(self, images: Tensor) -> Tensor:
        """Vectors [B, 16, d]."""
        x = F.relu(self.patches(split(images, GRID)))  # [B, 64, 32]
        x = self.residual(self.merged(merge(x, GRID)))  # [B, 16, 64]
        vectors: Tensor = self.out(F.relu(x))
        return vectors


class SmallDecoder(nn.Module):
    """The encoder mirrored."""

    def __init__(self, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.channels, height, columns = image_shape
        self.into = nn.Linear(width, 64)
        self.residual = PatchResidual(64, 32)
        self.parted = nn.Linear(64, 4 * 32)
        self.patches = nn.Linear(32, self.channels * (height // GRID) * (columns // GRID))

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits [B, C, H, W]."""
        x = F.relu(self.residual(self.into(vectors)))
        x = F.relu(part(self.parted(x), SMALL_MAP))  # [B, 64, 32]
        return join(self.patches(x), GRID, self.channels)


PAPER_UNITS = 256
"""Feature maps of every layer of the paper's nets."""


class ConvResidual(nn.Module):
    """x + 1 x 1 of ReLU of 3 x 3 of ReLU of x."""

    def __init__(self) -> None:
        super().__init__()
        self.around = nn.Conv2d(PAPER_UNITS, PAPER_UNITS, 3, padding=1)
        self.out = nn.Conv2d(PAPER_UNITS, PAPER_UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, 256, h, w]."""
        return x + self.out(F.relu(self.around(F.relu(x))))


class ConvEncoder(nn.Module):
    """Two convolutions k4 stride 2 and two residual blocks, 256 units each (van den Oord et al. 2017, section 4.1)."""

    def __init__(self, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(image_shape[0], PAPER_UNITS, 4, stride=2, padding=1)
        self.conv_2 = nn.Conv2d(PAPER_UNITS, PAPER_UNITS, 4, stride=2, padding=1)
        self.residual_1, self.residual_2 = ConvResidual(), ConvResidual()
        self.out = nn.Conv2d(PAPER_UNITS, width, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Vectors [B, P, d], P = H / 4 times W / 4."""
        x = self.conv_2(F.relu(self.conv_1(images)))
        vectors: Tensor = self.out(F.relu(self.residual_2(self.residual_1(x))))
        return vectors.flatten(2).transpose(1, 2)


class ConvDecoder(nn.Module):
    """Two residual blocks and two transposed convolutions k4 stride 2, 256 units each."""

    def __init__(self, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        channels, height, columns = image_shape
        self.map_shape = (height // 4, columns // 4)
        self.into = nn.Conv2d(width, PAPER_UNITS, 3, padding=1)
        self.residual_1, self.residual_2 = ConvResidual(), ConvResidual()
        self.deconv_1 = nn.ConvTranspose2d(PAPER_UNITS, PAPER_UNITS, 4, stride=2, padding=1)
        self.deconv_2 = nn.ConvTranspose2d(PAPER_UNITS, channels, 4, stride=2, padding=1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits [B, C, H, W]."""
        x = self.into(vectors.transpose(1, 2).unflatten(2, self.map_shape))
        x = F.relu(self.residual_2(self.residual_1(x)))
        logits: Tensor = self.deconv_2(F.relu(self.deconv_1(x)))
        return logits


def small_map(image_shape: ImageShape) -> tuple[int, int]:
    """4 x 4, whatever the image."""
    return SMALL_MAP, SMALL_MAP


def conv_map(image_shape: ImageShape) -> tuple[int, int]:
    """A quarter of the image along each side."""
    return image_shape[1] // 4, image_shape[2] // 4


def sides_in_quarters(image_shape: ImageShape) -> str | None:
    """What is wrong with an image shape for the paper's net, if anything."""
    fits = image_shape[1] % 4 == 0 and image_shape[2] % 4 == 0
    return None if fits else "needs images whose sides are multiples of 4"
