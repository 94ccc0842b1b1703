"""Where panels go on a page, in inches, so that text never has to guess how much room there is.

A block is a titled grid of equal panels. Blocks fill shelves from left to right; a block that does not fit on the
shelf starts the next one. The page is as large as its blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

PAGE = 6.75
"""Inches across: what two columns of a paper take, so that text prints at the size it is set in."""

EDGE = 0.12

WIDTH = PAGE - 2 * EDGE
"""Inches that a shelf may take."""

HEADING = 0.25
HEADING_POINTS = 10.0
HEADING_LETTER = 0.084
"""Inches that a letter of a heading takes, generously."""

BETWEEN = 0.2


@dataclass(frozen=True)
class Block:
    """A titled grid of equal panels; sizes in inches."""

    title: str
    panels: int
    columns: int
    panel: tuple[float, float]
    """Width and height of the axes."""
    gap: tuple[float, float] = (0.45, 0.6)
    """Between axes, across and down: room for tick labels and titles."""
    left: float = 0.55
    top: float = 0.23
    bottom: float = 0.42
    right: float = 0.08
    slots: Sequence[int] | None = None
    """Which places of the grid have a panel, where not all of `panels` places do."""

    @property
    def rows(self) -> int:
        """Rows of panels."""
        return math.ceil(self.panels / self.columns)

    @property
    def width(self) -> float:
        """Outer width, room for the heading included."""
        used = min(self.columns, self.panels)
        inner = self.left + used * self.panel[0] + (used - 1) * self.gap[0] + self.right
        return max(inner, min(WIDTH, HEADING_LETTER * len(self.title)))

    @property
    def height(self) -> float:
        """Outer height, heading included."""
        inner = self.rows * self.panel[1] + (self.rows - 1) * self.gap[1]
        return HEADING * bool(self.title) + self.top + inner + self.bottom


def columns_that_fit(panel: float, gap: float, left: float = 0.55) -> int:
    """How many panels of a width stand side by side on a page."""
    return max(1, int((WIDTH - left + gap) // (panel + gap)))


def page(
    blocks: Sequence[Block], *, header: float = 0.0, width: float = 4.0
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with the blocks on it, and each block's axes, row by row.

    `header` inches are left free at the top for a legend; the page is at least `width` wide.
    """
    places, across, down = shelves(blocks)
    size = (max(across, width) + 2 * EDGE, down + header + 2 * EDGE)
    figure = Figure(figsize=size)
    drawn = []
    for block, (x, y) in zip(blocks, places, strict=True):
        left, top = EDGE + x, size[1] - EDGE - header - y
        if block.title:
            figure.text(left / size[0], top / size[1], block.title, size=HEADING_POINTS, va="top", ha="left")
        drawn.append(panels(figure, block, left, top))
    return figure, drawn


def panels(figure: Figure, block: Block, left: float, top: float) -> list[Axes]:
    """The axes of a block whose upper left corner is at (left, top) inches from the lower left of the figure."""
    width, height = figure.get_size_inches()
    panel_width, panel_height = block.panel
    first = top - HEADING * bool(block.title) - block.top - panel_height
    made = []
    for number in range(block.panels) if block.slots is None else block.slots:
        row, column = divmod(number, block.columns)
        x = left + block.left + column * (panel_width + block.gap[0])
        y = first - row * (panel_height + block.gap[1])
        made.append(figure.add_axes((x / width, y / height, panel_width / width, panel_height / height)))
    return made


def shelves(blocks: Sequence[Block]) -> tuple[list[tuple[float, float]], float, float]:
    """The upper left corner of each block, inches right and down, and the width and height of all."""
    places: list[tuple[float, float]] = []
    x = y = shelf = across = 0.0
    for block in blocks:
        if x and x + block.width > WIDTH:
            x, y, shelf = 0.0, y + shelf + BETWEEN, 0.0
        places.append((x, y))
        x += block.width
        shelf, across = max(shelf, block.height), max(across, x)
        x += BETWEEN
    return places, across, y + shelf


LETTER = 0.068
"""Inches that a letter of a panel's title takes, generously."""


def wrapped(title: str, width: float) -> str:
    """A panel's title on two lines if one of `width` inches is too short, broken where a remark begins."""
    if len(title) * LETTER <= width:
        return title
    for remark in (" (", ", ", " given "):
        head, found, tail = title.partition(remark)
        if found:
            return f"{head}{',' * (remark == ', ')}\n{remark.strip(', ')}{' ' * (remark == ' given ')}{tail}"
    return title


def room_for(titles: Iterable[str], width: float) -> float:
    """Inches above a panel that the titles need, wrapped to `width`."""
    return 0.37 if any("\n" in wrapped(title, width) for title in titles) else 0.23


def arm_by_arm(lengths: Sequence[int], columns: int) -> tuple[int, list[int]]:
    """Slots for the panels of arms of these lengths, and each panel's slot: every arm begins a row of its own.

    Arms of one panel each stand side by side instead.
    """
    if max(lengths) == 1:
        return len(lengths), list(range(len(lengths)))
    slots: list[int] = []
    first = 0
    for length in lengths:
        slots += range(first, first + length)
        first += math.ceil(length / columns) * columns
    return slots[-1] + 1, slots


def is_left(number: int, block: Block) -> bool:
    """Whether a panel stands first in its row."""
    return number % block.columns == 0


def is_lowest(number: int, block: Block) -> bool:
    """Whether no panel stands below a panel."""
    return number + block.columns >= block.panels


def header_place(figure: Figure, x: float, y: float) -> tuple[float, float]:
    """Figure coordinates of a point x inches from the left edge and y inches below the top edge."""
    width, height = figure.get_size_inches()
    return (EDGE + x) / width, 1 - (EDGE + y) / height
