"""Rate against distortion: what a code costs in nats and what it leaves unexplained."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from ..store import Store
from .arms import Arm, Floats, arms_of, by_data_set, mean_and_spread
from .page import LETTER, Block, page
from .style import FAINT, line_style

PANEL = (3.3, 2.6)

LINE = 0.17
"""Inches of a line of the legend."""

RATE, DISTORTION = "kl_nats", "reconstruction_nats"

OFFSETS = [
    (6, 4),
    (6, -9),
    (-6, 4),
    (-6, -9),
    (0, 8),
    (0, -13),
    (12, -2),
    (-12, -2),
    (14, 10),
    (-14, 10),
    (14, -16),
]
"""Places to try for a label, in points from its marker, best first."""


def draw_rate_distortion(rows: pd.DataFrame, store: Store) -> Figure | None:
    """KL against reconstruction, one panel a data set; a line joins an arm's strengths, which label its points."""
    arms = [arm for arm in arms_of(rows) if arm.strengths_with(RATE, DISTORTION)]
    if not arms:
        return None
    groups = by_data_set(arms)
    blocks = [
        Block(
            name,
            1,
            1,
            PANEL,
            left=0.6,
            top=0.25 + LINE * -(-len(members) // across(members)),
            bottom=0.4,
            right=0.45,
        )
        for name, members in groups.items()
    ]
    figure, places = page(blocks)
    for members, (axes,) in zip(groups.values(), places, strict=True):
        draw_data_set(axes, members)
    return figure


def arm_style(arm: Arm, arms: Sequence[Arm]) -> dict[str, Any]:
    """An arm's line; conditional and unconditional arms of one objective differ in their dashes."""
    kinds = list(dict.fromkeys((a.condition, a.number) for a in arms if a.objective == arm.objective))
    return line_style(arm.objective, kinds.index((arm.condition, arm.number)))


def draw_data_set(axes: Axes, arms: Sequence[Arm]) -> None:
    """The panel of one data set."""
    labels: list[tuple[Floats, str, str]] = []
    for arm in arms:
        style = arm_style(arm, arms)
        strengths = arm.strengths_with(RATE, DISTORTION)
        points = np.array([point(arm, s) for s in strengths])
        rate, rate_spread, distortion, distortion_spread = points.T
        axes.errorbar(
            rate,
            distortion,
            distortion_spread,
            rate_spread,
            fmt="none",
            ecolor=style["color"],
            elinewidth=0.8,
            alpha=0.5,
        )
        axes.plot(
            rate,
            distortion,
            **style,
            label=arm.title,
            markersize=5.0,
            markeredgecolor="white",
            markeredgewidth=0.5,
        )
        if arm.symbol:
            labels += [
                (np.array([x, y]), f"{s:g}", style["color"])
                for s, x, y in zip(strengths, rate, distortion, strict=True)
            ]
    axes.margins(0.1)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    equal_elbo(axes)
    axes.set_xlabel("rate: KL (nats per image)")
    axes.set_ylabel("distortion: reconstruction (nats per image)")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1 + 0.2 / PANEL[1]),
        ncols=across(arms),
        borderaxespad=0,
        borderpad=0,
        labelspacing=0.25,
        columnspacing=1.2,
    )
    place_labels(axes, labels)


def across(arms: Sequence[Arm]) -> int:
    """How many arms stand side by side in the legend above a panel."""
    return max(1, int((PANEL[0] + 0.4) / (0.55 + LETTER * max(len(arm.title) for arm in arms))))


def point(arm: Arm, strength: float) -> tuple[float, float, float, float]:
    """Mean and spread of rate and of distortion; a single seed has spread 0 here, an error bar of no length."""
    pair = [np.nan_to_num(mean_and_spread(v)) for v in arm.together((RATE, DISTORTION), strength)]
    return (float(pair[0][0]), float(pair[0][1]), float(pair[1][0]), float(pair[1][1]))


def equal_elbo(axes: Axes) -> None:
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
        1 + 0.42 / PANEL[0],
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


def place_labels(axes: Axes, labels: Sequence[tuple[Floats, str, str]]) -> None:
    """Write each label beside its point where it touches no other label, marker or line; else leave it out."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    inside = axes.get_window_extent(renderer)
    taken: list[Bbox] = []
    dots = ink(axes, reach=3.0 * figure.dpi / 72)
    for place, text, colour in labels:
        for offset in OFFSETS:
            side = "center" if not offset[0] else "left" if offset[0] > 0 else "right"
            note = axes.annotate(
                text,
                (float(place[0]), float(place[1])),
                offset,
                textcoords="offset points",
                size=7.5,
                color=colour,
                ha=side,
            )
            box = note.get_window_extent(renderer)
            free = contains(inside, box) and not any(box.overlaps(other) for other in taken)
            if free and not bool(((dots >= box.min) & (dots <= box.max)).all(axis=1).any()):
                taken.append(box)
                break
            Annotation.remove(note)


def ink(axes: Axes, reach: float) -> Floats:
    """Dots on the screen [M, 2] along the lines of the arms and around their markers at a distance of `reach`."""
    dots = [np.empty((0, 2))]
    for line in axes.get_lines():
        if line.get_label() and not str(line.get_label()).startswith("_"):
            corners = axes.transData.transform(np.column_stack(line.get_data()))
            share = np.linspace(0, 1, 200)[:, None]
            dots += [start + share * (end - start) for start, end in itertools.pairwise(corners)]
            angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            ring = reach * np.column_stack([np.cos(angles), np.sin(angles)])
            dots += [corner + ring for corner in corners]
    return np.concatenate(dots)


def contains(outer: Bbox, inner: Bbox) -> bool:
    """Whether a box lies within another."""
    return bool(
        outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1
    )
