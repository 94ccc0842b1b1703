"""A training's history beside the arms: what was recorded while the models of an arm trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from .arms import Arm, Floats
from .style import HEAT

SETTLED = 0.1
"""Share of a training after which curves decide the range of their axis; before it they fall from far above."""


def histories_of(arm: Arm, history: pd.DataFrame) -> dict[float, pd.DataFrame]:
    """The points of an arm's finished models by strength, ascending; strengths without any are left out."""
    strengths = arm.rows.set_index("run_id")["strength"]
    known = history[history["run_id"].isin(strengths.index)]
    by_strength = known.groupby(known["run_id"].map(strengths).astype(float))
    return {float(strength): points for strength, points in by_strength}


def curve(points: pd.DataFrame, column: str) -> tuple[Floats, Floats, Floats]:
    """Steps, mean over seeds and their standard deviation (ddof 1; 0 for a single seed), each [points]."""
    by_step = points.groupby("step")[column]
    middle, spread = by_step.mean(), by_step.std().fillna(0.0)
    return (
        middle.index.to_numpy(dtype=np.float64) + 1.0,
        middle.to_numpy(dtype=np.float64),
        spread.to_numpy(dtype=np.float64),
    )


def shades(count: int) -> list[tuple[float, float, float]]:
    """Colours from pale to dark blue, the last the darkest; none so pale that its line is lost."""
    palette = seaborn.blend_palette(HEAT, n_colors=max(2, count) + 2)
    return [tuple(colour) for colour in palette[-count:]]


def steps_axis(axes: Axes, steps: int) -> None:
    """The horizontal axis of a training of so many steps."""
    axes.set_xlim(0, steps)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], prune="upper"))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("step")
