"""Every model of a study in a line of its own, to be sorted and filtered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..catalogue import OBJECTIVES
from ..evaluation import SCORES
from ..one_line import one_line
from ..score_names import short_name
from ..tables import ARROWS, READABLE, cell, variants_by_objective

MOST_LINES = 2_000
"""A page with more is slow to open; `disbench table --format csv` and the row files have all."""


@dataclass(frozen=True)
class ModelLine:
    """One model: what it is, what became of it, its scores as text and as the numbers that a column is sorted by."""

    run_id: str
    title: str
    words: str
    """What a line is found by, between dots: the setting as lines of means have it, then as it is typed."""
    strength: str
    data_set: str
    condition: str
    seed: int
    status: str
    scores: list[tuple[str, str]]
    """Text and sort key; both empty where there is none."""
    has_page: bool


def shown_columns(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Headings and names of the scores that any model has, of those that fit."""
    return [
        (short_name(name) + ARROWS[SCORES[name].direction], name)
        for name in READABLE
        if rows[name].notna().any()
    ]


def model_lines(rows: pd.DataFrame, with_page: Collection[str]) -> list[ModelLine]:
    """A line a model, in the study's order, for as many as a browser likes."""
    rows = rows.assign(variant=variants_by_objective(rows)).head(MOST_LINES)
    names = [name for _, name in shown_columns(rows)]
    return [line(row, names, with_page) for row in rows.to_dict("records")]


def line(row: dict[Any, Any], names: list[str], with_page: Collection[str]) -> ModelLine:
    """One row's line."""
    return ModelLine(
        run_id=str(row["run_id"]),
        title=title_of(row),
        words=" · ".join([words_of(row), f"seed {row['seed']}", str(row["status"]), typed(row)]),
        strength=strength_of(row),
        data_set=one_line(row["data_set"]),
        condition=one_line(row["condition"]) if isinstance(row["condition"], str) else "",
        seed=int(row["seed"]),
        status=str(row["status"]),
        scores=[score_text(name, row[name]) for name in names],
        has_page=row["run_id"] in with_page,
    )


def title_of(row: dict[Any, Any]) -> str:
    """The objective as tables call it, with what sets the arm apart."""
    title = OBJECTIVES[row["objective"]].title
    return one_line(f"{title} ({row['variant']})" if row.get("variant") else title)


def strength_of(row: dict[Any, Any]) -> str:
    """`β = 4`, or nothing."""
    symbol = OBJECTIVES[row["objective"]].strength
    return f"{symbol} = {row['strength']:g}" if symbol else ""


def words_of(row: dict[Any, Any]) -> str:
    """A setting in one text."""
    given = f" given {row['condition']}" if isinstance(row["condition"], str) else ""
    return " · ".join(
        part for part in (title_of(row), strength_of(row), one_line(row["data_set"]) + given) if part
    )


def typed(row: dict[Any, Any]) -> str:
    """A setting without Greek letters: `beta-tcvae 4`."""
    return f"{str(row['objective']).replace('_', '-')} {row['strength']:g}"


def score_text(name: str, value: Any) -> tuple[str, str]:
    """A score as tables show it, and as a number in full."""
    if pd.isna(value):
        return "", ""
    return cell(float(value), float("nan"), count=SCORES[name].unit == "units"), repr(float(value))
