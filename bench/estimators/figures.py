"""Bias against the number of rows, and against the size of batches."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..figures.style import INK, quiet_grid

Record = Mapping[str, Any]


class Style(NamedTuple):
    """Of a line: a colour for the way to estimate, dashes and a marker for its settings."""

    color: str
    linestyle: str
    marker: str


BINS, NEIGHBOURS, POSTERIOR, POSTERIOR_BINS = "#D55E00", "#0072B2", "#009E73", "#CC79A7"

INFORMATION: Mapping[str, Mapping[str, Style]] = {
    "continuous": {
        "10 x 10 bins": Style(BINS, ":", "v"),
        "20 x 20 bins": Style(BINS, "-", "s"),
        "50 x 50 bins": Style(BINS, "--", "D"),
        "KSG, k = 1": Style(NEIGHBOURS, ":", "^"),
        "KSG, k = 3": Style(NEIGHBOURS, "-", "o"),
        "KSG, k = 10": Style(NEIGHBOURS, "--", "P"),
    },
    "classes": {
        "10 bins": Style(BINS, ":", "v"),
        "20 bins": Style(BINS, "-", "s"),
        "50 bins": Style(BINS, "--", "D"),
        "neighbours, k = 3": Style(NEIGHBOURS, "-", "o"),
        "neighbours, k = 10": Style(NEIGHBOURS, "--", "P"),
        "posterior": Style(POSTERIOR, "-", "o"),
        "posterior, half": Style(POSTERIOR, "--", "^"),
        "posterior, a tenth": Style(POSTERIOR, ":", "v"),
        "posterior, half, 100 bins": Style(POSTERIOR_BINS, "-", "X"),
    },
}
"""Estimators that are drawn, by what they take; the table has all."""

KL: Mapping[str, tuple[str, Style]] = {
    "mss": ("stratified sampling (MSS)", Style("#0072B2", "-", "o")),
    "mixture over the batch": ("mixture over the batch", Style("#009E73", "-", "^")),
    "mws": ("weighted sampling (MWS)", Style("#E69F00", "-", "s")),
    "mistake: 1/N in column 0": ("mistake: MSS, 1/N in column 0", Style("#D55E00", "--", "v")),
    "mistake: weight in every dimension": (
        "mistake: MSS, weight in every dimension",
        Style("#882255", ":", "D"),
    ),
}
"""Legend and style of each estimator of the KL's terms."""

TERMS = {
    "mutual_information": "I(x; z)",
    "total_correlation": "total correlation",
    "dimensionwise_kl": "dimension-wise KL",
}

COLUMNS = 3

LEAST = 1e-4
"""Nats; smaller errors are drawn there."""

QUANTITIES: Mapping[str, tuple[str, Callable[[Record], float]]] = {
    "bias": ("bias, nats", lambda bias: bias["bias_nats"]),
    "error": (
        "r.m.s. error, nats",
        lambda bias: max(LEAST, math.hypot(bias["bias_nats"], bias["deviation_nats"])),
    ),
}
"""What a panel shows against the number of rows: axis label, and how it is read from a record."""


def draw_information(biases: Sequence[Record], quantity: str = "bias") -> Figure:
    """A panel a distribution, a line an estimator: its bias, or the error of one estimate, against the rows."""
    label, read = QUANTITIES[quantity]
    kinds = {
        kind: in_order(bias["distribution"] for bias in biases if bias["of"] == kind) for kind in INFORMATION
    }
    lines = {kind: 1 + len(names) // COLUMNS for kind, names in kinds.items()}  # with room for a legend
    figure = Figure(figsize=(7.4, 2.15 * sum(lines.values())), layout="constrained")
    panels = iter(figure.subplots(sum(lines.values()), COLUMNS, sharey=True, squeeze=False).flat)
    for kind, names in kinds.items():
        here = list(islice(panels, COLUMNS * lines[kind]))
        for number, (axes, name) in enumerate(zip(here, names, strict=False)):
            mine = [bias for bias in biases if bias["distribution"] == name]
            for estimator, style in INFORMATION[kind].items():
                points = [(bias["rows"], read(bias)) for bias in mine if bias["estimator"] == estimator]
                axes.plot(*zip(*points, strict=True), **style._asdict(), clip_on=False)
            meaning = mine[0]["meaning"].partition(":")[0]
            axes.set_title(
                f"{textwrap.fill(meaning, 38)}\nI = {mine[0]['nats']:.3f} nats", loc="left", size=7.5
            )
            counted(axes, sorted({bias["rows"] for bias in biases}), "rows")
            if quantity == "bias":
                about_zero(axes, 0.01, [read(bias) for bias in biases])
            else:
                above_zero(axes, [read(bias) for bias in biases])
            axes.set_ylabel(label if number % COLUMNS == 0 else "")
            quiet_grid(axes)
        for axes in here[len(names) :]:
            axes.set_axis_off()
        legend(here[len(names)], {name: (name, style) for name, style in INFORMATION[kind].items()})
    return figure


def draw_kl_terms(families: Sequence[Record]) -> Figure:
    """A row of panels a family of posteriors, one a term; a line an estimator: its bias against the batch size."""
    figure = Figure(figsize=(7.4, 2.0 * len(families) + 0.7), layout="constrained")
    panels = figure.subplots(len(families), len(TERMS), sharex=True, sharey=True, squeeze=False)
    every = [bias["bias_nats"] for family in families for bias in family["biases"]]
    for line, family in zip(panels, families, strict=True):
        for axes, (term, title) in zip(line, TERMS.items(), strict=True):
            mine = [bias for bias in family["biases"] if bias["term"] == term]
            for estimator, (_, style) in KL.items():
                points = [
                    (bias["batch_size"], bias["bias_nats"], bias["standard_error_nats"])
                    for bias in mine
                    if bias["estimator"] == estimator
                ]
                sizes, biases, errors = zip(*points, strict=True)
                look = {**style._asdict(), **ring(estimator), "elinewidth": 0.9, "capsize": 1.5}
                axes.errorbar(sizes, biases, errors, **look)
            axes.set_title(f"{title}: {family['exact'][term]:.2f} nats", loc="left")
            counted(axes, sorted({bias["batch_size"] for bias in mine}), "")
            axes.tick_params(axis="x", labelsize=6.5)
            about_zero(axes, 0.1, every)
            quiet_grid(axes)
        line[0].set_ylabel(f"{family['name']}\nbias, nats")
    for axes in panels[-1]:
        axes.set_xlabel("batch size")
    figure.legend(handles=handles(KL), loc="outside lower left", ncols=2, handlelength=3.2)
    return figure


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, as first met."""
    return list(dict.fromkeys(names))


def counted(axes: Axes, counts: Sequence[int], label: str) -> None:
    """A logarithmic axis of these counts, and no others."""
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) if count % 1000 else f"{count // 1000}k" for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)


def about_zero(axes: Axes, linear: float, values: Sequence[float]) -> None:
    """A vertical axis that is linear up to `linear` on both sides of 0, and logarithmic beyond."""
    axes.set_yscale("symlog", linthresh=linear, linscale=0.7)
    first, last = (math.floor(math.log10(linear)), math.ceil(math.log10(max(map(abs, values)))))
    decades = [10.0**power for power in range(first, last + 1)]
    low, high = min(values) < -linear, max(values) > linear
    ticks = [-decade for decade in decades if low] + [0.0] + [decade for decade in decades if high]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(0, color=INK, linewidth=0.8)


def above_zero(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic vertical axis of whole decades around values above 0."""
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    axes.set_yscale("log")
    axes.set_ylim(10.0**first, 10.0**last)
    axes.yaxis.set_major_locator(FixedLocator([10.0**power for power in range(first, last + 1)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def handles(styles: Mapping[str, tuple[str, Style]]) -> list[Line2D]:
    """Legend entries; mistakes have rings around what they coincide with."""
    return [
        Line2D([], [], **style._asdict(), **ring(name), label=label)
        for name, (label, style) in styles.items()
    ]


def ring(estimator: str) -> dict[str, Any]:
    """How the markers of mistakes differ from others."""
    return {"fillstyle": "none", "markersize": 8} if estimator.startswith("mistake") else {}


def legend(axes: Axes, styles: Mapping[str, tuple[str, Style]]) -> None:
    """A legend in the place of a panel."""
    axes.legend(handles=handles(styles), loc="center left", handlelength=3.2)
