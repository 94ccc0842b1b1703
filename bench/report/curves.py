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
    low: str
    """At the drawing's lower edge."""
    high: str
    """At its upper edge; earlier points above it are cut off."""
    first_step: int
    """Counted from 1."""
    steps: int


def curves_of(history: pd.DataFrame) -> list[Curve]:
    """The quantities of `DRAWN` over the steps of one model, those that stay finite."""
    history = history.sort_values("step")
    steps = history["step"].to_numpy(dtype=np.float64)
    curves = []
    for column, title in DRAWN.items():
        values = history[column].to_numpy(dtype=np.float64)
        if len(values) > 1 and np.isfinite(values).all():
            low, high = (f"{value:.1f}" for value in edges(values))
            curves.append(
                Curve(
                    title=title,
                    points=polyline(steps, values),
                    first=f"{values[0]:.1f}",
                    last=f"{values[-1]:.1f}",
                    low=low,
                    high=high,
                    first_step=int(steps[0]) + 1,
                    steps=int(steps[-1]) + 1,
                )
            )
    return curves


def edges(values: NDArray[np.float64]) -> tuple[float, float]:
    """Least and largest value of all but the first tenth, which falls steeply."""
    settled = values[len(values) // 10 :]
    return float(settled.min()), float(settled.max())


def polyline(steps: NDArray[np.float64], values: NDArray[np.float64]) -> str:
    """Points of a line that fills the drawing from edge to edge."""
    taken = np.unique(np.linspace(0, len(values) - 1, min(POINTS, len(values))).round().astype(int))
    low, high = edges(values)
    spread = max(high - low, 1e-9)
    across = WIDTH * (steps - steps[0]) / max(float(steps[-1] - steps[0]), 1.0)
    down = np.clip(HEIGHT * (high - values) / spread, 0.0, HEIGHT)
    return " ".join(f"{across[n]:.1f},{down[n]:.1f}" for n in taken)
