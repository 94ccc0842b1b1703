"""Rate against distortion: what a code costs in nats and what it leaves unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..store import Store
from .arms import Arm, arms_of, by_data_set, mean_and_spread
from .page import LETTER, Block, page
from .plane_arm import draw_plane_arm, strength_labels
from .point_labels import PointLabel, place_labels
from .style import FAINT, line_style

PANEL, SMALL = (3.3, 2.6), (2.03, 1.9)
"""Inches of a panel that stands alone, and of one of several, two of which stand side by side."""

ELBO = 0.52
"""Inches that the values of equal ELBO, and the word, take beside a panel."""

LINE = 0.17
"""Inches of a line of the legend."""

RATE, DISTORTION = "kl_nats", "reconstruction_nats"


def draw_rate_distortion(rows: pd.DataFrame, store: Store) -> Figure | None:
    """KL against reconstruction, one panel a data set; a line joins an arm's strengths, which label its points."""
    arms = [arm for arm in arms_of(rows) if arm.strengths_with(RATE, DISTORTION)]
    if not arms:
        return None
    groups = by_data_set(arms)
    size = PANEL if len(groups) == 1 else SMALL
    lines = max(-(-len(members) // across(members, size[0])) for members in groups.values())
    blocks = [
        Block(name, 1, 1, size, left=0.6, top=0.25 + LINE * lines, bottom=0.4, right=ELBO) for name in groups
    ]
    figure, places = page(blocks)
    for members, (axes,) in zip(groups.values(), places, strict=True):
        draw_data_set(axes, members, size)
    return figure


def arm_style(arm: Arm, arms: Sequence[Arm]) -> dict[str, Any]:
    """An arm's line; conditional and unconditional arms of one objective differ in their dashes."""
    kinds = list(dict.fromkeys((a.condition, a.number) for a in arms if a.objective == arm.objective))
    return line_style(arm.objective, kinds.index((arm.condition, arm.number)))


def draw_data_set(axes: Axes, arms: Sequence[Arm], size: tuple[float, float]) -> None:
    """The panel of one data set, of `size` inches."""
    labels: list[PointLabel] = []
    for arm in arms:
        style = arm_style(arm, arms)
        strengths = arm.strengths_with(RATE, DISTORTION)
        points = np.array([point(arm, s) for s in strengths])
        rate, rate_spread, distortion, distortion_spread = points.T
        reach = (rate_spread, distortion_spread)
        draw_plane_arm(axes, rate, distortion, reach, style, label=arm.title, bars=0.5)
        if arm.symbol:
            labels += strength_labels(strengths, rate, distortion, style)
    axes.margins(0.1)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    equal_elbo(axes, size)
    axes.set_xlabel("rate: KL (nats per image)")
    axes.set_ylabel(
        "distortion: reconstruction (nats)"
        if size == SMALL
        else "distortion: reconstruction (nats per image)"
    )
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1 + 0.2 / size[1]),
        ncols=across(arms, size[0]),
        borderaxespad=0,
        borderpad=0,
        labelspacing=0.25,
        columnspacing=1.2,
    )
    place_labels(axes, labels)


def across(arms: Sequence[Arm], width: float) -> int:
    """How many arms stand side by side in the legend above a panel of `width` inches."""
    return max(1, int((width + 0.4) / (0.55 + LETTER * max(len(arm.title) for arm in arms))))


def point(arm: Arm, strength: float) -> tuple[float, float, float, float]:
    """Mean and spread of rate and of distortion; a single seed has spread 0 here, an error bar of no length."""
    pair = [np.nan_to_num(mean_and_spread(v)) for v in arm.together((RATE, DISTORTION), strength)]
    return (float(pair[0][0]), float(pair[0][1]), float(pair[1][0]), float(pair[1][1]))


def equal_elbo(axes: Axes, size: tuple[float, float]) -> None:
    """Faint lines of equal ELBO, which is -(KL + reconstruction), with its value where a line leaves above or right."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for total in MaxNLocator(7).tick_values(left + low, right + high):
        axes.plot([left, right], [total - left, total - right], color="#CFCFCF", linewidth=0.7, zorder=0)
        end = (right, total - right) if low < total - right < high else (total - high, high)
        share = (end[0] - left) / (right - left), (end[1] - low) / (high - low)
        # Not in the corner, where a label to the right and one above would meet.
        if 0.02 < share[0] <= 1 and (share[1] < 0.96 if share[0] == 1 else share[0] < 0.94):
            text = f"{-total:.10g}".replace("-", "\N{MINUS SIGN}")
            offset, side = ((3, 0), "left") if share[0] == 1 else ((0, 3), "center")
            axes.annotate(
                text if total else "0",
                end,
                offset,
                textcoords="offset points",
                size=6.5,
                color=FAINT,
                ha=side,
                va="center" if share[0] == 1 else "bottom",
            )
    axes.text(
        1 + ELBO / size[0],
        0.5,
        "ELBO",
        size=6.5,
        color=FAINT,
        rotation=90,
        ha="right",
        va="center",
        transform=axes.transAxes,
    )
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
