"""The two halves of NVAE: up through the image's features, and down through the groups of latents."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blueprint import Blueprint
from .cells import EncoderCell, GenerativeCell
from .convolution import Convolution
from .residual_normal import Normal, bounded

WIDE, NARROW = 6, 3
"""Expansion of generative cells between groups of latents, and after them."""


class BottomUp(nn.Module):
    """The image to features for each group: a stem, blocks that halve the side, then a run of cells for each group.

    The run of a group begins with the features of the group below it, halved between scales.

    Args:
        blueprint: numbers of cells and channels.
        image_channels: of the image.
        condition_size: of the condition, which shifts the stem's channels.
    """

    def __init__(self, blueprint: Blueprint, image_channels: int, condition_size: int) -> None:
        super().__init__()
        channels = blueprint.channels
        kernel = 3 if blueprint.stem == 1 else blueprint.stem
        self.stem = Convolution(image_channels, channels, kernel, stride=blueprint.stem)
        self.told = nn.Linear(condition_size, channels) if condition_size else None
        before: list[nn.Module] = []
        for _ in range(blueprint.blocks):
            before += [EncoderCell(channels) for _ in range(blueprint.cells_a_block - 1)]
            before.append(EncoderCell(channels, down=True))
            channels *= 2
        self.before = nn.Sequential(*before)
        runs = []
        for scale in reversed(range(len(blueprint.groups))):
            for group in range(blueprint.groups[scale]):
                cells: list[nn.Module] = []
                if scale < len(blueprint.groups) - 1 and group == 0:
                    cells.append(EncoderCell(channels, down=True))
                    channels *= 2
                cells += [EncoderCell(channels) for _ in range(blueprint.cells_a_group)]
                runs.append(nn.Sequential(*cells))
        self.runs = nn.ModuleList(runs)
        """Bottom group first."""

    def forward(self, images: Tensor, condition: Tensor) -> list[Tensor]:
        """Padded images [B, C, H, W] to features [B, channels, side, side] of each group, top first."""
        x = self.stem(2 * images - 1)
        if self.told is not None:
            x = x + self.told(condition)[:, :, None, None]
        x = self.before(x)
        features = []
        for run in self.runs:
            x = run(x)
            features.append(x)
        return features[::-1]


class Group(nn.Module):
    """A group of latents in the decoder: its prior, its posterior relative to that, and how its codes go on.

    Args:
        channels: of the maps.
        latents: L.
        cells: generative cells before the prior.
        up: whether the scale ends with this group, and its maps are doubled.
        top: whether it is the first of all, whose prior is N(0, I) and whose posterior sees the encoder alone.
    """

    def __init__(self, channels: int, latents: int, cells: int, *, up: bool, top: bool) -> None:
        super().__init__()
        self.cells = nn.Sequential(*(GenerativeCell(channels, WIDE) for _ in range(0 if top else cells)))
        self.prior_normal = None if top else Convolution(channels, 2 * latents)
        # Of the top group the encoder's features are mixed, of the others those of the decoder are added to them.
        self.meet = Convolution(channels, channels)
        self.posterior = Convolution(channels, 2 * latents, 3)
        self.combine = Convolution(channels + latents, channels)
        self.up = GenerativeCell(channels, WIDE, up=True) if up else None
        self.latents = latents

    def prior(self, x: Tensor, dtype: torch.dtype) -> Normal:
        """p(z | groups above) from the decoder's features [B, C, side, side]; its parts are [B, L, side, side]."""
        if self.prior_normal is None:
            nothing = x.new_zeros((len(x), self.latents, *x.shape[2:]), dtype=dtype)
            return Normal(nothing, nothing)
        return Normal(*bounded(self.prior_normal(F.elu(x)).to(dtype)))

    def relative(self, features: Tensor, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Shift and log-ratio [B, L, side, side] of q(z | image, groups above)."""
        top = self.prior_normal is None
        met = F.elu(self.meet(F.elu(features))) if top else features + self.meet(x)
        return bounded(self.posterior(met).to(dtype))

    def onwards(self, x: Tensor, codes: Tensor) -> Tensor:
        """Features of the next group's scale from those of this one and its codes."""
        x = self.combine(torch.cat((x, codes.to(x.dtype)), dim=1))
        return x if self.up is None else self.up(x)


Draw = Callable[[int, Group, Tensor], Tensor]
"""(number of the group, the group, the decoder's features) to its codes [B, L, side, side]."""


class TopDown(nn.Module):
    """From a learnt constant through the groups, each adding its codes, to logits.

    Args:
        blueprint: numbers of cells and channels.
        image_channels: of the image.
        latents: L, of each group.
        top_side: of the top group's maps.
        condition_size: of the condition, which shifts the constant's channels.
    """

    def __init__(
        self, blueprint: Blueprint, image_channels: int, latents: int, top_side: int, condition_size: int
    ) -> None:
        super().__init__()
        channels = blueprint.channels_at(0)
        self.constant = nn.Parameter(torch.full((channels, top_side, top_side), 0.5))
        self.told = nn.Linear(condition_size, channels) if condition_size else None
        groups = []
        for scale, count in enumerate(blueprint.groups):
            for number in range(count):
                up = number == count - 1 and scale < len(blueprint.groups) - 1
                top = scale == number == 0
                groups.append(
                    Group(blueprint.channels_at(scale), latents, blueprint.cells_a_group, up=up, top=top)
                )
        self.groups = nn.ModuleList(groups)
        channels = blueprint.channels_at(len(blueprint.groups) - 1)
        after: list[nn.Module] = []
        for _ in range(blueprint.blocks):
            after.append(GenerativeCell(channels, NARROW, up=True))
            channels //= 2
            after += [GenerativeCell(channels, NARROW) for _ in range(blueprint.cells_a_block - 1)]
        self.after = nn.Sequential(*after)
        self.pixels = Convolution(channels, image_channels * blueprint.stem**2, 3)
        self.patch = blueprint.stem

    def initial_range(self, name: str) -> tuple[float, float]:
        """The constant begins uniform in [0, 1)."""
        return 0.0, 1.0

    def forward(self, rows: int, condition: Tensor, draw: Draw) -> Tensor:
        """Logits [B, C, H, W] of padded images, with codes as `draw` gives them group by group, top first."""
        x = self.constant.expand(rows, *self.constant.shape)
        if self.told is not None:
            x = x + self.told(condition)[:, :, None, None]
        for number, group in enumerate(self.groups):
            assert isinstance(group, Group)
            x = group.cells(x)
            x = group.onwards(x, draw(number, group, x))
        logits: Tensor = self.pixels(F.elu(self.after(x)))
        return F.pixel_shuffle(logits, self.patch) if self.patch > 1 else logits
