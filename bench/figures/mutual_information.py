"""Heat maps of the mutual information between latents and factors."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from disbench.datasets import entry

from ..store import Store
from .arms import Arm, Floats, arms_of, by_subject, some_strengths
from .heat import draw_cells, draw_scale
from .kl_per_dimension import COLUMN as KL
from .kl_per_dimension import sorted_kl
from .page import Block, arm_by_arm, columns_that_fit, is_left, page, room_for, wrapped
from .style import DEAD, INK, grey_colours
from .traversals import ALIVE_NATS

COLUMN = "mutual_information"
CELL = (0.32, 0.18)
GAP = 0.3
FEW = 7
"""Latents up to which the axis is too short for a long name."""

MOST_LATENTS = 20
"""Further latents, those with the least KL, are left out."""


def draw_mutual_information(rows: pd.DataFrame, store: Store) -> Figure | None:
    """Latents by factors, a model a panel, for the smallest seed; latents sorted by their KL."""
    arms = [arm for arm in arms_of(rows) if arm.has(COLUMN)]
    if not arms:
        return None
    fitting = min(columns_that_fit(panel_width(len(factor_names_and_sizes(arm)[0])), GAP) for arm in arms)
    models = [
        (arm, strength, table)
        for arm, strength in some_strengths(arms, each=fitting, in_all=48)
        if (table := table_of(arm, arm.first_seed(strength, COLUMN))) is not None
    ]
    if not models:
        return None
    groups = {
        subject: [model for model in models if model[0].subject == subject]
        for subject in by_subject([arm for arm, _, _ in models])
    }
    blocks = []
    for subject, members in groups.items():
        latents = max(table.shape[0] for _, _, table in members)
        factors = members[0][2].shape[1]
        size = (panel_width(factors), CELL[1] * latents)
        lengths = list(Counter(id(arm) for arm, _, _ in members).values())
        columns = min(columns_that_fit(size[0], GAP), max(lengths) if max(lengths) > 1 else len(lengths))
        panels, slots = arm_by_arm(lengths, columns)
        title = room_for((arm.model(strength) for arm, strength, _ in members), size[0] + 0.2)
        blocks.append(
            Block(subject, panels, columns, size, (GAP, 0.69 + title), top=title, bottom=0.65, slots=slots)
        )
    figure, places = page(blocks, header=0.55, width=5.2)
    top = 10 * max(2, math.ceil(max(float(table.max()) for _, _, table in models) / 10))
    scale = Normalize(0, top)
    for block, members, drawn in zip(blocks, groups.values(), places, strict=True):
        for number, (arm, strength, table), axes in zip(block.slots or (), members, drawn, strict=True):
            alive = alive_of(arm.first_seed(strength, COLUMN), len(table))
            draw_model(axes, arm, strength, table, scale, alive)
            if is_left(number, block):
                axes.set_ylabel("latent, by rank of its KL" if len(table) > FEW else "latent")
    draw_scale(
        figure,
        scale,
        "I(latent; factor), % of the factor's entropy",
        (0, top / 2, top),
        ("0", f"{top / 2:g}", f"{top:g}"),
    )
    return figure


def panel_width(factors: int) -> float:
    """Inches, enough for the title too."""
    return max(1.15, CELL[0] * factors)


def factor_names_and_sizes(arm: Arm) -> tuple[list[str], list[int]]:
    """The factors that an arm is scored on: all but the one it is told."""
    data_set = entry(arm.data_set)
    kept = [k for k, name in enumerate(data_set.factor_names) if name != arm.condition]
    return [data_set.factor_names[k] for k in kept], [data_set.factor_sizes[k] for k in kept]


def table_of(arm: Arm, row: dict[str, Any]) -> Floats | None:
    """Mutual information [latents, factors] in per cent of ln(classes), latents by descending KL; None if unknown."""
    nested = row.get(COLUMN)
    if nested is None or np.ndim(nested) == 0 or len(nested) == 0:
        return None
    table = np.stack([np.asarray(line, dtype=np.float64) for line in nested])
    _, sizes = factor_names_and_sizes(arm)
    if table.shape[1] != len(sizes) or not np.isfinite(table).all():
        return None  # of a data set that has changed since
    order = row.get(KL)
    weight = np.asarray(order) if order is not None and np.ndim(order) == 1 else table.max(axis=1)
    ranked = table[np.argsort(-weight, kind="stable")][:MOST_LATENTS]
    percent: Floats = 100 * ranked / np.log(sizes)
    return percent


def short(value: float) -> str:
    """Whole per cent; nothing below five."""
    return f"{value:.0f}" if value >= 4.5 else ""


def alive_of(row: dict[str, Any], latents: int) -> NDArray[np.bool_]:
    """Which of the latents, by descending KL, carry `ALIVE_NATS` or more; all of them where that is unknown."""
    nats = sorted_kl(row)[:latents]
    return nats >= ALIVE_NATS if len(nats) == latents else np.ones(latents, dtype=bool)


def draw_model(
    axes: Axes, arm: Arm, strength: float, table: Floats, scale: Normalize, alive: NDArray[np.bool_]
) -> None:
    """The panel of one model; the lines of latents that are not alive are grey."""
    living = np.repeat(alive[:, None], table.shape[1], axis=1)
    draw_cells(axes, table, scale, numbers=short, numbered=living)
    if not alive.all():
        draw_cells(axes, np.where(living, np.nan, table), scale, numbers=short, colours=grey_colours())
    names, _ = factor_names_and_sizes(arm)
    axes.set_xticks(
        range(len(names)),
        [name.replace("_", " ") for name in names],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(table)), [str(n + 1) for n in range(len(table))])
    for label, lives in zip(axes.get_yticklabels(), alive, strict=True):
        label.set_color(INK if lives else DEAD)
    axes.set_title(wrapped(arm.model(strength), axes.bbox.width / axes.figure.dpi + 0.2), loc="left")
