"""Latents against true factors: the two latents that know most about each factor, a point an image."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from disbench.metrics import mutual_information_matrix

from ..store import Store
from .arms import Floats
from .page import WIDTH, Block, is_left, page
from .style import INK, PALETTE, quiet_grid
from .trained import Shown, encoded, shown_models

IMAGES = 1_000
"""Of each model, a point each; the same for all models of a data set."""

EACH, IN_ALL = 2, 8
"""Strengths of an arm, and models of the whole figure."""

GAP, LEFT, RIGHT, HEIGHT = 0.17, 0.5, 0.12, 0.85

LETTER = 0.053
"""Inches that a letter of a class takes."""

WIDEST = 1.1

COLOURS = (PALETTE[0], PALETTE[1])
"""Of the latent that knows most, and of the second."""


@dataclass(frozen=True, eq=False)
class Codes:
    """One model's codes beside the truth."""

    shown: Shown
    names: list[str]
    """Of the factors, without the one that the model is told."""
    mean: Floats
    """[N, D]."""
    factors: Floats
    """Classes, [N, K]."""
    information: Floats
    """Nats, [D, K]: the row's, or from 20 bins of these codes where it has none."""


def draw_latent_factor_scatter(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A block a model, a column a factor: above the latent that knows most about it, below the second."""
    models = [
        codes
        for shown in shown_models(rows, store, each=EACH, in_all=IN_ALL)
        if (codes := codes_of(shown)) is not None
    ]
    if not models:
        return None
    blocks = []
    for codes in models:
        factors, lines = len(codes.names), min(2, codes.mean.shape[1])
        width = min(WIDEST, (WIDTH - LEFT - RIGHT - (factors - 1) * GAP) / factors)
        blocks.append(
            Block(
                f"{codes.shown.arm.subject}: {codes.shown.arm.model(codes.shown.strength)}",
                factors * lines,
                factors,
                (width, HEIGHT),
                gap=(GAP, 0.26),
                left=LEFT,
                right=RIGHT,
                bottom=0.45 if any("_" in name for name in codes.names) else 0.35,
            )
        )
    figure, places = page(blocks)
    for codes, block, panels in zip(models, blocks, places, strict=True):
        best = np.argsort(-codes.information, axis=0, kind="stable")
        reach = 1.08 * float(np.abs(codes.mean[:, np.unique(best[: block.rows])]).max()) or 1.0
        for number, axes in enumerate(panels):
            rank, factor = divmod(number, block.columns)
            draw_panel(axes, codes, int(best[rank, factor]), factor, COLOURS[rank], block.panel[0])
            axes.set_ylim(-reach, reach)
            axes.yaxis.set_major_locator(MaxNLocator(3, integer=True, symmetric=True))
            if is_left(number, block):
                axes.set_ylabel("mean code")
            else:
                axes.tick_params(labelleft=False)
            if rank == block.rows - 1:
                name_classes(axes, codes, factor, block.panel[0])
    return figure


def name_classes(axes: Axes, codes: Codes, factor: int, width: float) -> None:
    """The factor's name below its axis of `width` inches, and at their ticks the classes, or the first and last."""
    values = codes.shown.data.factor_values[codes.names[factor]]
    named = {place: class_name(values[place]) for place in named_classes(values, width)}
    axes.set_xticks(list(named), list(named.values()))
    axes.tick_params(axis="x", pad=7, labelsize=6)
    for label, (place, text) in zip(axes.get_xticklabels(), named.items(), strict=True):
        label.set_verticalalignment("baseline")
        # A long text at the end of the axis stays clear of the panel beside it.
        room = (0.5 + min(place, len(values) - 1 - place)) / len(values) * width + 0.7 * GAP
        if LETTER * len(text) / 2 > room:
            label.set_horizontalalignment("left" if place == 0 else "right")
    axes.set_xlabel(codes.names[factor].replace("_", "\n"), labelpad=0)


def named_classes(values: NDArray[Any], width: float) -> list[int]:
    """Which classes have their names on an axis of `width` inches: all that are words and fit, else first and last."""
    words = [class_name(value) for value in values]
    pitch = width / len(words)
    fit = all(LETTER * (len(a) + len(b)) / 2 < pitch for a, b in itertools.pairwise(words))
    if isinstance(values[0], str) and fit:
        return list(range(len(words)))
    return sorted({0, len(words) - 1})


def class_name(value: Any) -> str:
    """A class as its axis calls it."""
    return str(value) if isinstance(value, str) else f"{value:.3g}"


def codes_of(shown: Shown) -> Codes | None:
    """The codes of a model, and what its latents know; None where it is told the only factor."""
    codes = encoded(shown.run, shown.model, shown.data, IMAGES)
    kept = [k for k, name in enumerate(shown.data.factor_names) if name != shown.run.condition]
    if not kept:
        return None
    mean = codes.mean.numpy().astype(np.float64)
    factors = codes.factors[:, kept].numpy()
    information = scored(shown, (mean.shape[1], len(kept)))
    return Codes(
        shown,
        [shown.data.factor_names[k] for k in kept],
        mean,
        factors.astype(np.float64),
        mutual_information_matrix(mean, factors) if information is None else information,
    )


def scored(shown: Shown, shape: tuple[int, int]) -> Floats | None:
    """What the model's row has of the mutual information of latents and factors [D, K], from many more images."""
    nested = shown.arm.first_seed(shown.strength).get("mutual_information")
    if nested is None or np.ndim(nested) == 0 or len(nested) != shape[0]:
        return None
    table = np.stack([np.asarray(line, dtype=np.float64) for line in nested])
    return table if table.shape == shape and np.isfinite(table).all() else None


def draw_panel(axes: Axes, codes: Codes, latent: int, factor: int, colour: str, width: float) -> None:
    """One latent over the classes of one factor: images as points, scattered across a class, and the mean of each."""
    classes, values = codes.factors[:, factor], codes.mean[:, latent]
    golden = (np.sqrt(5) - 1) / 2
    aside = 0.6 * ((golden * np.arange(len(classes))) % 1 - 0.5)
    axes.plot(
        classes + aside,
        values,
        linestyle="none",
        marker=".",
        markersize=1.8,
        markeredgewidth=0,
        color=colour,
        alpha=0.5,
        rasterized=True,
    )
    known = np.unique(classes)
    axes.plot(known, [values[classes == c].mean() for c in known], color=INK, linewidth=0.9)
    axes.set_title(f"z{latent + 1}, {codes.information[latent, factor]:.2f} nats", loc="left", fontsize=7)
    last = len(codes.shown.data.factor_values[codes.names[factor]]) - 1
    axes.set_xlim(-0.5, last + 0.5)
    axes.set_xticks(named_classes(codes.shown.data.factor_values[codes.names[factor]], width), [])
    quiet_grid(axes)
