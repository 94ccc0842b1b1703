"""What papers printed beside what a study measured: the cells of `disbench table --published`, on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ..legend import Legend
from ..one_line import one_line
from ..published.comparison import Cell, columns_of, compared
from ..published.formats import COLUMNS, TEXTS, Notes, findings_told, heading, line, parts, tags_told
from ..store import Store
from ..study import Study
from .model_table import typed
from .text_tables import Field, TextTable


@dataclass(frozen=True)
class BesidePapers:
    """Tables, one a data set and condition, and what stands below them."""

    heading: str
    tables: list[TextTable]
    reasons: list[str]
    """By the numbers in brackets of verdicts, from 1."""
    sources: list[str]
    """By the numbers behind tags, from 1."""
    tags: list[str]
    findings: list[str]
    differences: list[str]

    @property
    def long(self) -> bool:
        """Whether data sets are folded but for the first."""
        return len(self.tables) > 1 and any(table.folded for table in self.tables)


def beside_papers(store: Store, study: Study, rows: pd.DataFrame) -> BesidePapers | None:
    """The study's published numbers beside its models; None of a study without any."""
    if not study.published:
        return None
    rows = rows[[name for name in columns_of(study) if name in rows]]
    cells = compared(study, rows, history_read(store, study, rows))
    legend, reasons, sources = Legend.of_code(), Notes(), Notes()
    tables = [table_of(title, part, legend, reasons, sources) for title, part in parts(cells).items()]
    return BesidePapers(
        heading=one_line(heading(study)),
        tables=tables,
        reasons=[one_line(text) for text in reasons.texts],
        sources=[one_line(text) for text in sources.texts],
        tags=tags_told(study, cells),
        findings=findings_told(study),
        differences=[one_line(text) for text in study.differences],
    )


def history_read(store: Store, study: Study, rows: pd.DataFrame) -> pd.DataFrame | None:
    """The points of those trainings that a number of part of one is about; None where there is no such number."""
    asked = {(number.data_set, number.objective) for number in study.published if number.during}
    if not asked:
        return None
    about = pd.MultiIndex.from_frame(rows[["data_set", "objective"]]).isin(asked)
    return store.history(set(rows.loc[about, "run_id"]))


def table_of(title: str, cells: Sequence[Cell], legend: Legend, reasons: Notes, sources: Notes) -> TextTable:
    """The cells of one data set and condition."""
    texts = [[one_line(text) for text in line(one, legend, reasons, sources)] for one in cells]
    return TextTable(
        title=title,
        headings=COLUMNS,
        numeric=[TEXTS <= n < len(COLUMNS) - 1 for n in range(len(COLUMNS))],
        lines=[fields(one, said) for one, said in zip(cells, texts, strict=True)],
        words=[
            " · ".join([title, *said, one.column, typed_name(one)])
            for one, said in zip(cells, texts, strict=True)
        ],
    )


def typed_name(one: Cell) -> str:
    """A cell's setting without Greek letters."""
    if one.strength is None:
        return one.objective.replace("_", "-")
    return typed({"objective": one.objective, "strength": one.strength})


def fields(one: Cell, texts: Sequence[str]) -> list[Field]:
    """A cell's texts under `COLUMNS`, each with the number that its column is sorted by; words sort as they are."""
    keys = {
        "strength": one.strength,
        "models": one.models or None,
        "measured": one.measured,
        "95 % interval": one.low,
        "published": one.published,
        "difference": one.difference,
    }
    words = {"score": one.column, "verdict": one.verdict}
    found = []
    for name, text in zip(COLUMNS, texts, strict=True):
        key = keys.get(name)
        bad = name == "verdict" and one.verdict == "differs"
        found.append(Field(text, words.get(name, "") if key is None else repr(key), bad))
    return found
