"""Whether a figure can be read: no text over another, none beside the page."""

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from disbench.bench.figures import FIGURES
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
    def of(cls, text: Text, figure: Figure) -> "Box":
        """Measure a text upright and as it stands; both boxes have the same centre."""
        renderer = FigureCanvasAgg(figure).get_renderer()
        edges, degrees = text.get_window_extent(renderer), text.get_rotation()
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
    return [
        Box.of(text, figure)
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and shows(text, figure)
    ]


def shows(text: Text, figure: Figure) -> bool:
    """Tick labels outside the view are kept by matplotlib but not drawn."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for tick in (*axis.majorTicks, *axis.minorTicks):
                if text in (tick.label1, tick.label2):
                    low, high = sorted(axis.get_view_interval())
                    return bool(low <= tick.get_loc() <= high)
    return True


def assert_readable(figure: Figure) -> None:
    """No two texts touch, and none runs over the edge of the page."""
    page = figure.get_size_inches() * figure.dpi
    boxes = texts(figure)
    for box in boxes:
        assert (box.edges >= 0).all() and (box.edges <= page).all(), f"{box.text!r} leaves the page"  # noqa: PT018
    for a, b in itertools.combinations(boxes, 2):
        assert not a.touches(b), f"{a.text!r} lies over {b.text!r}"
