"""Accuracy of linear probes against the number of labels, of codes and of the encoder's last features, by method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..store import Store
from ..tasks.probes import ALL, SIZES
from .arms import Arm, Floats, arms_of, by_data_set
from .page import LETTER, WIDTH, Block, header_place, page
from .style import DASHES, FAINT, INK, MARKERS, PALETTE, quiet_grid

PANELS = {"codes": "codes", "features": "last hidden features"}

PLACES = (*map(str, SIZES), ALL)

PANEL = (2.55, 1.9)

WIDEST = 0.5
"""Of the distance between two numbers of labels: what the methods' points are spread over."""


@dataclass(frozen=True)
class Line:
    """One arm over its strengths and seeds."""

    arm: Arm
    style: dict[str, Any]

    def accuracies(self, representation: str) -> list[Floats]:
        """Of all its models at each number of labels."""
        rows = self.arm.rows.reindex(columns=[f"probe_{representation}_{place}" for place in PLACES])
        return [values[np.isfinite(values)] for values in rows.to_numpy(dtype=np.float64).T]


def draw_probes(rows: pd.DataFrame, store: Store) -> Figure | None:
    """Two panels a data set, a line an arm: means over models, bars one standard deviation."""
    drawn = styled(arms_of(rows))
    groups = {
        subject: [line for line in drawn if line.arm in arms]
        for subject, arms in by_data_set([line.arm for line in drawn]).items()
    }
    if not groups:
        return None
    legend = {line.arm.title: line.style for lines in groups.values() for line in lines}
    handles = [Line2D([], [], label=title, **style) for title, style in legend.items()]
    handles.append(Line2D([], [], color=FAINT, linestyle=(0, (1, 2)), label="most frequent class"))
    across = max(1, int(WIDTH / (0.6 + LETTER * max(len(str(one.get_label())) for one in handles))))
    blocks = [Block(subject, 2, 2, PANEL, gap=(0.55, 0.6)) for subject in groups]
    figure, places = page(blocks, header=0.16 + 0.2 * -(-len(handles) // across))
    for lines, panels in zip(groups.values(), places, strict=True):
        for axes, (representation, title) in zip(panels, PANELS.items(), strict=True):
            draw_lines(axes, lines, representation)
            axes.set_title(f"{title} ↑", loc="left")
        panels[0].set_ylabel("test accuracy, mean over factors")
        alike(panels)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=header_place(figure, 0, 0),
        ncols=across,
        borderaxespad=0,
        borderpad=0.2,
    )
    return figure


def styled(arms: Sequence[Arm]) -> list[Line]:
    """The arms that were probed; a method has one look on all data sets, and no other has it, with up to 81 methods."""
    probed = [arm for arm in arms if any(arm.has(f"probe_codes_{place}") for place in PLACES)]
    methods = list(dict.fromkeys(arm.title for arm in probed))
    return [Line(arm, style_of(methods.index(arm.title))) for arm in probed]


def style_of(number: int) -> dict[str, Any]:
    """Colour, marker and dashes of a method by its number."""
    turns = number // len(PALETTE)
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": MARKERS[(number + turns) % len(MARKERS)],
        "linestyle": DASHES[turns % len(DASHES)],
    }


def draw_lines(axes: Axes, lines: Sequence[Line], representation: str) -> None:
    """Each method's accuracies over numbers of labels, methods a little apart."""
    apart = np.linspace(-WIDEST / 2, WIDEST / 2, len(lines)) if len(lines) > 1 else np.zeros(1)
    for line, shift in zip(lines, apart, strict=True):
        known = [
            (place, values) for place, values in enumerate(line.accuracies(representation)) if values.size
        ]
        if not known:
            continue
        at = [place + shift for place, _ in known]
        middle = [values.mean() for _, values in known]
        spread = [values.std(ddof=1) if values.size > 1 else 0.0 for _, values in known]
        axes.plot(at, middle, **line.style, markersize=3.2, linewidth=1.0)
        axes.errorbar(at, middle, spread, fmt="none", ecolor=line.style["color"], elinewidth=0.7, alpha=0.6)
    chances = np.concatenate([line.arm.rows["probe_chance"].to_numpy(dtype=np.float64) for line in lines])
    if np.isfinite(chances).any():
        axes.axhline(float(np.nanmean(chances)), color=FAINT, linestyle=(0, (1, 2)), linewidth=1.0, zorder=1)
    axes.set_xlim(-0.5, len(PLACES) - 0.5)
    axes.set_xticks(range(len(PLACES)), [place if place == ALL else f"{int(place):,}" for place in PLACES])
    axes.set_xlabel("labels", color=INK)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    quiet_grid(axes)


def alike(panels: Sequence[Axes]) -> None:
    """One vertical range for both panels, from 0."""
    top = max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(0, min(top, 1.03))
