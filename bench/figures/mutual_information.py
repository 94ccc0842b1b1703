"""Heat maps of the mutual information between latents and factors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from disbench.datasets import DATA_SETS

from ..store import Store
from .arms import Arm, Floats, arms_of, by_subject, some_strengths
from .heat import draw_cells, draw_scale
from .kl_per_dimension import COLUMN as KL
from .page import Block, columns_that_fit, is_left, page

COLUMN = "latent_factor_mutual_information_nats"
CELL = (0.32, 0.18)
MOST_LATENTS = 20
"""Further latents, those with the least KL, are left out."""


def draw_mutual_information(rows: pd.DataFrame, store: Store) -> Figure | None:
    """Latents by factors, a model a panel, for the smallest seed; latents sorted by their KL."""
    arms = [arm for arm in arms_of(rows) if arm.has(COLUMN)]
    models = [
        (arm, strength, table)
        for arm, strength in some_strengths(arms, each=6, in_all=48)
        if (table := table_of(arm, arm.first_seed(strength))) is not None
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
        size = (max(1.15, CELL[0] * factors), CELL[1] * latents)
        arm_lengths = {len([m for m in members if m[0] is arm]) for arm, _, _ in members}
        fitting = columns_that_fit(size[0], 0.3)
        columns = min(fitting, max(arm_lengths) if max(arm_lengths) > 1 else len(members))
        blocks.append(Block(subject, len(members), columns, size, gap=(0.3, 0.92), bottom=0.65))
    figure, places = page(blocks, header=0.55, width=5.2)
    top = 10 * max(2, math.ceil(max(float(table.max()) for _, _, table in models) / 10))
    scale = Normalize(0, top)
    for block, members, panels in zip(blocks, groups.values(), places, strict=True):
        for number, ((arm, strength, table), axes) in enumerate(zip(members, panels, strict=True)):
            draw_model(axes, arm, strength, table, scale)
            if is_left(number, block):
                axes.set_ylabel("latent, by rank of its KL")
    draw_scale(
        figure,
        scale,
        "I(latent; factor), % of the factor's entropy",
        (0, top / 2, top),
        ("0", f"{top / 2:g}", f"{top:g}"),
    )
    return figure


def factor_names_and_sizes(arm: Arm) -> tuple[list[str], list[int]]:
    """The factors that an arm is scored on: all but the one it is told."""
    entry = DATA_SETS[arm.data_set]
    kept = [k for k, name in enumerate(entry.factor_names) if name != arm.condition]
    return [entry.factor_names[k] for k in kept], [entry.factor_sizes[k] for k in kept]


def table_of(arm: Arm, row: dict[str, Any]) -> Floats | None:
    """Mutual information [latents, factors] in per cent of ln(classes), latents by descending KL; None if unknown."""
    nested = row.get(COLUMN)
    if nested is None or np.ndim(nested) == 0 or len(nested) == 0:
        return None
    table = np.stack([np.asarray(line, dtype=np.float64) for line in nested])
    _, sizes = factor_names_and_sizes(arm)
    order = row.get(KL)
    weight = np.asarray(order) if order is not None and np.ndim(order) == 1 else table.max(axis=1)
    ranked = table[np.argsort(-weight, kind="stable")][:MOST_LATENTS]
    percent: Floats = 100 * ranked / np.log(sizes)
    return percent


def draw_model(axes: Axes, arm: Arm, strength: float, table: Floats, scale: Normalize) -> None:
    """The panel of one model."""
    draw_cells(axes, table, scale, numbers=lambda value: f"{value:.0f}" if value >= 4.5 else "", size=6.0)
    names, _ = factor_names_and_sizes(arm)
    axes.set_xticks(
        range(len(names)),
        [name.replace("_", " ") for name in names],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(table)), [str(n + 1) for n in range(len(table))])
    axes.set_title(f"{arm.method}, {arm.setting(strength)}" if arm.symbol else arm.method, loc="left")
