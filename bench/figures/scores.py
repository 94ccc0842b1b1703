"""Every score against strength, with its spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from ..evaluation import SCORES
from ..store import Store
from ..tables import ARROWS, HEADINGS, READABLE
from .arms import Arm, arms_of, by_subject, mean_and_spread
from .page import LETTER, WIDTH, Block, header_place, is_lowest, page
from .strength_axis import StrengthAxis
from .style import line_style, quiet_grid

TITLES = {
    "reconstruction_nats": "reconstruction",
    "total_correlation_nats": "total correlation",
    "dimensionwise_kl_nats": "dimension-wise KL",
    "active_units": "active units",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "condition_leakage_nats": "condition leakage",
}
"""Longer than a table's headings."""

PANEL = (2.15, 1.35)
COLUMNS = 4


def draw_scores(rows: pd.DataFrame, store: Store) -> Figure | None:
    """One panel a score, one line an objective, a point a seed; a block for each data set and condition."""
    groups = {}
    for subject, arms in by_subject(arms_of(rows)).items():
        names = [name for name in READABLE if any(arm.strengths_with(name) for arm in arms)]
        if names:
            groups[subject] = (arms, names)
    if not groups:
        return None
    blocks = [
        Block(subject, len(names), min(COLUMNS, len(names)), PANEL, gap=(0.5, 0.62))
        for subject, (_, names) in groups.items()
    ]
    methods = {arm.method: arm for arms, _ in groups.values() for arm in arms}
    across = max(
        1, int(min(WIDTH, max(block.width for block in blocks)) / (0.6 + LETTER * max(map(len, methods))))
    )
    figure, places = page(blocks, header=0.16 + 0.2 * -(-len(methods) // across))
    for block, (arms, names), panels in zip(blocks, groups.values(), places, strict=True):
        axis = StrengthAxis.of(arms)
        for number, (name, axes) in enumerate(zip(names, panels, strict=True)):
            draw_score(axes, name, arms, axis)
            axis.apply(axes, width=PANEL[0], labelled=is_lowest(number, block))
    figure.legend(
        handles=[handle(arm) for arm in methods.values()],
        loc="upper left",
        bbox_to_anchor=header_place(figure, 0, 0),
        ncols=across,
        borderaxespad=0,
        borderpad=0.2,
    )
    return figure


def handle(arm: Arm) -> Line2D:
    """An arm's line for the legend."""
    style = line_style(arm.objective, arm.number)
    return Line2D([], [], label=arm.method, **{**style, "marker": style["marker"] if arm.symbol else ""})


def draw_score(axes: Axes, name: str, arms: Sequence[Arm], axis: StrengthAxis) -> None:
    """Points of all seeds, line of means, band of one standard deviation; side by side where arms share a strength."""
    score, having = SCORES[name], [arm for arm in arms if arm.strengths_with(name)]
    step = min(0.02, 0.06 / max(1, len(having) - 1)) * (axis.span or 1.0)
    crowded = len(having) > 3
    for number, arm in enumerate(having):
        style = line_style(arm.objective, arm.number)
        shift = step * (number - (len(having) - 1) / 2)
        at = [(s, arm.values(name, s)) for s in arm.strengths_with(name)]
        middle = np.array([mean_and_spread(v) for _, v in at])
        if arm.symbol:
            x = np.array([axis.places[s] + shift for s, _ in at])
        else:
            # Without a strength there is one mean; it holds all along the axis.
            ends = [*axis.places.values()] or [-0.8, 0.8]
            x, middle = np.array([min(ends), max(ends)]), np.repeat(middle, 2, axis=0)
        points = [(place, value) for place, (_, values) in zip(x, at, strict=False) for value in values]
        axes.plot(
            *np.array(points).T,
            linestyle="none",
            marker=style["marker"],
            color=style["color"],
            alpha=0.3 if crowded else 0.5,
            markersize=3.2,
            markeredgewidth=0,
            rasterized=len(points) > 500,
        )
        spread = np.nan_to_num(middle[:, 1])
        axes.fill_between(
            x,
            middle[:, 0] - spread,
            middle[:, 0] + spread,
            color=style["color"],
            alpha=0.07 if crowded else 0.15,
            linewidth=0,
        )
        axes.plot(
            x, middle[:, 0], **{**style, "marker": style["marker"] if arm.symbol else ""}, markersize=4.0
        )
    unit = f" ({score.unit})" if score.unit == "nats" else ""
    axes.set_title(TITLES.get(name, HEADINGS.get(name, name)) + ARROWS[score.direction] + unit, loc="left")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=name == "active_units"))
    axes.margins(y=0.12)
    if max(map(abs, axes.get_ylim())) >= 10_000:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    quiet_grid(axes)
