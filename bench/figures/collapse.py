"""The diagnosis of posterior collapse: at how many nats, of which kind, what latents cost and know and hide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from disbench.datasets import DataSet
from disbench.metrics import CollapseDiagnosis

from ..analysis.collapse import diagnosis_of
from ..analysis.posteriors import posteriors, same_images
from ..catalogue import OBJECTIVES
from ..store import Store
from .arms import Arm, arms_of, by_subject, some_strengths
from .over_training import shades
from .page import Block, header_place, page
from .style import FAINT, INK, quiet_grid
from .trained import images_of, trained

IMAGES = 2_000
"""That each model encodes; the same for all of a data set."""

EACH, IN_ALL = 5, 60
"""Strengths of an arm, and models of the whole figure."""

KINDS = {"active": "#0072B2", "mixed": "#E69F00", "passive": "#BBBBBB"}
"""Dark, middle and light."""

ACTIVE_VARIANCE = 0.01
"""Of a mean, above which a latent counts as an active unit."""

LEAST_VARIANCE = 1e-4
"""Foot of the axis of variances."""

LEAST_NATS = 0.1
"""Of the axis of nats: below a tenth of it estimates of I(x; z) are noise."""

PANELS = {4: (1.19, 1.05), 5: (0.87, 1.05)}
"""Width and height by how many stand side by side."""

MARKS: dict[str, dict[str, Any]] = {
    "active units": {"marker": "D", "color": INK, "markeredgecolor": "white", "linestyle": "none"},
    "active within classes": {
        "marker": "D",
        "color": "white",
        "markeredgecolor": INK,
        "linestyle": "none",
        "markersize": 3,
    },
    "mean codes": {"marker": "o", "color": INK},
    "sampled codes": {"marker": "o", "color": INK, "markerfacecolor": "white", "linestyle": "--"},
}
"""Of counts over the bars, and of the two kinds of codes."""


@dataclass(frozen=True)
class Diagnosed:
    """One arm's models: a diagnosis for each of some strengths, ascending, of the smallest seed."""

    arm: Arm
    strengths: list[float]
    diagnoses: list[CollapseDiagnosis]

    @property
    def conditional(self) -> bool:
        """Whether something can be said given a condition."""
        return self.diagnoses[0].within_class_variance is not None

    @property
    def ticks(self) -> list[str]:
        """The strengths, where there are any."""
        return [f"{strength:g}" if self.arm.symbol else "" for strength in self.strengths]


def draw_collapse(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A row of panels an arm, for the smallest seed and up to five strengths."""
    found = diagnosed(rows, store)
    if not found:
        return None
    groups = {
        subject: [one for one in found if one.arm.subject == subject]
        for subject in by_subject([one.arm for one in found])
    }
    blocks = []
    for subject, members in groups.items():
        columns = 5 if any(one.conditional for one in members) else 4
        slots = [
            columns * row + panel for row, one in enumerate(members) for panel in range(4 + one.conditional)
        ]
        blocks.append(
            Block(
                subject,
                columns * len(members),
                columns,
                PANELS[columns],
                gap=(0.38, 1.12),
                top=0.62,
                left=0.5,
                slots=slots,
            )
        )
    figure, places = page(blocks, header=0.68, width=6.3)
    for members, drawn in zip(groups.values(), places, strict=True):
        panels = iter(drawn)
        for one in members:
            draw_arm([next(panels) for _ in range(4 + one.conditional)], one)
    draw_legend(figure, conditional=any(one.conditional for one in found))
    return figure


def diagnosed(rows: pd.DataFrame, store: Store) -> list[Diagnosed]:
    """The arms with posteriors, some of whose models are at hand; all models of a data set encode the same images."""
    chosen: dict[int, tuple[Arm, list[float]]] = {}
    for arm, strength in some_strengths(arms_of(rows), each=EACH, in_all=IN_ALL):
        if OBJECTIVES[arm.objective].codes == "posterior":
            chosen.setdefault(id(arm), (arm, []))[1].append(strength)
    images: dict[str, DataSet | None] = {}
    found = []
    for arm, strengths in chosen.values():
        models = {s: model for s in strengths if (model := trained(store, arm.first_seed(s))) is not None}
        if models and arm.data_set not in images:
            images[arm.data_set] = images_of(arm.data_set)
        data = images.get(arm.data_set)
        if not models or data is None:
            continue
        encoded = posteriors(list(models.values()), data, same_images(data, IMAGES))
        found.append(Diagnosed(arm, list(models), [diagnosis_of(model) for model in encoded]))
    return found


def draw_arm(panels: Sequence[Axes], one: Diagnosed) -> None:
    """The panels of one arm, with its name and the colours of its strengths above the first."""
    draws: dict[str, Callable[[Axes, Diagnosed], None]] = {
        "share collapsed\nat ε": draw_curves,
        "latents\nby kind": draw_kinds,
        "KL and I(x; z)\n(nats)": draw_nats,
        "total correlation\n(nats)": draw_gap,
        "variance\nof the mean": draw_variances,
    }
    for axes, (title, draw) in zip(panels, draws.items(), strict=False):
        draw(axes, one)
        axes.set_title(title, loc="left")
    first = panels[0]
    figure = first.get_figure(root=True)
    assert figure is not None
    box, height = first.get_position(), figure.get_size_inches()[1]
    name = figure.text(box.x0, box.y1 + 0.46 / height, one.arm.method, size=8.5, weight="bold", va="bottom")
    if not one.arm.symbol:
        return
    handles = [
        Line2D([], [], color=colour, label=f"{one.arm.symbol} = {tick}" if number == 0 else tick)
        for number, (colour, tick) in enumerate(zip(shades(len(one.strengths)), one.ticks, strict=True))
    ]
    beside = box.x0 + (0.085 * len(name.get_text()) + 0.25) / figure.get_size_inches()[0]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(beside, box.y1 + 0.46 / height),
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0,
        handlelength=1.2,
        columnspacing=1.2,
        fontsize=7.5,
    )


def draw_curves(axes: Axes, one: Diagnosed) -> None:
    """Which share of latents is (epsilon, delta)-collapsed, over epsilon."""
    for colour, diagnosis in zip(shades(len(one.strengths)), one.diagnoses, strict=True):
        axes.plot(diagnosis.epsilons, diagnosis.collapse_curve, color=colour, drawstyle="steps-post")
    axes.axvline(one.diagnoses[0].epsilon, color=FAINT, linewidth=0.7, linestyle=":")
    axes.set_xscale("log")
    axes.set_xticks([1e-4, 1e-2, 1], ["10⁻⁴", "0.01", "1"])
    axes.set_xlim(float(one.diagnoses[0].epsilons[0]), float(one.diagnoses[0].epsilons[-1]))
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("ε (nats)")
    quiet_grid(axes)


def draw_kinds(axes: Axes, one: Diagnosed) -> None:
    """Active, mixed and passive latents as bars; active units, and those within classes, as marks."""
    places = np.arange(len(one.strengths))
    base = np.zeros(len(places))
    for kind, colour in KINDS.items():
        heights = np.array(
            [sum(k == kind for k in diagnosis.kinds) for diagnosis in one.diagnoses], dtype=float
        )
        axes.bar(places, heights, 0.74, base, color=colour, edgecolor="white", linewidth=0.5)
        base += heights
    units = [diagnosis.active_units for diagnosis in one.diagnoses]
    axes.plot(places, units, **MARKS["active units"], clip_on=False)
    if one.conditional:
        within = [diagnosis.active_units_given_condition for diagnosis in one.diagnoses]
        axes.plot(places, np.array(within, dtype=float), **MARKS["active within classes"], clip_on=False)
    over_strength(axes, one)
    axes.set_yticks([0, round(base.max() / 2), base.max()])
    axes.set_ylim(0, 1.06 * base.max())


def draw_nats(axes: Axes, one: Diagnosed) -> None:
    """What each latent costs and what it knows, latents by descending KL."""
    for colour, diagnosis in zip(shades(len(one.strengths)), one.diagnoses, strict=True):
        order = np.argsort(-diagnosis.kl_per_dimension_nats, kind="stable")
        ranks = np.arange(1, len(order) + 1)
        axes.plot(ranks, diagnosis.kl_per_dimension_nats[order], color=colour)
        axes.plot(
            ranks,
            diagnosis.mutual_information_per_dimension_nats[order].clip(min=0),
            color=colour,
            linestyle=":",
        )
    over_latents(axes, one)
    axes.set_ylim(0, max(LEAST_NATS, axes.get_ylim()[1]))


def draw_gap(axes: Axes, one: Diagnosed) -> None:
    """Total correlation of mean and of sampled codes: what lies between them is in no sample."""
    places = np.arange(len(one.strengths))
    means = np.array([diagnosis.total_correlation_of_means_nats for diagnosis in one.diagnoses])
    samples = np.array([diagnosis.total_correlation_of_samples_nats for diagnosis in one.diagnoses])
    axes.fill_between(places, samples, means, color="#E3E3E3", linewidth=0)
    axes.plot(places, means, **MARKS["mean codes"])
    axes.plot(places, samples, **MARKS["sampled codes"])
    over_strength(axes, one)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylim(0, 1.1 * max(means.max(), samples.max(), LEAST_NATS))


def draw_variances(axes: Axes, one: Diagnosed) -> None:
    """How far each latent's mean moves: over all images, and within classes of the condition."""
    for colour, diagnosis in zip(shades(len(one.strengths)), one.diagnoses, strict=True):
        within = diagnosis.within_class_variance
        if within is None:
            continue
        order = np.argsort(-diagnosis.mean_variance, kind="stable")
        ranks = np.arange(1, len(order) + 1)
        axes.plot(ranks, diagnosis.mean_variance[order].clip(min=LEAST_VARIANCE), color=colour)
        axes.plot(ranks, within[order].clip(min=LEAST_VARIANCE), color=colour, linestyle=":")
    axes.axhline(ACTIVE_VARIANCE, color=FAINT, linewidth=0.7, linestyle=":")
    axes.set_yscale("log")
    axes.set_yticks([0.01, 1], ["0.01", "1"])
    axes.set_ylim(LEAST_VARIANCE, max(2.0, 1.5 * float(max(d.mean_variance.max() for d in one.diagnoses))))
    over_latents(axes, one)


def over_strength(axes: Axes, one: Diagnosed) -> None:
    """The axis of strengths, equally far apart."""
    axes.set_xticks(range(len(one.strengths)), one.ticks)
    axes.set_xlim(-0.6, len(one.strengths) - 0.4)
    axes.set_xlabel(
        f"strength {one.arm.symbol}" if one.arm.symbol else "no strength",
        color=INK if one.arm.symbol else FAINT,
    )
    quiet_grid(axes)


def over_latents(axes: Axes, one: Diagnosed) -> None:
    """The axis of latents."""
    count = len(one.diagnoses[0].kinds)
    axes.set_xlim(0.6, count + 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("latent, by rank")
    quiet_grid(axes)


def draw_legend(figure: Figure, *, conditional: bool) -> None:
    """What bars, marks and lines are, at the top of the page."""
    dotted: dict[str, Any] = {"color": INK, "linestyle": ":"}
    pairs = [
        *(Patch(facecolor=colour, label=kind) for kind, colour in KINDS.items()),
        Line2D([], [], label="active units", **MARKS["active units"]),
        Line2D([], [], label="KL of each latent", color=INK),
        Line2D([], [], label="I(x; z) of each latent", **dotted),
        *(Line2D([], [], label=name, **MARKS[name]) for name in ("mean codes", "sampled codes")),
    ]
    if conditional:
        pairs += [
            Line2D([], [], label="variance over all images", color=INK),
            Line2D([], [], label="variance within classes", **dotted),
            Line2D([], [], label="active within classes", **MARKS["active within classes"]),
        ]
    lines = 3 if conditional else 2
    figure.legend(
        handles=pairs, loc="upper left", bbox_to_anchor=header_place(figure, 0, 0), ncols=-(-len(pairs) // lines),
        borderaxespad=0, borderpad=0.2, handlelength=1.6, columnspacing=1.4,
    )  # fmt: skip
