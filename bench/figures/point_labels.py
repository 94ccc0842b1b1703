"""Labels beside points of a plane: where they touch no other label, marker or line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from .arms import Floats
from .style import INK

OFFSETS = [
    (6, 4),
    (6, -9),
    (-6, 4),
    (-6, -9),
    (0, 8),
    (0, -13),
    (12, -2),
    (-12, -2),
    (14, 10),
    (-14, 10),
    (14, -16),
]
"""Places to try for a label, in points from its marker, best first."""

NEAR = 8.0
"""Points on paper within which two markers lie on each other."""


@dataclass(frozen=True)
class PointLabel:
    """A text that belongs to a point of the axes."""

    x: float
    y: float
    text: str
    colour: str


def place_labels(axes: Axes, labels: Sequence[PointLabel]) -> None:
    """Write each label beside its point where it touches no other label, marker or line; else leave it out.

    Points of one text that lie on each other have one label, in black where they differ in colour. The limits of the
    axes must be final.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    inside = axes.get_window_extent(renderer)
    taken: list[Bbox] = []
    dots = ink(axes, reach=3.0 * figure.dpi / 72)
    for label in joined(axes, labels):
        for offset in OFFSETS:
            side = "center" if not offset[0] else "left" if offset[0] > 0 else "right"
            note = axes.annotate(
                label.text,
                (label.x, label.y),
                offset,
                textcoords="offset points",
                size=7.5,
                color=label.colour,
                ha=side,
            )
            box = note.get_window_extent(renderer)
            free = contains(inside, box) and not any(box.overlaps(other) for other in taken)
            if free and not bool(((dots >= box.min) & (dots <= box.max)).all(axis=1).any()):
                taken.append(box)
                break
            Annotation.remove(note)


def joined(axes: Axes, labels: Sequence[PointLabel]) -> list[PointLabel]:
    """The labels with those of one text and nearly one place as one, at the middle of their points."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    reach = NEAR * figure.dpi / 72
    groups: list[tuple[Floats, list[PointLabel]]] = []
    for label in labels:
        place = axes.transData.transform((label.x, label.y))
        for first, members in groups:
            if members[0].text == label.text and bool((np.abs(first - place) <= reach).all()):
                members.append(label)
                break
        else:
            groups.append((place, [label]))
    return [
        PointLabel(
            float(np.mean([label.x for label in members])),
            float(np.mean([label.y for label in members])),
            members[0].text,
            members[0].colour if len({label.colour for label in members}) == 1 else INK,
        )
        for _, members in groups
    ]


def ink(axes: Axes, reach: float) -> Floats:
    """Dots on the screen [M, 2] along the lines of the arms and around their markers at a distance of `reach`."""
    dots = [np.empty((0, 2))]
    for line in axes.get_lines():
        if line.get_label() and not str(line.get_label()).startswith("_"):
            corners = axes.transData.transform(np.column_stack(line.get_data()))
            share = np.linspace(0, 1, 200)[:, None]
            dots += [start + share * (end - start) for start, end in itertools.pairwise(corners)]
            angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            ring = reach * np.column_stack([np.cos(angles), np.sin(angles)])
            dots += [corner + ring for corner in corners]
    return np.concatenate(dots)


def contains(outer: Bbox, inner: Bbox) -> bool:
    """Whether a box lies within another."""
    return bool(
        outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1
    )
