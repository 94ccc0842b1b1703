"""Heat map of how scores agree with each other over the models of a study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from ..analysis.agreement import Agreement, agreement
from ..evaluation import SCORES
from ..score_names import NAMES, full_name, short_name
from ..store import Store
from ..tables import ARROWS, READABLE
from .heat import draw_cells, draw_scale
from .page import BETWEEN, WIDTH, Block, page
from .style import FAINT, opposed_colours

MOST = 20
"""Scores of which a page has room; of more, `FIRST` come first, then those with a better side."""

FIRST = (
    *READABLE,
    "sap",
    "modularity",
    "factor_vae_score",
    "beta_vae_score",
    "explicitness",
    "irs",
    "gaussian_total_correlation",
    "mutual_info_score",
)
"""Those of tables, and the rest of the unsupervised study's."""

TRAINING_S_OWN = ("_mws_nats", "_mss_nats")
"""Estimates of the three terms of the KL that stand there already."""

LETTER = 0.058
"""Inches that a letter of a label takes."""

CELL = (0.2, 0.27)
"""Inches of a cell, at least where two triangles stand side by side, and at most."""

SIDE = 0.3
"""Inches to the right of a triangle."""
LEAST_MODELS = 4
"""Three models order themselves alike by chance too often for a picture."""

DOUBT = 0.05
"""A number is left out whose p-value is above it."""


def draw_agreement(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A triangle a data set and condition; scores in one order on all of them, those that agree side by side."""
    names = shown_scores(rows)
    found = [
        group
        for group in (agreement(rows, names, resamples=0) if names else [])
        if len(group.scores) > 1 and group.models.max() >= LEAST_MODELS
    ]
    if not found:
        return None
    order = arranged(found, names)
    orders = [[name for name in order if name in group.scores] for group in found]
    cell = cell_size(orders)
    blocks = []
    for group, kept in zip(found, orders, strict=True):
        side = cell * (len(kept) - 1)
        bottom = 0.15 + 0.75 * LETTER * max(len(label(name)) for name in kept[:-1])
        blocks.append(
            Block(heading(group), 1, 1, (side, side), left=left_of(kept), top=0.1, bottom=bottom, right=SIDE)
        )
    figure, places = page(blocks, header=0.55, width=6.0)
    scale = Normalize(-1, 1)
    for group, kept, (axes,) in zip(found, orders, places, strict=True):
        draw_group(axes, group, kept, scale)
    draw_scale(
        figure,
        scale,
        "rank correlation over models; 1: both prefer the same",
        (-1, 0, 1),
        ("-1", "0", "1"),
        opposed_colours(),
    )
    return figure


def cell_size(orders: Sequence[Sequence[str]]) -> float:
    """Inches of a cell that all triangles can have."""
    halves, whole = (
        min((room - left_of(kept) - SIDE) / (len(kept) - 1) for kept in orders)
        for room in ((WIDTH - BETWEEN) / 2, WIDTH)
    )
    fitting = halves if len(orders) > 1 and halves >= CELL[0] else whole
    return min(fitting, CELL[1])


def left_of(kept: Sequence[str]) -> float:
    """Inches to the left of a triangle, for the names of its rows."""
    return 0.15 + LETTER * max(len(label(name)) for name in kept[1:])


def shown_scores(rows: pd.DataFrame) -> list[str]:
    """At most `MOST` of the scalar scores that any finished model has, in the order of `SCORES`."""
    done = rows[rows["status"] == "done"]
    known = [
        name
        for name, score in SCORES.items()
        if score.kind == "number"
        and not name.endswith(TRAINING_S_OWN)
        and name in done
        and np.isfinite(done[name].astype(float)).any()
    ]
    first = sorted(known, key=lambda name: (name not in FIRST, SCORES[name].direction is None))[:MOST]
    return [name for name in known if name in first]


def arranged(found: Sequence[Agreement], names: Sequence[str]) -> list[str]:
    """One order for all groups: that of a hierarchical clustering by mean correlation (average linkage).

    Of two mirror images the one in which the first score stands in the upper half.
    """
    names = [name for name in names if any(name in group.scores for group in found)]
    tables = [group.matrix().reindex(index=names, columns=names).to_numpy() for group in found]
    known = np.isfinite(tables)
    mean = np.where(known, tables, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    if len(names) < 3:
        return list(names)
    distance = np.clip(1 - (mean + mean.T) / 2, 0, 2)
    np.fill_diagonal(distance, 0)
    leaves = leaves_list(
        linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    ).tolist()
    ordered = leaves if leaves.index(0) < len(leaves) / 2 else leaves[::-1]
    return [names[leaf] for leaf in ordered]


def draw_group(axes: Axes, group: Agreement, kept: Sequence[str], scale: Normalize) -> None:
    """The lower triangle, without the diagonal."""
    place = [group.scores.index(name) for name in kept]
    below = np.tril(np.ones((len(kept),) * 2, dtype=bool), -1)
    table = np.where(below, group.correlation[np.ix_(place, place)], np.nan)[1:, :-1]
    certain = (group.p_value[np.ix_(place, place)] <= DOUBT)[1:, :-1]
    draw_cells(axes, table, scale, numbers=short, size=5.5, colours=opposed_colours(), numbered=certain)
    for row, column in np.argwhere(below[1:, :-1] & np.isnan(table)):
        axes.text(column, row, "–", size=6, color=FAINT, ha="center", va="center")
    axes.set_yticks(range(len(kept) - 1), [label(name) for name in kept[1:]])
    axes.set_xticks(
        range(len(kept) - 1),
        [label(name) for name in kept[:-1]],
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )


def heading(group: Agreement) -> str:
    """`dsprites, 16 models`."""
    counts = group.models[np.triu_indices(len(group.scores), 1)]
    least, most = int(counts.min()), int(counts.max())
    return f"{group.subject}, {most if least == most else f'{least} to {most}'} models"


def label(name: str) -> str:
    """A score in few words, with its arrow."""
    words = short_name(name) if name in NAMES else full_name(name)
    return words + ARROWS[SCORES[name].direction]


def short(correlation: float) -> str:
    """A correlation in three characters: .83, -.5, 1."""
    if abs(correlation) >= 0.995:
        return f"{correlation:.0f}"
    return f"{correlation:.2f}".replace("0.", ".", 1)
