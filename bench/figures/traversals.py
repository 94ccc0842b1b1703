"""What models see and what their latents do: originals, reconstructions, one traversal for each latent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from disbench.datasets import DataSet

from ..models import Model
from ..run import Run
from ..store import Store
from .arms import Floats, by_subject
from .page import Block, arm_by_arm, page
from .style import DEAD, INK
from .tiles import Pixels, draw_mosaic, mosaic
from .trained import Encoded, encoded, shown_models

TILES = 8
"""Images across: so many originals, and so many steps of a traversal."""

REACH = 2.0
"""A latent goes from -REACH to REACH, standard deviations of its prior."""

COLUMNS = 3
"""Models side by side."""

EACH, IN_ALL = 3, 48
"""Strengths of an arm, and models of the whole figure."""

MOST_LATENTS = 10
ALIVE_NATS = 0.05
"""A latent with less KL is labelled in grey."""

JUDGED = 500
"""Images over which the KL that labels a latent is averaged."""

TILE = 0.19


@dataclass(frozen=True)
class Sheet:
    """The mosaic of one model and the labels of its rows."""

    picture: Pixels
    labels: list[str]
    alive: list[bool]


def draw_traversals(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A mosaic a model, for the smallest seed and at most three strengths an arm."""
    sheets = [
        (shown.arm, shown.strength, sheet_of(shown.run, shown.model, shown.data))
        for shown in shown_models(rows, store, each=EACH, in_all=IN_ALL)
    ]
    if not sheets:
        return None
    groups = {
        subject: [sheet for sheet in sheets if sheet[0].subject == subject]
        for subject in by_subject([arm for arm, _, _ in sheets])
    }
    blocks = []
    for subject, members in groups.items():
        size = (TILE * TILES, TILE * max(len(sheet.labels) for _, _, sheet in members))
        lengths = list(Counter(id(arm) for arm, _, _ in members).values())
        panels, slots = arm_by_arm(lengths, COLUMNS)
        columns = min(COLUMNS, panels)
        blocks.append(Block(subject, panels, columns, size, (0.6, 0.4), left=0.6, bottom=0.15, slots=slots))
    figure, places = page(blocks)
    for members, drawn in zip(groups.values(), places, strict=True):
        for (arm, strength, sheet), axes in zip(members, drawn, strict=True):
            draw_sheet(axes, sheet)
            axes.set_title(arm.model(strength), loc="left")
    return figure


def draw_sheet(axes: Axes, sheet: Sheet) -> None:
    """The panel of one model."""
    centres = draw_mosaic(axes, sheet.picture, len(sheet.labels))
    axes.set_yticks(centres, sheet.labels)
    axes.tick_params(axis="y", length=0, labelsize=6, pad=2)
    for label, alive in zip(axes.get_yticklabels(), sheet.alive, strict=True):
        label.set_color(INK if alive else DEAD)


@torch.no_grad()
def sheet_of(run: Run, model: Model, data: DataSet) -> Sheet:
    """Originals, reconstructions from the posterior mean, and traversals of the latents with the most KL.

    The images are the same for every model of a data set. A traversal starts from the code of the first image.
    """
    codes = encoded(run, model, data, JUDGED)
    ranked = codes.ranked[:MOST_LATENTS]
    again = model.decode(codes.mean[:TILES], codes.condition[:TILES]).sigmoid()
    moved = traversed(model, codes, ranked, np.linspace(-REACH, REACH, TILES))
    pictures = torch.cat([codes.images[None, :TILES], again[None], moved])
    nats = codes.kl[ranked].tolist()
    return Sheet(
        mosaic(pictures),
        [
            "images",
            "recon.",
            *(f"z{j + 1}  {k:.2f}" for j, k in zip(ranked, nats, strict=True)),
        ],
        [True, True, *(k >= ALIVE_NATS for k in nats)],
    )


@torch.no_grad()
def traversed(model: Model, codes: Encoded, latents: Sequence[int], steps: Floats) -> Tensor:
    """Images [latents, steps, C, H, W]: the first image's code with one latent at a time moved to each step."""
    moved = codes.mean[:1].repeat(len(latents) * len(steps), 1).unflatten(0, (len(latents), len(steps)))
    for line, latent in enumerate(latents):
        moved[line, :, latent] = torch.as_tensor(steps, dtype=moved.dtype)
    told = codes.condition[:1].expand(len(latents) * len(steps), -1)
    return model.decode(moved.flatten(0, 1), told).sigmoid().unflatten(0, (len(latents), len(steps)))
