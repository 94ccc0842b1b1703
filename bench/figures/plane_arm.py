"""One method in a plane of two numbers: a line through its strengths, with how far its seeds reach both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from .arms import Floats
from .point_labels import PointLabel


def draw_plane_arm(
    axes: Axes,
    across: Floats,
    up: Floats,
    reach: tuple[Floats, Floats],
    style: Mapping[str, Any],
    *,
    label: str,
    bars: float,
) -> None:
    """Draw points [S] with their reach across and up, behind them at opacity `bars`."""
    axes.errorbar(
        across, up, reach[1], reach[0], fmt="none", ecolor=style["color"], elinewidth=0.8, alpha=bars
    )
    axes.plot(across, up, **style, label=label, markersize=5.0, markeredgecolor="white", markeredgewidth=0.5)


def strength_labels(
    strengths: Sequence[float], across: Floats, up: Floats, style: Mapping[str, Any]
) -> list[PointLabel]:
    """A label for each point, in the colour of its method."""
    return [
        PointLabel(float(x), float(y), f"{strength:g}", style["color"])
        for strength, x, y in zip(strengths, across, up, strict=True)
    ]
