"""How well each outlier score tells each kind of outlier: a heat map of AUROC for every model."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..outliers import SCORES
from ..store import Store
from ..tasks.outliers import OUTSIDE
from .arms import Arm, Floats, arms_of, by_subject, some_strengths
from .heat import draw_cells, draw_scale
from .page import Block, arm_by_arm, columns_that_fit, is_left, page, room_for, wrapped
from .style import opposed_colours

CELL = (0.3, 0.18)
GAP = 0.3
LEFT = 0.95

NAMES = {
    "nll": "-log p(x)",
    "elbo": "-ELBO",
    "kl": "KL",
    "reconstruction": "reconstruction",
    "regret": "regret",
    "complexity": "complexity",
}
"""What the scores are called beside a table."""


def draw_outliers(rows: pd.DataFrame, store: Store) -> Figure | None:
    """Scores by kinds of outliers, a model a panel, means over seeds."""
    known = {arm: kinds for arm in arms_of(rows) if (kinds := kinds_of(arm))}
    if not known:
        return None
    fitting = min(columns_that_fit(CELL[0] * len(kinds), GAP, LEFT) for kinds in known.values())
    groups = by_subject(list(known))
    models = some_strengths(list(known), each=max(1, fitting), in_all=24)
    blocks, drawn_models = [], []
    for subject, arms in groups.items():
        members = [(arm, strength) for arm, strength in models if arm in arms]
        if not members:
            continue
        kinds = [kind for kind in OUTSIDE if any(kind in known[arm] for arm in arms)]
        size = (CELL[0] * len(kinds), CELL[1] * len(SCORES))
        lengths = list(Counter(id(arm) for arm, _ in members).values())
        columns = min(
            columns_that_fit(size[0], GAP, LEFT), max(lengths) if max(lengths) > 1 else len(lengths)
        )
        panels, slots = arm_by_arm(lengths, columns)
        title = room_for((arm.model(strength) for arm, strength in members), size[0] + 0.2)
        blocks.append(
            Block(
                subject,
                panels,
                columns,
                size,
                (GAP, 0.62 + title),
                left=LEFT,
                top=title,
                bottom=0.62,
                slots=slots,
            )
        )
        drawn_models.append((members, kinds))
    figure, places = page(blocks, header=0.55, width=5.4)
    scale = Normalize(0, 1)
    for block, (members, kinds), drawn in zip(blocks, drawn_models, places, strict=True):
        for number, (arm, strength), axes in zip(block.slots or (), members, drawn, strict=True):
            draw_model(axes, arm, strength, kinds, scale, named=is_left(number, block))
    draw_scale(
        figure, scale, "AUROC, %; below 50 outliers look more usual",
        (0, 0.5, 1), ("0", "50", "100"), opposed_colours(),
    )  # fmt: skip
    return figure


def kinds_of(arm: Arm) -> list[str]:
    """The kinds of outliers that an arm was asked about."""
    return [kind for kind in OUTSIDE if any(arm.has(f"auroc_{score}_{kind}") for score in SCORES)]


def draw_model(
    axes: Axes, arm: Arm, strength: float, kinds: list[str], scale: Normalize, *, named: bool
) -> None:
    """The panel of one arm at one strength; scores have names where it stands first in its row."""
    table: Floats = np.full((len(SCORES), len(kinds)), np.nan)
    for row, score in enumerate(SCORES):
        for column, kind in enumerate(kinds):
            values = arm.values(f"auroc_{score}_{kind}", strength)
            if len(values):
                table[row, column] = values.mean()
    draw_cells(
        axes, table, scale, numbers=lambda value: f"{100 * value:.0f}", size=6.0, colours=opposed_colours()
    )
    axes.set_xticks(
        range(len(kinds)),
        [kind.replace("_", " ") for kind in kinds],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(SCORES)), [NAMES[score] for score in SCORES] if named else [])
    axes.set_title(wrapped(arm.model(strength), axes.bbox.width / axes.figure.dpi + 0.2), loc="left")
