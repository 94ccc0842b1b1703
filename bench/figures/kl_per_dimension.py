"""Heat map of the KL that each latent carries, over strength."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..store import Store
from .arms import Arm, Floats, arms_of, by_subject
from .heat import draw_cells, draw_scale
from .page import Block, columns_that_fit, page
from .style import ACCENT

COLUMN = "kl_per_dimension_nats"

FLOOR = 0.01
"""Nats below which a latent is as light as the scale goes."""

CELL = (0.26, 0.2)
FEW = 5
"""Latents up to which the axis is too short for a long name."""

GAP = 0.6
NUMBERED = 16
"""Up to so many latents the cells hold numbers; more make them too narrow."""


def draw_kl_per_dimension(rows: pd.DataFrame, store: Store) -> Figure | None:
    """Strengths by latents, an arm a panel, for the smallest seed; latents of each model sorted by their KL."""
    arms = [arm for arm in arms_of(rows) if arm.has(COLUMN)]
    if not arms:
        return None
    tables = [table_of(arm) for arm in arms]
    latents = max(table.shape[1] for table in tables)
    cell = CELL[0] if latents <= NUMBERED else max(0.06, 4.8 / latents)
    top = max(10 * FLOOR, *(float(np.nanmax(table)) for table in tables))
    scale = LogNorm(FLOOR, top, clip=True)
    groups = by_subject(arms)
    blocks = []
    for name, members in groups.items():
        size = (cell * latents, CELL[1] * max(len(arm.strengths) for arm in members))
        columns = min(len(members), columns_that_fit(size[0], GAP))
        blocks.append(Block(name, len(members), columns, size, gap=(GAP, 0.72), left=0.55, bottom=0.4))
    figure, places = page(blocks, header=0.55, width=4.8)
    remaining = iter(tables)
    for block, members, panels in zip(blocks, groups.values(), places, strict=True):
        for arm, axes in zip(members, panels, strict=True):
            draw_arm(axes, arm, next(remaining), scale, numbered=latents <= NUMBERED)
            height = CELL[1] * len(arm.strengths)
            box = axes.get_position()
            share = height / block.panel[1]
            axes.set_position((box.x0, box.y1 - share * box.height, box.width, share * box.height))
            axes.set_ylabel(f"strength {arm.symbol}" if arm.symbol else "")
    ticks = [t for t in (0.01, 0.1, 1.0, 10.0, 100.0) if FLOOR <= t <= top]
    texts = ["≤ 0.01", *(f"{t:g}" for t in ticks[1:])]
    draw_scale(figure, scale, "KL of a latent (nats)", ticks, texts)
    return figure


def table_of(arm: Arm) -> Floats:
    """KL of the latents of the first seed at each strength, descending, [strengths, latents]; NaN where unknown."""
    lines = [sorted_kl(arm.first_seed(s, COLUMN)) for s in arm.strengths]
    table = np.full((len(lines), max(map(len, lines))), np.nan)
    for row, line in zip(table, lines, strict=True):
        row[: len(line)] = line
    return table


def sorted_kl(row: dict[str, Any]) -> Floats:
    """KL of a model's latents, descending; empty if the row has none."""
    values = row.get(COLUMN)
    if values is None or np.ndim(values) != 1:
        return np.empty(0)
    return np.sort(np.asarray(values, dtype=np.float64))[::-1]


def draw_arm(axes: Axes, arm: Arm, table: Floats, scale: LogNorm, *, numbered: bool) -> None:
    """The panel of one arm, with a bar after each model's active units."""
    draw_cells(axes, table, scale, numbers=short if numbered else None)
    for line, strength in enumerate(arm.strengths):
        active = arm.first_seed(strength, COLUMN).get("active_units", np.nan)
        if np.isfinite(active):
            axes.plot(
                [active - 0.5] * 2, [line - 0.5, line + 0.5], color=ACCENT, linewidth=2.2, clip_on=False
            )
    axes.set_title(arm.method, loc="left")
    axes.set_yticks(range(len(arm.strengths)), [f"{s:g}" if arm.symbol else "" for s in arm.strengths])
    step = 1 if numbered else -(-table.shape[1] // 10)
    shown = list(range(0, table.shape[1], step))
    axes.set_xticks(shown, [str(n + 1) for n in shown])
    # A name longer than the axis would reach into the panel beside it.
    axes.set_xlabel("latent, by rank of its KL" if table.shape[1] > FEW else "latent")


def short(value: float) -> str:
    """A KL in three characters: 12, 3.4, .05, 0."""
    if value >= 9.95:
        return f"{value:.0f}"
    if value >= 0.995:
        return f"{value:.1f}"
    return "0" if value < 0.005 else f"{value:.2f}"[1:]
