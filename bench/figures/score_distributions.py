"""How scores of one method are distributed over its strengths and seeds: violins, with every model as a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from ..evaluation import SCORES
from ..store import Store
from .arms import Arm, Floats, arms_of, by_subject
from .page import LETTER, WIDTH, Block, is_left, page, wrapped
from .scores import constant_of, shown_scores, title
from .style import INK, line_style

FEWEST = 6
"""Models of which a density is drawn; fewer are points alone."""

LINE = 0.3
"""Inches from one method to the next."""

LONGEST = 24
"""Letters of a line beside the axis."""

WIDEST = 1.9
GAP = 0.37
"""Inches between panels: half a tick label of the left one and half of the right one."""

COLUMNS = 3


def draw_score_distributions(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A panel a score that has a better side, a line a method; a block for each data set and condition."""
    groups = {
        subject: (arms, names)
        for subject, arms in by_subject(arms_of(rows)).items()
        if (names := [name for name in shown_scores(arms) if SCORES[name].direction])
    }
    if not groups:
        return None
    blocks = []
    for subject, (arms, names) in groups.items():
        left = 0.2 + LETTER * max(len(line) for arm in arms for line in name_of(arm).split("\n"))
        columns = min(COLUMNS, len(names))
        width = min(WIDEST, (WIDTH - left - 0.12 - (COLUMNS - 1) * GAP) / COLUMNS)
        size = (width, LINE * len(arms) + 0.1)
        blocks.append(
            Block(subject, len(names), columns, size, gap=(GAP, 0.55), left=left, bottom=0.3, right=0.12)
        )
    figure, places = page(blocks)
    for block, (arms, names), panels in zip(blocks, groups.values(), places, strict=True):
        for number, (name, axes) in enumerate(zip(names, panels, strict=True)):
            draw_score(axes, name, arms)
            axes.set_yticks(
                range(len(arms)), [name_of(arm) for arm in arms] if is_left(number, block) else []
            )
            axes.set_title(title(name), loc="left")
    return figure


def name_of(arm: Arm) -> str:
    """Its method beside the axis: on two lines where a variant's remark is long, whose end is left out."""
    lines = wrapped(arm.method, LETTER * LONGEST).split("\n")
    return "\n".join(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in lines)


def draw_score(axes: Axes, name: str, arms: Sequence[Arm]) -> None:
    """The panel of one score: the first arm on top; points are the darker the stronger the regularisation."""
    for line, arm in enumerate(arms):
        colour = line_style(arm.objective)["color"]
        strengths = arm.strengths
        shades = seaborn.light_palette(colour, n_colors=len(strengths) + 2)[2:]
        found = [(shade, arm.values(name, s)) for shade, s in zip(shades, strengths, strict=True)]
        together = np.concatenate([values for _, values in found])
        if not together.size:
            continue
        if together.size >= FEWEST and np.ptp(together) > 1e-9 * max(1.0, np.abs(together).max()):
            shapes: Any = axes.violinplot(
                [together], [line], orientation="horizontal", widths=0.86, showextrema=False
            )
            shapes["bodies"][0].set(facecolor=colour, alpha=0.2, linewidth=0)
        offsets = iter(scattered(together.size))
        for shade, values in found:
            axes.plot(
                values,
                [line + next(offsets) for _ in values],
                linestyle="none",
                marker="o",
                markersize=2.6,
                color=shade,
                markeredgecolor=colour,
                markeredgewidth=0.3,
                rasterized=together.size > 200,
            )
        axes.plot([np.median(together)] * 2, [line - 0.32, line + 0.32], color=INK, linewidth=1.3)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.margins(x=0.06)
    constant = constant_of(name, arms)
    axes.xaxis.set_major_locator(MaxNLocator(4) if constant is None else FixedLocator([constant]))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def scattered(count: int) -> Floats:
    """Offsets that keep points of equal score apart, the same every time: a golden-ratio sequence within ±0.2."""
    golden = (np.sqrt(5) - 1) / 2
    return 0.4 * ((0.5 + golden * np.arange(count)) % 1) - 0.2
