"""What each layer of a hierarchy decides: one image, a layer at a time drawn anew."""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.figure import Figure

from disbench.datasets import DataSet

from ..models import Model
from ..models.layers import layer_widths, redrawn
from ..randomness import normal
from ..run import Run
from ..store import Store
from .arms import by_subject
from .layers import KL, LINE, in_lines
from .page import LETTER, Block, page
from .tiles import Pixels, draw_mosaic, mosaic
from .trained import Shown, encoded, shown_models

TILES = 8
"""Draws across."""

TILE = 0.31
COLUMNS = 2
IN_ALL = 24
"""Models of the whole figure."""


def draw_layer_samples(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A mosaic a model, for the smallest seed: a row a layer, the top one above; first tiles are the reconstruction."""
    if KL not in rows:
        return None
    shown = shown_models(rows[rows[KL].notna()], store, each=1, in_all=IN_ALL)
    if not shown:
        return None
    groups = {
        subject: [one for one in shown if one.arm.subject == subject]
        for subject in by_subject([one.arm for one in shown])
    }
    pictures = {
        subject: [sheet_of(one.run, one.model, one.data) for one in members]
        for subject, members in groups.items()
    }
    width = TILE * (TILES + 1)
    blocks = []
    for subject, members in groups.items():
        layers = max(rows for _, rows in pictures[subject])
        top = 0.1 + LINE * max(1 + titled(one, width).count("\n") for one in members)
        blocks.append(
            Block(
                subject,
                len(members),
                min(COLUMNS, len(members)),
                (width, TILE * layers),
                (0.35, top + 0.1),
                left=0.35,
                top=top,
                bottom=0.1,
            )
        )
    figure, places = page(blocks)
    for (subject, members), drawn in zip(groups.items(), places, strict=True):
        for one, (picture, layers), axes in zip(members, pictures[subject], drawn, strict=True):
            centres = draw_mosaic(axes, picture, layers)
            axes.set_yticks(centres, [str(layer) for layer in range(layers, 0, -1)])
            axes.tick_params(axis="y", length=0, pad=3)
            axes.set_title(titled(one, width), loc="left")
    return figure


def titled(one: Shown, width: float) -> str:
    """The model's name on as many lines as a panel of so many inches takes."""
    return in_lines(one.arm.model(one.strength), int(width / LETTER))


@torch.no_grad()
def sheet_of(run: Run, model: Model, data: DataSet) -> tuple[Pixels, int]:
    """The mosaic of one image's reconstruction beside its code with one layer at a time drawn anew; and its rows."""
    seen = encoded(run, model, data, 1)
    widths = layer_widths(model, seen.mean.shape[1])
    noise = normal([run.seed], "sample", [0], TILES * sum(widths))[0, 0].reshape(TILES, -1)
    codes = redrawn(seen.mean, noise, widths)  # [L, T, D]
    every = torch.cat((seen.mean.expand(len(widths), 1, -1), codes), dim=1)
    images = model.decode(every.flatten(0, 1), seen.condition.expand(every[..., 0].numel(), -1)).sigmoid()
    return mosaic(images.unflatten(0, (len(widths), TILES + 1))), len(widths)
