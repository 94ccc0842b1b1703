"""Stacked KL decomposition against strength."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..store import Store
from .arms import Arm, Floats, arms_of, by_data_set, mean_and_spread
from .page import Block, columns_that_fit, header_place, is_left, page, room_for, wrapped
from .style import FAINT, INK, TERM_COLOURS, ink_on, quiet_grid

LABELS = {
    "mutual_information_nats": "I(x; z)",
    "total_correlation_nats": "total correlation",
    "dimensionwise_kl_nats": "dimension-wise KL",
}

BAR, WIDEST = 0.3, 0.7
"""Inches from one bar to the next, at least and at most."""

LEGEND = 4.6
"""Inches of the legend, which panels fill where they are few."""


def draw_kl_decomposition(rows: pd.DataFrame, store: Store) -> Figure | None:
    """Bars of the three terms, one panel an arm; panels of a data set share their vertical axis."""
    arms = [arm for arm in arms_of(rows) if arm.strengths_with(*LABELS)]
    if not arms:
        return None
    groups = by_data_set(arms)
    most = max(len(arm.strengths_with(*LABELS)) for arm in arms)
    width = max(1.35, BAR * most)
    columns = columns_that_fit(width, 0.2)
    filled = min(columns, max(map(len, groups.values())))
    width = max(width, min((LEGEND - 0.63 + 0.2) / filled - 0.2, WIDEST * (most + 0.2)))
    title = room_for((arm.title for arm in arms), width + 0.15)
    blocks = [
        Block(
            name,
            len(members),
            min(columns, len(members)),
            (width, 1.55),
            gap=(0.2, 0.75 + title - 0.23),
            top=title,
        )
        for name, members in groups.items()
    ]
    figure, places = page(blocks, header=0.36, width=LEGEND)
    for block, members, panels in zip(blocks, groups.values(), places, strict=True):
        top, bottom = extent(members)
        for number, (arm, axes) in enumerate(zip(members, panels, strict=True)):
            draw_arm(axes, arm, top)
            axes.set_title(wrapped(arm.title, width + 0.15), loc="left")
            axes.set_ylim(bottom, 1.14 * top)
            axes.set_xlim(-0.6, max(most - 0.4, width / WIDEST - 0.6))
            if is_left(number, block):
                axes.set_ylabel("nats per image")
            else:
                axes.tick_params(labelleft=False)
    figure.legend(
        handles=[Patch(facecolor=TERM_COLOURS[term], label=label) for term, label in LABELS.items()],
        loc="upper left",
        bbox_to_anchor=header_place(figure, 0, 0),
        ncols=3,
        borderaxespad=0,
        borderpad=0.2,
        handlelength=1.2,
    )
    return figure


def means(arm: Arm) -> tuple[Floats, Floats, Floats]:
    """Mean of each term [3, strengths], and mean and spread over seeds of their sum [strengths]."""
    terms = [arm.together(list(LABELS), s) for s in arm.strengths_with(*LABELS)]
    totals = [mean_and_spread(t.sum(axis=0)) for t in terms]
    return np.stack([t.mean(axis=1) for t in terms], axis=1), *np.array(totals).T


def extent(arms: Sequence[Arm]) -> tuple[float, float]:
    """The highest top of a whisker, and the lowest bar end below zero that is too large for estimation noise."""
    tops, bottoms = [1e-9], [0.0]
    for arm in arms:
        terms, total, spread = means(arm)
        tops.append(float(np.max(np.maximum(terms, 0).sum(axis=0).clip(total + np.nan_to_num(spread)))))
        bottoms.append(float(np.minimum(terms, 0).sum(axis=0).min()))
    return max(tops), min(bottoms) if min(bottoms) < -0.01 * max(tops) else 0.0


def draw_arm(axes: Axes, arm: Arm, top: float) -> None:
    """The bars of one arm. A term below zero hangs from the axis, so the ends of a bar differ by the KL exactly."""
    terms, total, spread = means(arm)
    strengths = arm.strengths_with(*LABELS)
    places = np.arange(len(strengths), dtype=np.float64)
    above, below = np.zeros(len(places)), np.zeros(len(places))
    for name, heights in zip(LABELS, terms, strict=True):
        base = np.where(heights >= 0, above, below)
        axes.bar(places, heights, 0.78, base, color=TERM_COLOURS[name], edgecolor="white", linewidth=0.5)
        above, below = above + heights.clip(min=0), below + heights.clip(max=0)
        ends = np.minimum(above, total - np.nan_to_num(spread))
        for x, y, end, height in zip(places, base, ends, heights, strict=True):
            # The number stands below the whisker, where there is room for it.
            if end - y > 0.075 * top:
                ink = ink_on(*to_rgb(TERM_COLOURS[name]))
                axes.text(x, (y + end) / 2, short(height), size=6.0, color=ink, ha="center", va="center")
    for x, value, deviation in zip(places, total, spread, strict=True):
        if np.isfinite(deviation):
            axes.errorbar(x, value, deviation, color=INK, elinewidth=0.9, capsize=2.2, capthick=0.9)
        end = max(value + np.nan_to_num(deviation), above[int(x)])
        axes.text(x, end + 0.02 * top, short(value), size=6.5, ha="center", va="bottom")
    axes.set_xticks(places, [f"{s:g}" if arm.symbol else "" for s in strengths])
    axes.set_xlabel(
        f"strength {arm.symbol}" if arm.symbol else "no strength", color=INK if arm.symbol else FAINT
    )
    quiet_grid(axes)


def short(value: float) -> str:
    """A number of nats in three or four characters."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 0.95 else f"{value:.2f}"
