"""Residual cells: what the encoder and the decoder are stacked of (Vahdat and Kautz 2020, section 3.1, figure 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models import batch_normalised
from .convolution import Convolution
from .squeeze_excitation import SqueezeExcitation

RESIDUAL_SHARE = 0.1
"""A cell adds a tenth of what it makes to what it is given."""

MOMENTUM = 0.05
"""The share of a batch in running means and variances."""


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation in the type of its running moments, which nets of lower precision keep in full."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same."""
        if self.momentum is None:  # while moments are re-estimated: of all batches alike
            return super().forward(x)
        return batch_normalised(self, x)


class Reduction(nn.Module):
    """The skip of a cell that halves the side and doubles the channels.

    Each quarter of the output channels is a 1 x 1 convolution of one of the four pixels of a 2 x 2 cell, after swish.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.quarters = Convolution(4 * channels, 2 * channels, groups=4)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, 2 C, H / 2, W / 2]."""
        x = F.silu(x)
        corners = (x[:, :, row::2, column::2] for row, column in ((0, 0), (1, 1), (0, 1), (1, 0)))
        return self.quarters(torch.cat(list(corners), dim=1))


class Expansion(nn.Module):
    """The skip of a cell that doubles the side and halves the channels: 1 x 1 and bilinear.

    The 1 x 1 convolution comes first: it commutes with the interpolation, whose weights add up to 1, and has a quarter
    of the pixels to see.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = Convolution(channels, channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C / 2, 2 H, 2 W]."""
        return F.interpolate(self.mix(x), scale_factor=2, mode="bilinear", align_corners=True)


class EncoderCell(nn.Module):
    """Twice batch normalisation, swish and a 3 x 3 convolution; then squeeze and excitation.

    With `down` it halves the side and doubles the channels.
    """

    def __init__(self, channels: int, *, down: bool = False) -> None:
        super().__init__()
        outputs = 2 * channels if down else channels
        self.norm_1 = BatchNorm(channels)
        self.conv_1 = Convolution(channels, outputs, 3, stride=2 if down else 1)
        self.norm_2 = BatchNorm(outputs)
        self.conv_2 = Convolution(outputs, outputs, 3)
        self.gate = SqueezeExcitation(outputs)
        self.skip: nn.Module = Reduction(channels) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape; down to [B, 2 C, H / 2, W / 2]."""
        inner = self.conv_1(F.silu(self.norm_1(x)))
        inner = self.conv_2(F.silu(self.norm_2(inner)))
        return self.skip(x) + RESIDUAL_SHARE * self.gate(inner)


class GenerativeCell(nn.Module):
    """The decoder's cell: wide, and depthwise where it looks at neighbours, so that 5 x 5 pixels are affordable.

    Batch normalisation; 1 x 1 to `expansion` times the channels, batch normalisation, swish; depthwise 5 x 5, batch
    normalisation, swish; 1 x 1 back, batch normalisation; squeeze and excitation. With `up` it doubles the side: pixels
    are repeated just before the depthwise convolution, which is the first to look at more than one of them.

    Args:
        channels: of what it is given.
        expansion: 6 between latents, 3 after them.
        up: whether it doubles the side and halves the channels.
    """

    def __init__(self, channels: int, expansion: int, *, up: bool = False) -> None:
        super().__init__()
        outputs, hidden = channels // 2 if up else channels, expansion * channels
        self.up = up
        self.norm_1 = BatchNorm(channels)
        self.widen = Convolution(channels, hidden, normalised=False)
        self.norm_2 = BatchNorm(hidden)
        self.depthwise = Convolution(hidden, hidden, 5, groups=hidden, normalised=False)
        self.norm_3 = BatchNorm(hidden)
        self.narrow = Convolution(hidden, outputs, normalised=False)
        self.norm_4 = BatchNorm(outputs)
        self.gate = SqueezeExcitation(outputs)
        self.skip: nn.Module = Expansion(channels) if up else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape; up to [B, C / 2, 2 H, 2 W]."""
        inner = F.silu(self.norm_2(self.widen(self.norm_1(x))))
        if self.up:
            inner = F.interpolate(inner, scale_factor=2, mode="nearest")
        inner = F.silu(self.norm_3(self.depthwise(inner)))
        return self.skip(x) + RESIDUAL_SHARE * self.gate(self.norm_4(self.narrow(inner)))
