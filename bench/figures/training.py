"""Curves of the objective's parts over training."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..store import Store
from .arms import Arm, Floats, arms_of
from .over_training import SETTLED, curves, histories, shades, steps_axis
from .page import Block, is_left, page
from .style import DASHES, FAINT, quiet_grid

QUANTITIES = {
    "elbo_nats": "ELBO ↑",
    "reconstruction_nats": "reconstruction ↓",
    "kl_nats": "KL",
    "mutual_information_nats": "I(x; z)",
    "total_correlation_nats": "total correlation",
    "dimensionwise_kl_nats": "dim.-wise KL",
}

PANEL = (1.36, 0.95)
COLUMNS = 3


def draw_training(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A block of panels an arm, a panel a quantity, a line a strength."""
    found = histories(arms_of(rows), store.history(columns=("run_id", "step", *QUANTITIES)))
    if not found:
        return None
    blocks = [
        Block(
            f"{arm.data_set}: {arm.title}",
            len(QUANTITIES),
            COLUMNS,
            PANEL,
            gap=(0.46, 0.64),
            left=0.62,
            right=0.85,
        )
        for arm in found
    ]
    figure, places = page(blocks)
    for (arm, points), block, panels in zip(found.items(), blocks, places, strict=True):
        recorded = {strength: curves(own, [*QUANTITIES]) for strength, own in points.items()}
        for number, ((column, title), axes) in enumerate(zip(QUANTITIES.items(), panels, strict=True)):
            draw_panel(axes, arm, {s: known[column] for s, known in recorded.items()}, column)
            axes.set_title(title, loc="left")
            if is_left(number, block):
                axes.set_ylabel("nats per image")
        if arm.symbol:
            panels[COLUMNS - 1].legend(
                loc="upper left", bbox_to_anchor=(1.03, 1.08), handlelength=1.2, borderaxespad=0, fontsize=7.5
            )
    return figure


def draw_panel(axes: Axes, arm: Arm, recorded: dict[float, tuple[Floats, ...]], column: str) -> None:
    """One quantity of one arm: means over seeds, with bands of one standard deviation; circles are finished models'."""
    low, high = np.inf, -np.inf
    last = 1.0
    colours = shades(len(recorded))
    for number, ((strength, known), colour) in enumerate(zip(recorded.items(), colours, strict=True)):
        steps, middle, spread = known
        axes.plot(
            steps,
            middle,
            color=colour,
            linestyle=DASHES[number % len(DASHES)],
            linewidth=1.1,
            label=arm.setting(strength),
        )
        axes.fill_between(steps, middle - spread, middle + spread, color=colour, alpha=0.18, linewidth=0)
        last = max(last, float(steps[-1]))
        settled = (steps >= SETTLED * steps[-1]) & np.isfinite(middle)
        if settled.any():
            low = min(low, float((middle - spread)[settled].min()))
            high = max(high, float((middle + spread)[settled].max()))
        scored = arm.values(column, strength)
        if scored.size:
            axes.plot(
                steps[-1],
                scored.mean(),
                "o",
                color=colour,
                markerfacecolor="white",
                markersize=4,
                clip_on=False,
            )
            low, high = min(low, float(scored.mean())), max(high, float(scored.mean()))
    if low <= high:
        room = 0.06 * (high - low) or 0.5
        axes.set_ylim(low - room, high + room)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    else:  # as the parts of the KL of models whose codes are no posteriors
        axes.text(0.5, 0.5, "not defined", transform=axes.transAxes, color=FAINT, ha="center", va="center")
        axes.set_yticks([])
    steps_axis(axes, int(last))
    quiet_grid(axes)
