"""What each latent carries over training: which are switched off, and when."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ..store import Store
from .arms import Floats, arms_of, evenly
from .over_training import histories, shades, steps_axis
from .page import Block, is_left, page
from .style import quiet_grid

COLUMN = "kl_per_dimension_nats"

FLOOR = 0.003
"""Nats at the foot of the axis: a latent there carries nothing."""

SHOWN = 6
"""Strengths of an arm, at most."""

MOST_PANELS = 96
"""With many arms, fewer strengths of each."""

PANEL = (0.79, 1.05)


def draw_latents_over_training(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A panel a strength, a line a latent, for the smallest seed of each."""
    arms = arms_of(rows)
    # Which models were recorded, by the ids alone: the KL of each latent of all of them is the larger part of a store.
    recorded = histories(arms, store.history(columns=("run_id",)))
    shown = max(1, min(SHOWN, MOST_PANELS // max(1, len(recorded))))
    first = {
        arm: {s: first_seed(by_strength[s], arm.rows) for s in evenly(list(by_strength), shown)}
        for arm, by_strength in recorded.items()
    }
    history = dict(iter(store.history({i for of in first.values() for i in of.values()}).groupby("run_id")))
    found = {}
    for arm, run_ids in first.items():
        models = {s: curves(history[run_id]) for s, run_id in run_ids.items() if run_id in history}
        models = {s: model for s, model in models.items() if np.isfinite(model[1]).any()}
        if models:  # a model whose codes are points has no KL
            found[arm] = models
    if not found:
        return None
    blocks = [
        Block(
            f"{arm.data_set}: {arm.title}",
            len(models),
            len(models),
            PANEL,
            gap=(0.22, 0.4),
            top=0.23 if arm.symbol else 0.05,
        )
        for arm, models in found.items()
    ]
    figure, places = page(blocks)
    for (arm, models), block, panels in zip(found.items(), blocks, places, strict=True):
        top = max(10 * FLOOR, *(float(np.nanmax(values)) for _, values in models.values()))
        for number, ((strength, (steps, values)), axes) in enumerate(
            zip(models.items(), panels, strict=True)
        ):
            draw_panel(axes, steps, values)
            axes.set_ylim(FLOOR, 1.6 * top)
            axes.set_title(arm.setting(strength), loc="left")
            if is_left(number, block):
                axes.set_ylabel("KL of a latent (nats)")
            else:
                axes.tick_params(labelleft=False)
    return figure


def first_seed(points: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Which model of these points has the smallest seed."""
    seeds = rows.set_index("run_id")["seed"]
    return min(points["run_id"].unique(), key=lambda run_id: int(seeds[run_id]))


def curves(points: pd.DataFrame) -> tuple[Floats, Floats]:
    """Steps [points] and KL of each latent [points, D] of one model."""
    own = points.sort_values("step")
    return own["step"].to_numpy(dtype=np.float64) + 1.0, np.stack(own[COLUMN].to_list()).astype(np.float64)


def draw_panel(axes: Axes, steps: Floats, values: Floats) -> None:
    """One model: its latents, the darker the more they carry in the end."""
    order = np.argsort(values[-1], kind="stable")
    for latent, colour in zip(order, shades(len(order)), strict=True):
        axes.plot(steps, values[:, latent].clip(min=FLOOR), color=colour, linewidth=1.0, clip_on=False)
    axes.set_yscale("log")
    axes.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes.yaxis.set_minor_locator(NullLocator())
    steps_axis(axes, int(steps[-1]))
    quiet_grid(axes)
