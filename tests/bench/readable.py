"""Whether a figure can be read: no text over another, none beside the page, nothing wider than a paper's page."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from disbench.bench.figures import FIGURES
from disbench.bench.figures.page import PAGE
from disbench.bench.figures.style import look
from disbench.bench.store import Store


def drawn(name: str, rows: pd.DataFrame, store: Store) -> Figure:
    """A figure that must be there, rendered once."""
    with look():
        figure = FIGURES[name].draw(rows, store)
        assert figure is not None
        FigureCanvasAgg(figure).draw()
    return figure


class Box(NamedTuple):
    """Where a text lies, in pixels: its centre, its size along and across the writing, the angle of the writing."""

    text: str
    centre: np.ndarray
    size: np.ndarray
    degrees: float
    edges: np.ndarray

    @classmethod
    def of(cls, text: Text, renderer: Any) -> "Box":
        """Measure a text upright and as it stands; both boxes have the same centre."""
        edges, degrees = text.get_window_extent(renderer), text.get_rotation()
        size = edges.size
        if degrees:
            text.set_rotation(0)
            size = text.get_window_extent(renderer).size
            text.set_rotation(degrees)
        return cls(text.get_text(), (edges.min + edges.max) / 2, size, degrees, edges.get_points())

    def touches(self, other: "Box") -> bool:
        """Whether two texts overlap by more than half a pixel; texts of one angle are compared along that angle."""
        (a, half_a), (b, half_b) = self.along(other.degrees), other.along(self.degrees)
        return bool((np.abs(a - b) < half_a + half_b - 0.5).all())

    def along(self, degrees: float) -> tuple[np.ndarray, np.ndarray]:
        """Centre and half size, turned upright if the other text has the same angle."""
        if degrees != self.degrees:
            return self.centre, (self.edges[1] - self.edges[0]) / 2
        cosine, sine = np.cos(np.radians(-degrees)), np.sin(np.radians(-degrees))
        return np.array([[cosine, -sine], [sine, cosine]]) @ self.centre, self.size / 2


def texts(figure: Figure) -> list[Box]:
    """Every text that shows."""
    renderer, hidden = FigureCanvasAgg(figure).get_renderer(), outside(figure)
    return [
        Box.of(text, renderer)
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and id(text) not in hidden
    ]


def outside(figure: Figure) -> set[int]:
    """Tick labels outside the view, by `id`: matplotlib keeps them but does not draw them."""
    return {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.majorTicks, *axis.minorTicks)
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }


def near(boxes: list[Box]) -> list[tuple[Box, Box]]:
    """The pairs whose upright frames overlap; no others can touch."""
    if not boxes:
        return []
    low, high = (np.stack([box.edges[end] for box in boxes]) for end in (0, 1))
    apart = [(low[:, None, axis] >= high[None, :, axis]) for axis in (0, 1)]
    overlap = ~(apart[0] | apart[0].T | apart[1] | apart[1].T)
    return [(boxes[a], boxes[b]) for a, b in np.argwhere(np.triu(overlap, 1)).tolist()]


def assert_readable(figure: Figure) -> None:
    """No two texts touch, none runs over the edge of the page, and the page is no wider than a paper's."""
    page = figure.get_size_inches() * figure.dpi
    boxes = texts(figure)
    for box in boxes:
        assert (box.edges >= 0).all() and (box.edges <= page).all(), f"{box.text!r} leaves the page"  # noqa: PT018
    for a, b in near(boxes):
        assert not a.touches(b), f"{a.text!r} lies over {b.text!r}"
    assert figure.get_size_inches()[0] <= PAGE, "wider than a paper's page: its text would be too small there"
