"""Every score against strength, with intervals of its mean over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator

from ..evaluation import SCORES
from ..score_names import full_name
from ..store import Store
from ..tables import ARROWS, READABLE
from .arms import Arm, Floats, arms_of, by_subject, mean_and_interval
from .page import LETTER, WIDTH, Block, header_place, is_lowest, page
from .strength_axis import StrengthAxis
from .style import line_style, quiet_grid

FURTHER = (
    "sap",
    "modularity",
    "explicitness",
    "factor_vae_score",
    "beta_vae_score",
    "irs",
    "gaussian_total_correlation",
)
"""Of the unsupervised study, that tables have no room for."""

PANEL = (1.62, 1.1)
COLUMNS = 3


def draw_scores(rows: pd.DataFrame, store: Store) -> Figure | None:
    """One panel a score, one line an objective, a point a seed; a block for each data set and condition."""
    groups = {
        subject: (arms, names)
        for subject, arms in by_subject(arms_of(rows)).items()
        if (names := shown_scores(arms))
    }
    if not groups:
        return None
    blocks = [
        Block(subject, len(names), min(COLUMNS, len(names)), PANEL, gap=(0.5, 0.62))
        for subject, (_, names) in groups.items()
    ]
    methods = {arm.method: arm for arms, _ in groups.values() for arm in arms}
    figure, places = page(blocks, header=legend_height(methods))
    for block, (arms, names), panels in zip(blocks, groups.values(), places, strict=True):
        axis = StrengthAxis.of(arms)
        for number, (name, axes) in enumerate(zip(names, panels, strict=True)):
            draw_score(axes, name, arms, axis)
            axis.apply(axes, width=PANEL[0], labelled=is_lowest(number, block))
    draw_legend(figure, methods)
    return figure


def shown_scores(arms: Sequence[Arm]) -> list[str]:
    """The scores that any of the arms has, those of tables first."""
    return [name for name in (*READABLE, *FURTHER) if any(arm.strengths_with(name) for arm in arms)]


def methods_across(methods: Mapping[str, Arm]) -> int:
    """How many methods stand side by side in the legend."""
    return max(1, int(WIDTH / (0.6 + LETTER * max(map(len, methods)))))


def legend_height(methods: Mapping[str, Arm]) -> float:
    """Inches that the legend takes at the top of the page."""
    return 0.16 + 0.2 * -(-len(methods) // methods_across(methods))


def draw_legend(figure: Figure, methods: Mapping[str, Arm]) -> None:
    """The methods' lines, at the top of the page."""
    figure.legend(
        handles=[handle(arm) for arm in methods.values()],
        loc="upper left",
        bbox_to_anchor=header_place(figure, 0, 0),
        ncols=methods_across(methods),
        borderaxespad=0,
        borderpad=0.2,
    )


def handle(arm: Arm) -> Line2D:
    """An arm's line for the legend."""
    style = line_style(arm.objective, arm.number)
    return Line2D([], [], label=arm.method, **{**style, "marker": style["marker"] if arm.symbol else ""})


def draw_score(axes: Axes, name: str, arms: Sequence[Arm], axis: StrengthAxis) -> None:
    """A score over strength, with its name and the side that is better above."""
    draw_over_strength(axes, arms, axis, lambda arm, strength: arm.values(name, strength))
    axes.set_title(title(name), loc="left")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=name == "active_units"))
    axes.margins(y=0.12)
    constant = constant_of(name, arms)
    if constant is not None:
        # Ticks around the one value that there is would suggest a range.
        axes.yaxis.set_major_locator(FixedLocator([constant]))
    if max(map(abs, axes.get_ylim())) >= 10_000:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    quiet_grid(axes)


def constant_of(name: str, arms: Sequence[Arm]) -> float | None:
    """The one value that a score has in all models, to what a tick label tells; None if there are several."""
    values = np.concatenate([arm.values(name, s) for arm in arms for s in arm.strengths])
    if values.size and np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())):
        return float(values[0])
    return None


def title(name: str) -> str:
    """A score above its panel: its name, which way is better, its unit."""
    score = SCORES[name]
    return full_name(name) + ARROWS[score.direction] + (" (nats)" if score.unit == "nats" else "")


def draw_over_strength(
    axes: Axes, arms: Sequence[Arm], axis: StrengthAxis, read: Callable[[Arm, float], Floats]
) -> None:
    """Points of all seeds, line of means, the mean's interval; side by side where arms share a strength.

    The interval is a band, or bars where there are more than three arms, whose bands would hide each other.

    `read(arm, strength)` are the values of the seeds; of an arm that has none at any strength nothing shows.
    """
    having = {arm: at for arm in arms if (at := {s: v for s in arm.strengths if (v := read(arm, s)).size})}
    step = min(0.02, 0.06 / max(1, len(having) - 1)) * (axis.span or 1.0)
    crowded = len(having) > 3
    for number, (arm, at) in enumerate(having.items()):
        style = line_style(arm.objective, arm.number)
        shift = step * (number - (len(having) - 1) / 2)
        middle = np.array([mean_and_interval(values) for values in at.values()])
        if arm.symbol:
            x = np.array([axis.places[s] + shift for s in at])
        else:
            # Without a strength there is one mean; it holds all along the axis.
            places = [*axis.places.values()] or [-0.8, 0.8]
            x, middle = np.array([min(places), max(places)]), np.repeat(middle, 2, axis=0)
        points = [(place, value) for place, values in zip(x, at.values(), strict=False) for value in values]
        axes.plot(
            *np.array(points).T,
            linestyle="none",
            marker=style["marker"],
            color=style["color"],
            alpha=0.3 if crowded else 0.5,
            markersize=2.6,
            markeredgewidth=0,
            rasterized=len(points) > 500,
        )
        reach = np.nan_to_num(middle[:, 1])
        if crowded:
            axes.errorbar(
                x, middle[:, 0], reach, fmt="none", ecolor=style["color"], elinewidth=0.8, alpha=0.6
            )
        else:
            ends = middle[:, 0] - reach, middle[:, 0] + reach
            axes.fill_between(x, *ends, color=style["color"], alpha=0.15, linewidth=0)
        axes.plot(
            x,
            middle[:, 0],
            **{**style, "marker": style["marker"] if arm.symbol else ""},
            markersize=3.6,
            linewidth=1.2,
        )
