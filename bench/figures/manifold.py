"""The manifold of images in a plane of the latent space: decoded over a grid of Gaussian quantiles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from disbench.datasets import DataSet

from ..models import Model
from ..run import Run
from ..store import Store
from .arms import Floats, by_subject
from .page import Block, arm_by_arm, columns_that_fit, page, room_for, wrapped
from .tiles import Pixels, draw_mosaic, mosaic
from .trained import encoded, shown_models, told_first
from .traversals import JUDGED

TILES = 11
"""Images along each side."""

TILE = 0.16

TICKED = (0, 2, 5, 8, 10)
"""Tiles that have a tick."""

GAP = 0.36


@dataclass(frozen=True)
class Plane:
    """What one model makes of a plane of codes."""

    picture: Pixels
    latents: tuple[int, int]
    """Along the horizontal and the vertical axis."""
    remark: str
    """Of how many latents these are two, if not all, and the condition; mostly empty."""


def draw_manifold(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A picture a model, for the smallest seed and at most three strengths an arm."""
    planes = [
        (shown.arm, shown.strength, plane_of(shown.run, shown.model, shown.data))
        for shown in shown_models(rows, store, each=3, in_all=24)
        if shown.run.latents >= 2
    ]
    if not planes:
        return None
    groups = {
        subject: [plane for plane in planes if plane[0].subject == subject]
        for subject in by_subject([arm for arm, _, _ in planes])
    }
    side, blocks = TILE * TILES, []
    for subject, members in groups.items():
        lengths = list(Counter(id(arm) for arm, _, _ in members).values())
        columns = min(columns_that_fit(side, GAP, 0.48), max(lengths) if max(lengths) > 1 else len(lengths))
        panels, slots = arm_by_arm(lengths, columns)
        top = 0.13 + room_for((arm.model(strength) for arm, strength, _ in members), side + 0.2)
        blocks.append(
            Block(subject, panels, columns, (side, side), (GAP, 0.44 + top), left=0.4, top=top, slots=slots)
        )
    figure, places = page(blocks, width=side + 0.5)
    for members, drawn in zip(groups.values(), places, strict=True):
        for (arm, strength, plane), axes in zip(members, drawn, strict=True):
            draw_plane(axes, plane)
            words = wrapped(arm.model(strength), side + 0.2), plane.remark
            axes.set_title("\n".join(part for part in words if part), loc="left")
    return figure


def draw_plane(axes: Axes, plane: Plane) -> None:
    """The panel of one model, with ticks where tiles stand in units of the prior's standard deviation."""
    up = draw_mosaic(axes, plane.picture, TILES)
    across = [centre * plane.picture.shape[1] / plane.picture.shape[0] for centre in up]
    labels = [f"{value:.1f}" for value in grid()[list(TICKED)]]
    axes.set_xticks([across[tile] for tile in TICKED], labels)
    axes.set_yticks([up[TILES - 1 - tile] for tile in TICKED], labels)
    axes.tick_params(length=0, pad=2, labelsize=6)
    axes.set_xlabel(f"z{plane.latents[0] + 1}")
    axes.set_ylabel(f"z{plane.latents[1] + 1}", labelpad=0)


def grid() -> Floats:
    """Where the tiles of a side stand: at the middles of equally likely parts of the prior, [TILES]."""
    values: Floats = ndtri((np.arange(TILES) + 0.5) / TILES)
    return values


@torch.no_grad()
def plane_of(run: Run, model: Model, data: DataSet) -> Plane:
    """Images decoded over the plane of the two latents with the most KL, which are all where there are two.

    A conditional model is told the condition of the data set's first image of those drawn.
    """
    codes = encoded(run, model, data, JUDGED)
    first, second = sorted(codes.ranked[:2])
    at = torch.zeros(TILES, TILES, codes.mean.shape[1])
    at[:, :, first] = torch.as_tensor(grid(), dtype=at.dtype)
    at[:, :, second] = torch.as_tensor(grid()[::-1].copy(), dtype=at.dtype)[:, None]
    images = model.decode(at.flatten(0, 1), codes.condition[:1].expand(TILES**2, -1)).sigmoid()
    told = told_first(run, codes)
    remarks = ["" if run.latents == 2 else f"two of {run.latents} latents", told and f"given {told}"]
    return Plane(
        mosaic(images.unflatten(0, (TILES, TILES))), (first, second), ", ".join(r for r in remarks if r)
    )
