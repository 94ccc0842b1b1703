"""What models see and what their latents do: originals, reconstructions, one traversal for each latent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disbench.datasets import DataSet
from disbench.metrics import gaussian_kl

from ..models import VAE
from ..randomness import integers
from ..run import Run
from ..run_model import Conditioning
from ..store import Store
from .arms import Arm, arms_of, by_subject, some_strengths
from .page import Block, arm_by_arm, page
from .style import DEAD, INK
from .tiles import Pixels, draw_mosaic, mosaic
from .trained import images_of, trained

TILES = 8
"""Images across: so many originals, and so many steps of a traversal."""

REACH = 2.0
"""A latent goes from -REACH to REACH, standard deviations of its prior."""

COLUMNS = 3
"""Models side by side."""

MOST_LATENTS = 10
ALIVE_NATS = 0.05
"""A latent with less KL is labelled in grey."""

JUDGED = 500
"""Images over which the KL that labels a latent is averaged."""

TILE = 0.28


@dataclass(frozen=True)
class Sheet:
    """The mosaic of one model and the labels of its rows."""

    picture: Pixels
    labels: list[str]
    alive: list[bool]


def draw_traversals(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A mosaic a model, for the smallest seed and at most three strengths an arm."""
    sheets: list[tuple[Arm, float, Sheet]] = []
    data: dict[str, DataSet | None] = {}
    for arm, strength in some_strengths(arms_of(rows), each=3, in_all=48):
        found = trained(store, arm.first_seed(strength))
        if found is None:
            continue
        if arm.data_set not in data:
            data[arm.data_set] = images_of(arm.data_set)
        images = data[arm.data_set]
        if images is not None:
            sheets.append((arm, strength, sheet_of(*found, images)))
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
        blocks.append(
            Block(subject, panels, columns, size, (0.95, 0.45), left=0.95, bottom=0.15, slots=slots)
        )
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
    axes.tick_params(axis="y", length=0, labelsize=7, pad=3)
    for label, alive in zip(axes.get_yticklabels(), sheet.alive, strict=True):
        label.set_color(INK if alive else DEAD)


@torch.no_grad()
def sheet_of(run: Run, model: VAE, data: DataSet) -> Sheet:
    """Originals, reconstructions from the posterior mean, and traversals of the latents with the most KL.

    The images are the same for every model of a data set. A traversal starts from the code of the first image.
    """
    indices = integers([0], "sample", [0], JUDGED, below=len(data))[0, 0]
    images, factors = data.images(indices).cpu(), data.factors(indices).cpu()
    condition = Conditioning.of(run).one_hot(factors, torch.float32)
    mean, logvar = model.encode(images, condition)
    kl = gaussian_kl(mean, logvar).mean(dim=0)
    ranked = kl.argsort(descending=True, stable=True)[:MOST_LATENTS]
    codes = mean[:1].repeat(len(ranked) * TILES, 1).unflatten(0, (len(ranked), TILES))
    steps = torch.as_tensor(np.linspace(-REACH, REACH, TILES), dtype=codes.dtype)
    for line, latent in enumerate(ranked.tolist()):
        codes[line, :, latent] = steps
    moved = model.decode(codes.flatten(0, 1), condition[:1].expand(len(ranked) * TILES, -1)).sigmoid()
    again = model.decode(mean[:TILES], condition[:TILES]).sigmoid()
    pictures = torch.cat([images[None, :TILES], again[None], moved.unflatten(0, (len(ranked), TILES))])
    nats = kl[ranked].tolist()
    return Sheet(
        mosaic(pictures),
        [
            "images",
            "reconstructed",
            *(f"z{j + 1}  {k:.2f}" for j, k in zip(ranked.tolist(), nats, strict=True)),
        ],
        [True, True, *(k >= ALIVE_NATS for k in nats)],
    )
