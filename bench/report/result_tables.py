"""The tables of a report: means and spreads as text, the best of each column marked."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ..evaluation import SCORES
from ..tables import READABLE, cells, parts, shown_scores, summary
from .model_table import typed, words_of


@dataclass(frozen=True)
class Cell:
    """One cell of a table: a text, or a mean with its spread."""

    text: str
    spread: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A titled table; `parts` are lines, `breaks` says which of them begin another objective."""

    title: str
    headings: list[str]
    lines: list[list[Cell]]
    breaks: list[bool]
    words: list[str]
    """Of each line, as the lines of its models have them."""
    found_by: list[str]
    """The same, and how it is typed."""


def result_tables(rows: pd.DataFrame) -> list[Table]:
    """The readable scores, one table a data set and condition."""
    return [as_table(title, part) for title, part in parts(summary(rows))]


def further_tables(rows: pd.DataFrame) -> list[Table]:
    """All other scores that any model has."""
    names = [
        n for n, s in SCORES.items() if s.kind == "number" and n not in READABLE and rows[n].notna().any()
    ]
    return (
        [as_table(title, part) for title, part in parts(summary(rows, names)) if shown_scores(part)]
        if names
        else []
    )


def as_table(title: str, part: pd.DataFrame) -> Table:
    """A part of a summary as text, the best mean of each column marked, where the score has a better side."""
    text, names = cells(part), shown_scores(part)
    plain = len(text.columns) - len(names)
    marks = [[False] * len(part) for _ in range(plain)] + [
        best(part[name], SCORES[name].direction) for name in names
    ]
    lines = [
        [as_cell(str(value), marks[column][line]) for column, value in enumerate(values)]
        for line, values in enumerate(text.itertuples(index=False))
    ]
    objectives = list(part["objective"])
    breaks = [n > 0 and objectives[n] != objectives[n - 1] for n in range(len(objectives))]
    settings = part.to_dict("records")
    words = [words_of(row) for row in settings]
    found_by = [f"{said} · {typed(row)}" for said, row in zip(words, settings, strict=True)]
    return Table(title, [str(heading) for heading in text.columns], lines, breaks, words, found_by)


def as_cell(text: str, is_best: bool) -> Cell:
    """A cell from its text, `mean ± spread` taken apart."""
    mean, sign, spread = text.partition(" ± ")
    return Cell(mean, f"± {spread}" if sign else "", is_best)


def best(means: pd.Series[float], direction: str | None) -> list[bool]:
    """Which lines have the best mean; none where neither side is better or there is nothing to compare."""
    known = means.dropna()
    if direction is None or known.nunique() < 2:
        return [False] * len(means)
    top = known.max() if direction == "higher" else known.min()
    return [bool(value == top) for value in means]
