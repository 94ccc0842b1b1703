"""Error of semi-supervised classifiers against the number of labels, and of the same classifiers without the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ..catalogue import OBJECTIVES
from ..store import Store
from ..variants import variants
from .arms import Floats, mean_and_interval
from .page import EDGE, LETTER, WIDTH, Block, header_place, page
from .style import INK, line_style, quiet_grid

ERROR, ALONE = "label_error", "label_error_supervised"

LABELS = ("labels", "label_draw")
"""Options that are no variant: one is the axis, the other is one more draw beside the seeds'."""

PANEL = (2.3, 1.6)


@dataclass(frozen=True)
class Line:
    """One objective on one data set, over numbers of labels."""

    objective: str
    number: int
    """Its place among the variants of its objective."""
    label: str
    with_images: Mapping[int, Floats]
    """Number of labels to the error of each seed and draw."""
    without: Mapping[int, Floats]
    """The same of the classifier that saw labelled images alone."""


def draw_label_error(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A panel a data set and condition; points are seeds, lines means, bars the 95 % interval of a mean."""
    groups = lines_of(rows)
    if not groups:
        return None
    legend = {line.label: line for lines in groups.values() for line in lines}
    handles = [handle(line) for line in legend.values()]
    handles.append(Line2D([], [], color=INK, linestyle=":", label="labelled images alone"))
    across = max(1, int(WIDTH / (0.6 + LETTER * max(len(str(one.get_label())) for one in handles))))
    blocks = [Block(subject, 1, 1, PANEL, bottom=0.45) for subject in groups]
    figure, places = page(blocks, header=0.16 + 0.2 * -(-len(handles) // across))
    for lines, (axes,) in zip(groups.values(), places, strict=True):
        draw_lines(axes, lines)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=header_place(figure, 0, 0),
        ncols=across,
        borderaxespad=0,
        borderpad=0.2,
    )
    return figure


def lines_of(rows: pd.DataFrame) -> dict[str, list[Line]]:
    """By data set and condition, the objectives whose finished models have a label error."""
    if ERROR not in rows:
        return {}
    done = rows[(rows["status"] == "done") & rows[ERROR].notna()]
    found: dict[str, list[Line]] = {}
    for (data_set, condition, objective), members in done.groupby(
        ["data_set", "condition", "objective"], sort=False, dropna=False
    ):
        configurations = [json.loads(text) for text in members["configuration"]]
        counts = np.array([int(c["options"]["labels"]) for c in configurations])
        for number, (variant, part) in enumerate(
            members.groupby(
                variants(members.assign(configuration=without_labels(configurations))), sort=False
            )
        ):
            title = OBJECTIVES[str(objective)].title
            of_part = counts[members.index.isin(part.index)]
            line = Line(
                str(objective),
                number,
                f"{title} ({variant})" if variant else title,
                *(by_count(part, column, of_part) for column in (ERROR, ALONE)),
            )
            found.setdefault(f"{data_set}: {condition}", []).append(line)
    return found


def without_labels(configurations: Sequence[Mapping[str, object]]) -> list[str]:
    """Configurations as JSON without what is no variant here."""
    kept = []
    for configuration in configurations:
        options = configuration["options"]
        assert isinstance(options, Mapping)
        rest = {name: value for name, value in options.items() if name not in LABELS}
        kept.append(json.dumps({**configuration, "options": rest}))
    return kept


def by_count(rows: pd.DataFrame, column: str, counts: Floats) -> dict[int, Floats]:
    """A score of every seed and draw, by number of labels, ascending."""
    values = rows[column].to_numpy(dtype=np.float64)
    return {int(n): values[(counts == n) & np.isfinite(values)] for n in sorted(set(counts.tolist()))}


def draw_lines(axes: Axes, lines: Sequence[Line]) -> None:
    """Errors over numbers of labels, the objectives a little apart; dotted without the images that have no label."""
    counts = sorted({count for line in lines for count in line.with_images})
    apart = 1.02
    for place, line in enumerate(lines):
        style = line_style(line.objective, line.number)
        shift = apart ** (place - (len(lines) - 1) / 2)
        for values, dash, faint in ((line.with_images, style["linestyle"], 1.0), (line.without, ":", 0.7)):
            at = {count * shift: errors for count, errors in values.items() if len(errors)}
            middle = np.array([mean_and_interval(errors) for errors in at.values()]).reshape(-1, 2)
            axes.plot(
                list(at), middle[:, 0], color=style["color"], linestyle=dash, marker=style["marker"],
                markersize=3.2, alpha=faint, linewidth=1.3,
            )  # fmt: skip
            axes.errorbar(
                list(at), middle[:, 0], np.nan_to_num(middle[:, 1]), fmt="none", ecolor=style["color"],
                elinewidth=0.8, alpha=0.6 * faint,
            )  # fmt: skip
            points = [(count, error) for count, errors in at.items() for error in errors]
            if points:
                axes.plot(
                    *np.array(points).T, linestyle="none", marker=style["marker"], color=style["color"],
                    alpha=0.3 * faint, markersize=2.4, markeredgewidth=0,
                )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(counts, labels_that_fit(counts))
    axes.set_xlim(counts[0] / 1.2, counts[-1] * 1.2)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    axes.set_xlabel("labelled images")
    axes.set_title("error on images without a label ↓", loc="left")
    quiet_grid(axes)


def labels_that_fit(counts: Sequence[int]) -> list[str]:
    """Tick labels on a logarithmic axis as wide as a panel; one that would touch the one before it is empty."""
    low, high = np.log(counts[0] / 1.2), np.log(counts[-1] * 1.2)
    texts, free_from = [], -EDGE
    for count in counts:
        text = f"{count:,}"
        inches = (np.log(count) - low) / (high - low) * PANEL[0]
        half = 0.035 * len(text) + 0.02
        texts.append(text if inches - half >= free_from else "")
        free_from = inches + half if texts[-1] else free_from
    return texts


def handle(line: Line) -> Line2D:
    """An objective's line for the legend."""
    style = line_style(line.objective, line.number)
    return Line2D(
        [], [], label=line.label, color=style["color"], linestyle=style["linestyle"], marker=style["marker"]
    )
