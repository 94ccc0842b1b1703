"""What each layer of a hierarchy carries: KL and active units, an arm a row, from the rows alone."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from ..store import Store
from .arms import Arm, Floats, arms_of, by_subject
from .heat import draw_cells
from .page import Block, page

KL, UNITS = "kl_per_layer_nats", "active_units_per_layer"

FLOOR = 0.01
"""Nats below which a layer is as light as the scale goes."""

CELL = 0.36
LETTERS = 40
"""Of a line of an arm's name."""

LINE = 0.13
"""Inches that a line of it takes."""


def draw_layers(rows: pd.DataFrame, store: Store) -> Figure | None:
    """Two tables a data set: arms by layers, means over seeds; layer 1 is next to the image."""
    arms = [arm for arm in arms_of(rows) if arm.has(KL) and arm.has(UNITS)]
    if not arms:
        return None
    groups = by_subject(arms)
    layers = max(by_layer(arm, KL).shape[0] for arm in arms)
    kl_scale = LogNorm(
        FLOOR, max(10 * FLOOR, *(float(np.nanmax(by_layer(arm, KL))) for arm in arms)), clip=True
    )
    most = max(1.0, *(float(np.nanmax(by_layer(arm, UNITS), initial=0)) for arm in arms))
    blocks = []
    for subject, members in groups.items():
        height = sum(1 + named(arm).count("\n") for arm in members) * LINE + 0.1 * len(members)
        blocks.append(
            Block(subject, 2, 2, (CELL * layers, height), gap=(0.25, 0.5), left=2.45, top=0.3, bottom=0.45)
        )
    figure, places = page(blocks)
    for members, (nats, units) in zip(groups.values(), places, strict=True):
        fill(nats, members, KL, kl_scale, layers, short)
        fill(units, members, UNITS, Normalize(0, most), layers, counted)
        nats.set_title("KL, nats", loc="left")
        units.set_title("active units", loc="left")
        nats.set_yticks(range(len(members)), [named(arm) for arm in members], fontsize=7)
        units.set_yticks([])
    return figure


def fill(
    axes: Axes,
    arms: list[Arm],
    column: str,
    scale: Normalize,
    layers: int,
    numbers: Callable[[float], str],
) -> None:
    """One table, with the layers below it."""
    table = np.full((len(arms), layers), np.nan)
    for line, arm in zip(table, arms, strict=True):
        values = by_layer(arm, column)
        line[: len(values)] = values
    draw_cells(axes, table, scale, numbers=numbers, size=7)
    axes.set_xticks(range(layers), [str(layer) for layer in range(1, layers + 1)])
    axes.set_xlabel("layer, 1 at the image")


def by_layer(arm: Arm, column: str) -> Floats:
    """Means over the seeds that have the list, from the image upwards: rows keep the top layer first. [L]"""
    lists = [np.asarray(known, dtype=np.float64) for known in arm.rows[column] if np.ndim(known) == 1]
    most = max((len(known) for known in lists), default=0)
    same = [known[::-1] for known in lists if len(known) == most]
    return np.mean(same, axis=0) if same else np.full(1, np.nan)


def named(arm: Arm) -> str:
    """The arm's method on as many lines as it needs."""
    return in_lines(arm.method, LETTERS)


def in_lines(title: str, letters: int) -> str:
    """A title in lines of so many letters at most; what sets it apart, in brackets, begins a line."""
    head, found, variant = title.partition(" (")
    if len(title) <= letters or not found:
        return textwrap.fill(title, letters)
    return "\n".join([head, *textwrap.wrap(f"({variant}", letters)])


def short(value: float) -> str:
    """Nats in four characters: -0.12, 3.4, 25."""
    return f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}" if abs(value) >= 0.95 else f"{value:.2f}"


def counted(value: float) -> str:
    """A mean of counts."""
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"
