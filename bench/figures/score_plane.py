"""One score against another: a line a method through its strengths, and what was printed."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.optimize import isotonic_regression

from ..catalogue import OBJECTIVES
from ..evaluation import SCORES
from ..score_names import full_name, short_name
from ..store import Store
from ..tables import ARROWS
from .arms import Arm, arms_of, by_subject, mean_and_interval
from .page import Block, header_place, page
from .plane_arm import draw_plane_arm, strength_labels
from .point_labels import PointLabel, place_labels
from .scores import legend_height, methods_across
from .style import FAINT, INK, line_style

if TYPE_CHECKING:
    from ..published import PublishedNumber

DEFAULT = (("elbo_nats", "mig"),)
"""The planes of a study that names none."""

PANEL, GAP = (2.4, 1.9), 0.75
LEFT, RIGHT, TOP, BOTTOM = 0.55, 0.17, 0.22, 0.42

KEY_LINE, LETTER = 0.125, 0.047
"""Inches of a line of the key to printed values below a panel, and generously of a letter in it."""

MOST_PRINTED = 8
"""Printed values of a panel; the table has all."""

MINUS = "\N{MINUS SIGN}"

Plane = tuple[str, str]
"""Columns across and up."""


@dataclass(frozen=True)
class Printed:
    """What was printed of one method's models: both coordinates, or one."""

    numbers: tuple[PublishedNumber | None, PublishedNumber | None]
    """Across and up."""

    @property
    def one(self) -> PublishedNumber:
        """A number that says which models it is of."""
        return next(number for number in self.numbers if number is not None)

    @property
    def text(self) -> str:
        """`β-TCVAE, β = 6: −85.54 [V]`; which score it is the end of the line tells, of a ring the names."""
        method, number = OBJECTIVES[self.one.objective], self.one
        known = [n for n in self.numbers if n is not None]
        setting = (
            f", {method.strength} = {number.strength:g}"
            if method.strength and number.strength is not None
            else ""
        )
        names = [f"{short_name(n.column)} " if len(known) > 1 else "" for n in known]
        values = ", ".join(
            name + n.printed().replace("-", MINUS) for name, n in zip(names, known, strict=True)
        )
        doubt = ", not comparable" if any(n.not_comparable for n in known) else ""
        return f"{method.title}{setting}: {values} [{number.tag}]{doubt}"


def draw_score_plane(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A panel a plane of the study, a block a data set and condition; error bars are 95 % intervals of both means."""
    planes, published = told(store)
    groups = {
        subject: (arms, shown)
        for subject, arms in by_subject(arms_of(rows)).items()
        if (shown := [plane for plane in planes if any(arm.strengths_with(*plane) for arm in arms)])
    }
    if not groups:
        return None
    literature = {
        (subject, plane): printed_of(published, arms[0], plane)
        for subject, (arms, shown) in groups.items()
        for plane in shown
    }
    blocks = [
        Block(
            subject,
            len(shown),
            min(2, len(shown)),
            PANEL,
            gap=(GAP, TOP + BOTTOM + key_height([literature[subject, plane] for plane in shown])),
            left=LEFT,
            top=TOP,
            bottom=BOTTOM + key_height([literature[subject, plane] for plane in shown]),
            right=RIGHT,
        )
        for subject, (_, shown) in groups.items()
    ]
    methods = {
        arm.method: arm
        for arms, shown in groups.values()
        for arm in arms
        if any(arm.strengths_with(*plane) for plane in shown)
    }
    figure, places = page(blocks, header=legend_height(methods))
    for (subject, (arms, shown)), panels in zip(groups.items(), places, strict=True):
        for plane, axes in zip(shown, panels, strict=True):
            draw_plane(axes, plane, arms, literature[subject, plane])
    figure.legend(
        handles=[
            Line2D([], [], label=name, markersize=5.0, **line_style(arm.objective, arm.number))
            for name, arm in methods.items()
        ],
        loc="upper left",
        bbox_to_anchor=header_place(figure, 0, 0),
        ncols=methods_across(methods),
        borderaxespad=0,
        borderpad=0.2,
    )
    return figure


def told(store: Store) -> tuple[list[Plane], list[PublishedNumber]]:
    """The planes that the folder's study asks for, of columns that this version knows, and its printed numbers."""
    if not store.study_file.is_file():
        return list(DEFAULT), []
    study = store.study()
    asked = [(across, up) for across, up in study.planes] or list(DEFAULT)
    known = [plane for plane in asked if all(name in SCORES for name in plane)]
    return known, [number for number in study.published if number.objective in OBJECTIVES]


def printed_of(published: Sequence[PublishedNumber], arm: Arm, plane: Plane) -> list[Printed]:
    """What was printed of finished models on an arm's data; two numbers of the same models and source are a point."""
    found: dict[str, list[list[PublishedNumber | None]]] = {}
    for number in published:
        if (number.data_set, number.condition) != (arm.data_set, arm.condition) or number.during:
            continue
        if number.column in plane:
            side = plane.index(number.column)
            models = f"{number.objective} {number.strength} {number.options} {number.source}"
            points = found.setdefault(models, [])
            if all(point[side] is not None for point in points):
                points.append([None, None])
            next(point for point in points if point[side] is None)[side] = number
    return [Printed((across, up)) for points in found.values() for across, up in points]


def key_height(printed: Sequence[Sequence[Printed]]) -> float:
    """Inches that the longest key of some panels takes."""
    lines = max(min(len(found), MOST_PRINTED) + (len(found) > MOST_PRINTED) for found in printed)
    return 0.08 + KEY_LINE * lines if lines else 0.0


def draw_plane(axes: Axes, plane: Plane, arms: Sequence[Arm], printed: Sequence[Printed]) -> None:
    """One panel: lines and labels of the arms, and the printed values with a key below."""
    labels: list[PointLabel] = []
    bars = 0.5 if len(arms) <= 3 else 0.3
    for arm in arms:
        strengths = arm.strengths_with(*plane)
        if not strengths:
            continue
        style = line_style(arm.objective, arm.number)
        means = np.array([[mean_and_interval(v) for v in arm.together(plane, s)] for s in strengths])
        across, up = means[:, 0, 0], means[:, 1, 0]
        reach = np.nan_to_num(means[:, :, 1])
        draw_plane_arm(axes, across, up, (reach[:, 0], reach[:, 1]), style, label=arm.method, bars=bars)
        if arm.symbol:
            labels += strength_labels(strengths, across, up, style)
    named = dict(zip(string.ascii_lowercase, printed[:MOST_PRINTED], strict=False))
    for letter, found in named.items():
        labels += draw_printed(axes, letter, found)
    axes.margins(0.1)
    axes.autoscale_view()
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(axis_label(plane[0]))
    axes.set_ylabel(axis_label(plane[1]))
    for side in (0, 1):
        name_lines(axes, side, {k: p for k, p in named.items() if p.numbers[1 - side] is None})
    place_labels(axes, labels)
    draw_key(axes, named, len(printed) - len(named))


def axis_label(column: str) -> str:
    """A score beside its axis: its name, which way is better, its unit."""
    unit = " (nats per image)" if SCORES[column].unit == "nats" else ""
    return full_name(column) + ARROWS[SCORES[column].direction] + unit


def draw_printed(axes: Axes, letter: str, printed: Printed) -> list[PointLabel]:
    """A ring with a label where both coordinates were printed; where one was, a line, and its spread as a band."""
    colour = line_style(printed.one.objective)["color"]
    across, up = printed.numbers
    if across is not None and up is not None:
        x, y = across.value, up.value
        axes.errorbar(x, y, up.spread, across.spread, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.5)
        for size, face in ((8.0, "none"), (2.5, colour)):
            axes.plot(x, y, marker="o", markersize=size, markerfacecolor=face, markeredgecolor=colour)
        return [PointLabel(x, y, letter, colour)]
    number = printed.one
    line, span = (axes.axvline, axes.axvspan) if across is not None else (axes.axhline, axes.axhspan)
    line(number.value, color=colour, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=0.5)
    if number.spread:
        ends = number.value - number.spread, number.value + number.spread
        span(*ends, color=colour, alpha=0.07, linewidth=0, zorder=0)
    return []


def name_lines(axes: Axes, side: int, lines: dict[str, Printed]) -> None:
    """Letters at the ends of lines of printed values, outside the panel, kept apart; `side` 0 at the top, 1 right."""
    low, high = axes.get_xlim() if side == 0 else axes.get_ylim()
    inches = PANEL[side]
    wanted = {letter: (p.one.value - low) / (high - low) * inches for letter, p in lines.items()}
    ordered = sorted(wanted, key=lambda letter: wanted[letter])
    for letter, place in zip(
        ordered, spread_out([wanted[letter] for letter in ordered], 0.1, inches), strict=True
    ):
        colour = line_style(lines[letter].one.objective)["color"]
        start, end = (wanted[letter] / inches, 1.0), (place / inches, 1 + 0.05 / PANEL[1 - side])
        mark = (place / inches, 1 + 0.1 / PANEL[1 - side])
        if side == 1:
            start, end, mark = start[::-1], end[::-1], mark[::-1]
        axes.plot(
            *zip(start, end, strict=True),
            color=colour,
            linewidth=0.6,
            transform=axes.transAxes,
            clip_on=False,
            scalex=False,
            scaley=False,
        )
        axes.text(*mark, letter, size=6.5, color=colour, ha="center", va="center", transform=axes.transAxes)


def spread_out(places: Sequence[float], apart: float, end: float) -> list[float]:
    """Ascending places moved as little as keeps them `apart` (least squares), from 0 to `end` where they fit."""
    if not places:
        return []
    steps = apart * np.arange(len(places))
    kept = isotonic_regression(np.asarray(places) - steps).x.clip(max=end - steps[-1]).clip(min=0.0)
    return [float(place) for place in kept + steps]


def draw_key(axes: Axes, named: dict[str, Printed], more: int) -> None:
    """What the letters stand for, below the panel, a line each."""
    lines = [(f"{letter}  {printed.text}", INK) for letter, printed in named.items()]
    if more > 0:
        lines.append((f"and {more} more: see the table", FAINT))
    widest = int((PANEL[0] + LEFT) / LETTER)
    for number, (text, colour) in enumerate(lines):
        axes.text(
            -(LEFT - 0.1) / PANEL[0],
            -(BOTTOM + 0.02 + KEY_LINE * number) / PANEL[1],
            text if len(text) <= widest else f"{text[: widest - 1]}…",
            size=6.5,
            color=colour,
            va="top",
            transform=axes.transAxes,
        )
