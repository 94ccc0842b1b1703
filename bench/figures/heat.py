"""A heat map of a small table: cells, numbers in them, a scale beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .arms import Floats
from .page import header_place
from .style import heat_colours, ink_on


def draw_cells(
    axes: Axes,
    table: Floats,
    scale: Normalize,
    *,
    numbers: Callable[[float], str] | None,
    size: float = 6.0,
    colours: Colormap | None = None,
    numbered: NDArray[np.bool_] | None = None,
) -> None:
    """Colour the cells of a table [rows, columns]; write `numbers(value)` into each. NaN stays white and empty.

    With `numbered` [rows, columns], only into those.
    """
    colours = colours or heat_colours()
    height, width = table.shape
    edges = np.arange(width + 1) - 0.5, np.arange(height + 1) - 0.5
    axes.pcolormesh(*edges, table, cmap=colours, norm=scale, edgecolors="white", linewidth=0.8)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    if numbers is None:
        return
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value) and (numbered is None or numbered[row, column]):
            red, green, blue, _ = colours(scale(value))
            ink = ink_on(red, green, blue)
            axes.text(column, row, numbers(float(value)), size=size, color=ink, ha="center", va="center")


def draw_scale(
    figure: Figure,
    scale: Normalize,
    label: str,
    ticks: Sequence[float],
    texts: Sequence[str],
    colours: Colormap | None = None,
) -> None:
    """A horizontal colour scale at the top left of the page, with its label beside it; needs 0.55 inches of header."""
    width, height = figure.get_size_inches()
    x, y = header_place(figure, 0.25, 0.16)
    axes = figure.add_axes((x, y, 2.0 / width, 0.12 / height))
    bar = figure.colorbar(
        ScalarMappable(scale, colours or heat_colours()), cax=axes, orientation="horizontal"
    )
    bar.set_ticks(list(ticks), labels=list(texts))
    bar.outline.set_visible(False)
    axes.tick_params(labelsize=7, length=2, pad=2)
    figure.text(x + 2.15 / width, y + 0.06 / height, label, size=8, va="center", ha="left")
