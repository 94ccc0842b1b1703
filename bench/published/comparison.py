"""Every published number of a study beside the models of a folder that can stand next to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..run import identity
from ..scales import shown
from .departures import departures
from .numbers import PublishedNumber
from .verdict import LEVEL, Values, measured, verdict

if TYPE_CHECKING:
    from ..study import Study

READ = ("run_id", "data_set", "condition", "objective", "strength", "seed", "status", "configuration")
"""The columns of rows that a comparison looks at, beside those that numbers were printed for."""


@dataclass(frozen=True)
class Cell:
    """A printed number and the models of one setting beside it; all that was measured is None where none was run."""

    data_set: str
    condition: str | None
    objective: str
    options: str
    """Of the objective, those that tell which arm it is."""
    strength: float | None
    column: str
    during: str
    """Steps of training that it is the mean of; empty for finished models."""
    statistic: str
    models: int
    """Finished, with a value of this column."""
    diverged: int
    """Models of the same setting that are in no mean."""
    measured: float | None
    spread: float | None
    """Standard deviation over seeds."""
    low: float | None
    high: float | None
    interval: str
    """How low and high were made."""
    published: float
    rounding: float
    """Half a unit of its last digit; 0 where that is not known."""
    published_spread: float | None
    published_models: int | None
    tag: str
    source: str
    difference: float | None
    """Measured less published, in units of `spread`."""
    tolerance: float | None
    """How far apart they may be and agree, in the column's unit."""
    verdict: str
    """agrees, differs, not comparable; empty where nothing was measured."""
    reason: str
    """Why it is not comparable."""


def columns_of(study: Study) -> list[str]:
    """The columns of rows that a comparison of this study reads."""
    printed = dict.fromkeys(number.column for number in study.published if not number.during)
    return [*READ, *(name for name in printed if name not in READ)]


def compared(study: Study, rows: pd.DataFrame, history: pd.DataFrame | None = None) -> list[Cell]:
    """Every published number of the study beside what was measured, in the study's order.

    Args:
        study: with its published numbers.
        rows: of a folder, with `columns_of(study)`; a column may be absent.
        history: points of trainings, for numbers of part of one.

    Returns:
        A cell a number; several where models of more than one setting stand beside it (a source that gives no strength
        has one for each strength), and one that is empty where there are none.
    """
    found = []
    for number in study.published:
        values = history_means(history, number) if number.during else rows.get(number.column)
        beside = rows.assign(value=np.nan if values is None else values_by_run(rows, values, number))
        settings = settings_of(beside[matches(beside, number)])
        cells = [cell_of(study, number, models) for models in settings]
        # Where every seed diverged nothing was measured, and that is told too.
        told = [cell for cell in cells if cell.models or cell.diverged]
        found += told or cells[:1] or [cell_of(study, number, rows.iloc[:0].assign(value=np.nan))]
    return found


def values_by_run(rows: pd.DataFrame, values: pd.Series[Any], number: PublishedNumber) -> pd.Series[Any]:
    """The value of each row: its own, or that of its history."""
    return rows["run_id"].map(values) if number.during else values.astype(float)


def history_means(history: pd.DataFrame | None, number: PublishedNumber) -> pd.Series[Any] | None:
    """By run, the mean of its points from one step until before another; None where there is no history.

    A point stands for the steps since the one before it, so that the very first, a single batch, weighs little. Of
    these only steps within the span count and, where the source looked at every 50th step, multiples of 50: then the
    very first is one of few. Of a training that ended earlier there is none.
    """
    if history is None or number.during is None or number.column not in history:
        return None
    first, end = number.during
    points = history[["run_id", "step", number.column]].sort_values(["run_id", "step"], kind="stable")
    by_run = points.groupby("run_id")["step"]
    # How many of the source's steps lie after the point before (or the span's begin) up to this one (or its end).
    since, until = by_run.shift(fill_value=-1).clip(lower=first - 1), points["step"].clip(upper=end - 1)
    weight = (until // number.every - since // number.every).astype(float)
    within = (weight > 0) & (by_run.transform("max") >= end - 1)
    total = (points[number.column] * weight)[within].groupby(points["run_id"]).sum(min_count=1)
    return total / weight[within].groupby(points["run_id"]).sum()


def matches(rows: pd.DataFrame, number: PublishedNumber) -> pd.Series[bool]:
    """Which rows are of the models that a number is about."""
    same = (rows["data_set"] == number.data_set) & (rows["objective"] == number.objective)
    conditions = rows["condition"]
    same &= conditions.isna() if number.condition is None else conditions == number.condition
    if number.strength is not None:
        same &= rows["strength"] == number.strength
    if number.options:
        same &= rows["configuration"].map(lambda text: has_options(text, number.options)).astype(bool)
    return same


def has_options(configuration: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a run's objective has these options."""
    options = json.loads(configuration)["options"]
    return all(options.get(name) == value for name, value in wanted.items())


def settings_of(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows cut into those that differ in nothing but their seed, in order of appearance."""
    if rows.empty:
        return []
    settings = []
    for text in rows["configuration"]:
        of_run = identity(json.loads(text))
        settings.append(json.dumps({**of_run, "seed": None}, sort_keys=True))
    return [part for _, part in rows.groupby(pd.Series(settings, index=rows.index), sort=False)]


def cell_of(study: Study, number: PublishedNumber, models: pd.DataFrame) -> Cell:
    """A printed number beside models that differ in their seed."""
    done = models[models["status"] == "done"]
    values: Values = done["value"].dropna().to_numpy(dtype=np.float64)
    strength = number.strength if models.empty else float(models["strength"].iloc[0])
    about: dict[str, Any] = {
        "data_set": number.data_set,
        "condition": number.condition,
        "objective": number.objective,
        "options": shown(number.options) if number.options else "",
        "strength": strength,
        "column": number.column,
        "during": "{:,} to {:,}".format(*number.during) if number.during else "",
        "statistic": number.statistic,
        "models": len(values),
        "diverged": int((models["status"] == "diverged").sum()),
        "published": number.value,
        "rounding": number.rounding,
        "published_spread": number.spread,
        "published_models": number.models,
        "tag": number.tag,
        "source": number.source,
    }
    if not len(values):
        nothing: dict[str, Any] = dict.fromkeys(
            ("measured", "spread", "low", "high", "difference", "tolerance")
        )
        return Cell(**about, **nothing, interval="", verdict="", reason="")
    found = measured(values, number.statistic)
    judged = verdict(values, number, departures(study, number, json.loads(done["configuration"].iloc[0])))
    return Cell(
        **about,
        measured=found.value,
        spread=known(found.spread),
        low=known(found.low),
        high=known(found.high),
        interval=f"{LEVEL:.0%}, {found.interval}" if found.interval else "",
        difference=known(judged.difference),
        tolerance=known(judged.tolerance),
        verdict=judged.status,
        reason="; ".join(judged.reasons),
    )


def known(value: float) -> float | None:
    """A number, None for NaN."""
    return None if np.isnan(value) else value


def as_table(cells: Sequence[Cell]) -> pd.DataFrame:
    """Cells as a table, a line each."""
    names = [field.name for field in fields(Cell)]
    return pd.DataFrame([[getattr(cell, name) for name in names] for cell in cells], columns=names)
