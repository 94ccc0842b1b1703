"""A training's history beside the arms: what was recorded while the models of an arm trained."""

from __future__ import annotations

from collections.abc import Sequence

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
    return histories([arm], history).get(arm, {})


def histories(arms: Sequence[Arm], history: pd.DataFrame) -> dict[Arm, dict[float, pd.DataFrame]]:
    """The points of each arm's finished models by strength, ascending; arms and strengths without any are left out."""
    settings = [(arm, strength) for arm in arms for strength in arm.strengths]
    number_of = pd.concat(
        [
            pd.Series(number, index=arm.rows["run_id"].iloc[arm.places[strength]], dtype=np.int64)
            for number, (arm, strength) in enumerate(settings)
        ]
        or [pd.Series(dtype=np.int64)]
    )
    found: dict[Arm, dict[float, pd.DataFrame]] = {}
    for number, points in history.groupby(history["run_id"].map(number_of).to_numpy(dtype=np.float64)):
        arm, strength = settings[int(number)]
        found.setdefault(arm, {})[strength] = points
    return found


def curve(points: pd.DataFrame, column: str) -> tuple[Floats, Floats, Floats]:
    """Steps, mean over seeds and their standard deviation (ddof 1; 0 for a single seed), each [points]."""
    return curves(points, [column])[column]


def curves(points: pd.DataFrame, columns: Sequence[str]) -> dict[str, tuple[Floats, Floats, Floats]]:
    """`curve` of each of several columns; the points are put in the order of their steps once."""
    by_step = points.groupby("step")[list(columns)]
    middle, spread = by_step.mean(), by_step.std().fillna(0.0)
    steps = middle.index.to_numpy(dtype=np.float64) + 1.0
    return {
        name: (steps, middle[name].to_numpy(dtype=np.float64), spread[name].to_numpy(dtype=np.float64))
        for name in columns
    }


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
