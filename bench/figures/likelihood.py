"""How estimates of log p(x) converge: the importance-weighted bound over samples, annealing over steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from ..store import Store
from .arms import Arm, Floats, arms_of
from .over_training import shades
from .page import Block, page
from .style import DASHES, FAINT, quiet_grid

BOUND, ANNEALING, GAP = (
    "importance-weighted\nbound",
    "annealed importance\nsampling",
    "gap of simulated\nimages",
)
PANELS = (BOUND, ANNEALING, GAP)

PANEL, GAP_WIDTH = (1.22, 1.2), 0.62

SMALLEST_GAP = 0.01
"""Nats at the foot of the last panel: sampling can turn a closed gap negative."""


def draw_likelihood(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A row of panels an arm, a line a strength, of the smallest seed."""
    found = {arm: lines for arm in arms_of(rows) if (lines := lines_of(arm))}
    if not found:
        return None
    count = len(PANELS)
    blocks = [
        Block(
            f"{arm.data_set}: {arm.title}",
            count,
            count,
            PANEL,
            gap=(GAP_WIDTH, 0.4),
            left=0.68,
            right=0.85,
            top=0.37,
        )
        for arm in found
    ]
    figure, places = page(blocks)
    for (arm, lines), (bound, annealing, gap) in zip(found.items(), places, strict=True):
        draw_bound(bound, arm, lines)
        draw_annealing(annealing, lines)
        draw_gap(gap, lines)
        for axes, title in zip((bound, annealing, gap), PANELS, strict=True):
            axes.set_title(title, loc="left")
        for axes in (bound, annealing):
            axes.set_ylim(*limits(lines))
            axes.yaxis.set_major_locator(MaxNLocator(4))
        bound.set_ylabel("log p(x), nats per image")
        gap.set_ylabel("nats per image")
        if arm.symbol:
            bound.legend(
                *bound.get_legend_handles_labels(),
                loc="upper left",
                bbox_to_anchor=(count + (count - 1) * GAP_WIDTH / PANEL[0] + 0.03, 1.08),
                handlelength=1.2,
                borderaxespad=0,
                fontsize=7.5,
            )
    return figure


def lines_of(arm: Arm) -> dict[float, dict[str, Any]]:
    """The row of the smallest seed at each strength at which log p(x) was estimated."""
    found = {strength: arm.first_seed(strength, "iwae_curve_nats") for strength in arm.strengths}
    return {strength: row for strength, row in found.items() if row}


def values(row: dict[str, Any], column: str) -> Floats:
    """A list of a row; empty if it has none."""
    known: Any = row.get(column)
    return np.asarray(known, dtype=np.float64) if np.ndim(known) == 1 else np.empty(0)


def draw_bound(axes: Axes, arm: Arm, lines: dict[float, dict[str, Any]]) -> None:
    """The bound over samples; circles at the right edge are annealing's last."""
    for number, ((strength, row), colour) in enumerate(zip(lines.items(), shades(len(lines)), strict=True)):
        samples, nats = values(row, "iwae_curve_samples"), values(row, "iwae_curve_nats")
        draw_line(
            axes, number, colour, samples, nats, values(row, "iwae_curve_error_nats"), arm.setting(strength)
        )
        if np.isfinite(row.get("ais_nats", np.nan) or np.nan):
            axes.plot(
                samples[-1],
                row["ais_nats"],
                "o",
                color=colour,
                markerfacecolor="white",
                markersize=4,
                clip_on=False,
            )
    effort_axis(axes, "importance samples")


def draw_annealing(axes: Axes, lines: dict[float, dict[str, Any]]) -> None:
    """Annealing over steps."""
    drawn = [
        draw_line(
            axes,
            number,
            colour,
            values(row, "ais_curve_steps"),
            values(row, "ais_curve_nats"),
            values(row, "ais_curve_error_nats"),
        )
        for number, (row, colour) in enumerate(zip(lines.values(), shades(len(lines)), strict=True))
    ]
    steps_axis(axes, lines, any(drawn))


def draw_gap(axes: Axes, lines: dict[float, dict[str, Any]]) -> None:
    """What lies between the bounds from both sides, over steps, for images that the model made."""
    drawn = []
    for number, (row, colour) in enumerate(zip(lines.values(), shades(len(lines)), strict=True)):
        lower, upper = values(row, "bdmc_lower_curve_nats"), values(row, "bdmc_upper_curve_nats")
        gap = np.maximum(upper - lower, SMALLEST_GAP) if len(lower) == len(upper) else np.empty(0)
        drawn.append(draw_line(axes, number, colour, values(row, "ais_curve_steps"), gap, np.zeros(len(gap))))
    if any(drawn):
        axes.set_yscale("log")
        top = max(axes.get_ylim()[1], 10 * SMALLEST_GAP)
        axes.set_ylim(SMALLEST_GAP / 1.3, top)
        powers = [10.0**power for power in range(-2, 10) if 10.0**power <= top]
        axes.set_yticks(powers, [f"≤ {SMALLEST_GAP:g}", *(f"{power:,g}" for power in powers[1:])])
        axes.yaxis.set_minor_locator(NullLocator())
    steps_axis(axes, lines, any(drawn))


def draw_line(
    axes: Axes, number: int, colour: Any, efforts: Floats, nats: Floats, errors: Floats, label: str = ""
) -> bool:
    """A line with a band of one standard error; nothing, and False, where there are no points to draw."""
    if not (len(efforts) and len(efforts) == len(nats) == len(errors)):
        return False
    axes.plot(
        efforts,
        nats,
        color=colour,
        linestyle=DASHES[number % len(DASHES)],
        linewidth=1.1,
        marker=".",
        markersize=3,
        label=label,
    )
    axes.fill_between(efforts, nats - errors, nats + errors, color=colour, alpha=0.18, linewidth=0)
    return True


def limits(lines: dict[float, dict[str, Any]]) -> tuple[float, float]:
    """The range of log p(x): all of the bound, and annealing where at least half of its points are behind it."""
    seen = [values(row, "iwae_curve_nats") for row in lines.values()]
    curves = [values(row, "ais_curve_nats") for row in lines.values()]
    seen += [curve[len(curve) // 2 :] for curve in curves]
    together = np.concatenate(seen)
    together = together[np.isfinite(together)]
    low, high = (float(together.min()), float(together.max())) if together.size else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def effort_axis(axes: Axes, label: str) -> None:
    """The horizontal axis of samples or steps: equal factors are equal distances."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)
    quiet_grid(axes)


def steps_axis(axes: Axes, lines: dict[float, dict[str, Any]], drawn: bool) -> None:
    """The axis of annealing steps, with ticks where there are points; an empty panel if nothing was drawn."""
    if not drawn:
        axes.set_axis_off()
        axes.text(0.0, 0.9, "not asked for", transform=axes.transAxes, color=FAINT, va="top")
        return
    effort_axis(axes, "annealing steps")
    steps = np.unique(np.concatenate([values(row, "ais_curve_steps") for row in lines.values()]))
    axes.set_xticks(steps[-4:])
