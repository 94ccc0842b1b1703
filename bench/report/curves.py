"""Curves over training as small drawings of lines, without a picture file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WIDTH, HEIGHT = 240.0, 90.0
"""Of a drawing, in its own units."""

DRAWN = {
    "elbo_nats": "ELBO",
    "reconstruction_nats": "reconstruction",
    "kl_nats": "KL",
}
"""Columns of the history, and what they are called."""

POINTS = 120
"""A drawing has no more, evenly taken."""


@dataclass(frozen=True)
class Curve:
    """One quantity over training."""

    title: str
    points: str
    """Of an SVG polyline."""
    first: str
    last: str
    steps: int


def curves_of(history: pd.DataFrame) -> list[Curve]:
    """The quantities of `DRAWN` over the steps of one model, those that stay finite."""
    history = history.sort_values("step")
    steps = history["step"].to_numpy(dtype=np.float64)
    curves = []
    for column, title in DRAWN.items():
        values = history[column].to_numpy(dtype=np.float64)
        if len(values) > 1 and np.isfinite(values).all():
            ends = f"{values[0]:.1f}", f"{values[-1]:.1f}"
            curves.append(Curve(title, polyline(steps, values), *ends, int(steps[-1]) + 1))
    return curves


def polyline(steps: NDArray[np.float64], values: NDArray[np.float64]) -> str:
    """Points of a line that fills the drawing; the scale is set by all but the first tenth, which falls steeply."""
    taken = np.unique(np.linspace(0, len(values) - 1, min(POINTS, len(values))).round().astype(int))
    settled = values[len(values) // 10 :]
    low, high = float(settled.min()), float(settled.max())
    spread = max(high - low, 1e-9)
    across = WIDTH * (steps - steps[0]) / max(float(steps[-1] - steps[0]), 1.0)
    down = np.clip(HEIGHT * (high - values) / spread, 0.0, HEIGHT)
    return " ".join(f"{across[n]:.1f},{down[n]:.1f}" for n in taken)
