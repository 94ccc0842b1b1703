"""Tables for LaTeX that fit the text of a page: cells wrapped, columns in blocks, long blocks over several pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .latex_text import WORD, printed, prose, width, wrapped
from .one_line import one_line

TEXT_WIDTH = 345.0
"""Points: the lines of `article` at 10 pt, narrower than those of most one-column classes."""

GAP = 8.0
"""Points between columns."""

ONE_PAGE = 40
"""Lines; what has more is a `longtable`, which goes on over the page."""

LONGEST_WORD = 100.0
"""Points; longer ones in headings are cut."""

LEAD = 0.4
"""The share of a line that columns take that every block repeats, if they can be wrapped to it."""


@dataclass(frozen=True)
class Column:
    """A column of plain texts, in which a line break begins another line."""

    heading: str
    cells: Sequence[str]
    right: bool = False
    """Numbers stand to the right."""
    narrowest: float | None = None
    """Points to which its texts may be wrapped where space is short; None: never."""


class Laid(NamedTuple):
    """A column in lines, at a width in points."""

    heading: list[str]
    cells: list[list[str]]
    right: bool
    width: float


def document(parts: Sequence[str]) -> str:
    """Tables and paragraphs in a group of their own: 8 pt, so that one document's size does not move the cut."""
    size = r"\fontsize{8}{9.5}\selectfont"
    spaces = rf"\setlength{{\tabcolsep}}{{{GAP / 2:g}pt}}\setlength{{\parindent}}{{0pt}}\sloppy"
    needs = "% needs \\usepackage{booktabs,longtable}, at least 345 pt wide"
    return "\n\n".join([f"{needs}\n\\begingroup{size}\n{spaces}", *parts, r"\par\endgroup"]) + "\n"


def table(title: str, columns: Sequence[Column], keys: int) -> str:
    """A table with booktabs rules, as one block or, where it is too wide, as several that begin with the same columns.

    Args:
        title: stands above each block, and again at the top of each of its pages.
        columns: of one length.
        keys: the first so many say what a line is about and are repeated.
    """
    cut = blocks(columns, keys)
    return "\n\n".join(block(title if not n else f"{title}, continued", one) for n, one in enumerate(cut))


def blocks(columns: Sequence[Column], keys: int) -> list[list[Laid]]:
    """Columns wrapped and cut so that each block fits a line."""
    together = fitted(columns, TEXT_WIDTH)
    if total(together) <= TEXT_WIDTH or len(columns) <= keys + 1:
        return [together]
    lead, rest = fitted(columns[:keys], LEAD * TEXT_WIDTH), together[keys:]
    found = filled(lead, rest, [len(rest)])
    fewest, more = divmod(len(rest), len(found))
    even = filled(lead, rest, [fewest + (n < more) for n in range(len(found))])
    return even if len(even) == len(found) else found


def filled(lead: list[Laid], rest: Sequence[Laid], most: Sequence[int]) -> list[list[Laid]]:
    """Blocks of the leading columns and as many others as fit, at most so many in the first block, the second, ..."""
    found: list[list[Laid]] = []
    for column in rest:
        room = most[min(len(found), len(most)) - 1]
        if not found or len(found[-1]) == len(lead) + room or total([*found[-1], column]) > TEXT_WIDTH:
            found.append(list(lead))
        found[-1].append(column)
    return found


def fitted(columns: Sequence[Column], space: float) -> list[Laid]:
    """Columns, the widest that may be wrapped narrowed until all fit into a space or none may be narrowed further."""
    limits = [math.inf] * len(columns)
    shown = [laid(column, math.inf) for column in columns]
    while total(shown) > space:
        able = [
            (shown[n].width, n)
            for n, column in enumerate(columns)
            if column.narrowest is not None and limits[n] > column.narrowest
        ]
        if not able:
            break
        wide, n = max(able)
        limits[n] = max(columns[n].narrowest or 0.0, min(limits[n], wide) - 4)
        shown[n] = laid(columns[n], limits[n])
    return shown


def laid(column: Column, limit: float) -> Laid:
    """A column at a limit of its texts; its heading takes their room, or that of its longest word or given lines."""
    cells = [wrapped(text, limit) for text in column.cells]
    taken = max((width(line) for lines in cells for line in lines), default=0.0)
    pieces = column.heading.split("\n") if "\n" in column.heading else WORD.findall(column.heading)
    least = max(map(width, pieces), default=0.0)
    heading = wrapped(column.heading, max(taken, min(least, LONGEST_WORD)))
    return Laid(heading, cells, column.right, max([taken, *map(width, heading)]))


def total(columns: Sequence[Laid]) -> float:
    """Points that columns take with what is between them."""
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def block(title: str, columns: Sequence[Laid]) -> str:
    """One `tabular`, or `longtable` if it has more lines than are sure to fit a page."""
    # Bold letters are wider than those that were measured.
    titles = wrapped(title, max(total(columns) / 1.25, LONGEST_WORD))
    above = [
        rf"\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}{{\textbf{{{printed(text)}}}}} \\*" for text in titles
    ]
    above[-1] += "[2pt]"
    deep = max(len(column.heading) for column in columns)
    head = physical([[""] * (deep - len(column.heading)) + column.heading for column in columns])
    rows = [physical(list(row)) for row in zip(*(column.cells for column in columns), strict=True)]
    tall = any(len(row) > 1 for row in rows)
    body = [line for row in rows for line in [*row[:-1], row[-1] + ("[3pt]" if tall else "")]]
    form = "@{}" + "".join("r" if column.right else "l" for column in columns) + "@{}"
    top = [*above, r"\toprule", *head, r"\midrule"]
    if len(top) + len(body) <= ONE_PAGE:
        lines = [rf"\begin{{tabular}}{{{form}}}", *top, *body, r"\bottomrule", r"\end{tabular}\par\medskip"]
    else:
        begin = rf"\begin{{longtable}}[l]{{{form}}}"
        lines = [begin, *top, r"\endhead", r"\bottomrule", r"\endfoot", *body, r"\end{longtable}"]
    return "\n".join(lines)


def physical(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table's source that together are one row; no page ends between them."""
    height = max(map(len, cells))
    lines = []
    for k in range(height):
        texts = [printed(lines_of[k]) if k < len(lines_of) else "" for lines_of in cells]
        # After the end of a line LaTeX would take these two for its options.
        guard = "{}" if texts[0].startswith(("[", "*")) else ""
        lines.append(guard + " & ".join(texts) + (r" \\*" if k < height - 1 else r" \\"))
    return lines


def enumerated(title: str, texts: Sequence[str]) -> str:
    """A titled list whose numbers are what a table refers to."""
    items = "\n".join(rf"\item {{}}{prose(one_line(text))}" for text in texts)
    close = r"\setlength{\itemsep}{0pt}\setlength{\parskip}{0pt}"
    return f"{title}:\n\\begin{{enumerate}}{close}\n{items}\n\\end{{enumerate}}"
