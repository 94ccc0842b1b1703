"""Error and likelihood of missing pixels: every model beside the two baselines that it has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..imputation.impute import METHODS
from ..store import Store
from ..tasks.imputation import SCORED_MASKS
from .arms import Arm, arms_of, by_subject, evenly
from .page import EDGE, Block, header_place, page
from .style import FAINT, INK, MARKERS, PALETTE

TITLES = {"share": "half of the pixels", "block": "a block", "half": "one half"}

SIGNS = dict(zip(METHODS, MARKERS, strict=False))
COLOURS = dict(zip(METHODS, PALETTE, strict=False))

EACH, IN_ALL = 3, 16
"""Strengths of an arm, and lines of a block."""

LINE = 0.17
LABEL_LETTER = 0.062


def draw_imputation(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A block a data set and condition: errors above, log-likelihoods below, a panel a mask, a line a model."""
    groups = {subject: lines_of(arms) for subject, arms in by_subject(arms_of(rows)).items()}
    groups = {subject: lines for subject, lines in groups.items() if lines}
    if not groups:
        return None
    blocks = []
    for subject, lines in groups.items():
        left = 0.2 + LABEL_LETTER * max(len(name) for name in lines)
        width = min(1.75, (6.4 - left) / len(SCORED_MASKS) - 0.3)
        blocks.append(
            Block(
                subject, 2 * len(SCORED_MASKS), len(SCORED_MASKS), (width, 0.2 + LINE * len(lines)),
                gap=(0.3, 0.6), left=left, bottom=0.45,
            )
        )  # fmt: skip
    figure, places = page(blocks, header=0.45, width=6.5)
    for lines, panels in zip(groups.values(), places, strict=True):
        for number, mask in enumerate(SCORED_MASKS):
            above, below = panels[number], panels[number + len(SCORED_MASKS)]
            draw_panel(above, lines, f"imputation_rmse_{{}}_{mask}", tuple(METHODS), labelled=number == 0)
            draw_panel(below, lines, f"imputation_nats_{{}}_{mask}", ("model",), labelled=number == 0)
            above.set_title(TITLES[mask] + " missing", loc="left")
            above.set_xlabel("RMSE ↓")
            below.set_xlabel("log-likelihood ↑ (nats)")
    draw_legend(figure)
    return figure


def lines_of(arms: Sequence[Arm]) -> dict[str, tuple[Arm, float]]:
    """Which models have a line, by what it is called."""
    columns = [f"imputation_nats_model_{mask}" for mask in SCORED_MASKS]
    having = [(arm, {s for column in columns for s in arm.strengths_with(column)}) for arm in arms]
    chosen = [(arm, s) for arm, at in having for s in evenly(sorted(at), EACH)][:IN_ALL]
    return {arm.model(strength): (arm, strength) for arm, strength in chosen}


def draw_panel(
    axes: Axes,
    lines: Mapping[str, tuple[Arm, float]],
    column: str,
    names: Sequence[str],
    *,
    labelled: bool,
) -> None:
    """A mark a method, at the mean over seeds, with a bar of one standard deviation; baselines as short rules."""
    for place, (arm, strength) in enumerate(lines.values()):
        for name, style in (("mean", ":"), ("knn", "-")):
            values = arm.values(column.format(name), strength)
            if values.size:
                axes.plot([values.mean()] * 2, [place - 0.42, place + 0.42], style, color=INK, linewidth=1)
        for number, name in enumerate(names):
            values = arm.values(column.format(name), strength)
            if values.size:
                shift = 0.22 * (number - (len(names) - 1) / 2)
                method = name if name in METHODS else "importance"
                colour = COLOURS[method] if name in METHODS else INK
                axes.errorbar(
                    values.mean(), place + shift, xerr=values.std(ddof=1) if len(values) > 1 else None,
                    fmt=SIGNS[method] if name in METHODS else "s", color=colour, markersize=3.2,
                    elinewidth=0.8,
                )  # fmt: skip
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(np.arange(len(lines)), list(lines) if labelled else [""] * len(lines))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.margins(x=0.1)
    axes.grid(axis="y", color=FAINT, alpha=0.15)
    axes.set_axisbelow(True)


def draw_legend(figure: Figure) -> None:
    """What marks and rules are, at the top of the page."""
    handles = [
        *(
            Line2D([], [], color=COLOURS[name], marker=SIGNS[name], linestyle="", label=method.title)
            for name, method in METHODS.items()
        ),
        Line2D([], [], color=INK, marker="s", linestyle="", label="likelihood, by importance sampling"),
        Line2D([], [], color=INK, linestyle="-", linewidth=1, label="nearest neighbours"),
        Line2D([], [], color=INK, linestyle=":", linewidth=1, label="mean of training images"),
    ]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=header_place(figure, EDGE, 0), ncols=3, borderaxespad=0,
    )  # fmt: skip
