"""Comparisons with published numbers as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from ..latex_tables import Column, document, enumerated, table
from ..latex_text import prose
from ..legend import Legend
from ..one_line import one_line
from ..score_names import short_name
from ..tables import ARROWS, cell, without_formulas
from .comparison import Cell, as_table
from .departures import otherwise
from .numbers import TAGS, as_printed
from .verdict import FEWEST_SEEDS, WIDE

if TYPE_CHECKING:
    from ..study import Study

COLUMNS = (
    "objective",
    "strength",
    "score",
    "models",
    "measured",
    "95 % interval",
    "published",
    "difference",
    "verdict",
)
"""Of the readable tables."""

STACKED: dict[str, tuple[bool, float | None]] = {
    "objective\nmodels": (False, 60.0),
    "score": (False, 50.0),
    "measured\n95 % interval": (True, None),
    "published\n[tag; source]": (True, 50.0),
    "difference\nverdict": (False, 45.0),
}
"""Columns of LaTeX: whether they stand to the right, and the points to which they may be wrapped."""

TEXTS = 3
"""The first so many are words, the others numbers."""

RULE = (
    "Measured: mean ± standard deviation over seeds. Difference: measured less published, in standard deviations. "
    f"Verdicts by the rule of docs/published.md; fewer than {FEWEST_SEEDS} seeds have none. Within ±: how far apart "
    f"the two may be and agree; few seeds: more than {WIDE:g} standard deviations, so that agreement says little."
)

DIFFER = "Where our models come out otherwise, as the study's file says"
"""Above `differences` of a study."""


class Notes:
    """Texts that lines of a table refer to by number, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def number(self, text: str) -> int:
        """The number of a text, from 1."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def parts(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells by data set and condition, titled."""
    found: dict[str, list[Cell]] = {}
    for one in cells:
        title = f"{one.data_set} given {one.condition}" if one.condition else one.data_set
        found.setdefault(one_line(title), []).append(one)
    return found


def line(one: Cell, legend: Legend, reasons: Notes, sources: Notes, plus_minus: str = " ± ") -> list[str]:
    """A cell as texts under `COLUMNS`; where nothing was measured nothing stands."""
    method, column = legend.objectives[one.objective], legend.columns.get(one.column)
    counted = column is not None and column.unit == "units"
    heading = short_name(one.column) + ARROWS[column.direction if column else None]
    when = f", steps {one.during}" if one.during else ""
    statistic = f", {one.statistic}" if one.statistic != "mean" else ""

    def number(value: float | None, spread: float | None = None) -> str:
        missing = math.nan
        return cell(
            missing if value is None else value,
            missing if spread is None else spread,
            plus_minus,
            count=counted,
        )

    interval = f"{number(one.low)} to {number(one.high)}" if one.low is not None else ""
    seeds = f", {counted_models(one.published_models)}" if one.published_models else ""
    literature = as_printed(one.published, one.published_spread, one.rounding, plus_minus)
    judged = f"{one.verdict} ({reasons.number(one.reason)})" if one.reason else one.verdict
    if one.tolerance is not None:
        wide = one.verdict == "agrees" and one.spread and one.tolerance > WIDE * one.spread
        judged += f"{' within' if one.verdict == 'agrees' else ', over'} {plus_minus.strip()}{number(one.tolerance)}"
        judged += " (few seeds)" if wide else ""
    return [
        f"{method.title} ({one.options})" if one.options else method.title,
        f"{method.strength} = {one.strength:g}" if method.strength and one.strength is not None else "",
        heading + when + statistic,
        (f"{one.models}" if one.models else "") + (f" ({one.diverged} diverged)" if one.diverged else ""),
        number(one.measured, one.spread),
        interval,
        f"{literature} [{one.tag}{seeds}; {sources.number(one.source)}]",
        f"{one.difference:+z.1f}" if one.difference is not None and math.isfinite(one.difference) else "",
        judged,
    ]


def as_markdown(study: Study, cells: Sequence[Cell], legend: Legend) -> str:
    """Tables, one a data set and condition, and below them what their numbers in brackets stand for."""
    reasons, sources = Notes(), Notes()
    blocks = [one_line(heading(study))]
    for title, part in parts(cells).items():
        lines = [[text.replace("|", r"\|") for text in line(one, legend, reasons, sources)] for one in part]
        aligned = ("left",) * TEXTS + ("right",) * (len(COLUMNS) - TEXTS - 1) + ("left",)
        body = tabulate(lines, headers=COLUMNS, tablefmt="pipe", disable_numparse=True, colalign=aligned)
        blocks.append(f"### {title}\n\n{body}")
    blocks.append(RULE)
    if reasons.texts:
        blocks.append("Not comparable:\n\n" + numbered(reasons.texts))
    blocks.append("Published numbers, and where they were read:\n\n" + numbered(sources.texts))
    blocks.append("\n".join(tags_told(study, cells)))
    if study.findings:
        blocks.append("Printed beside them:\n\n" + "\n".join(f"- {text}" for text in findings_told(study)))
    if study.differences:
        blocks.append(f"{DIFFER}:\n\n" + "\n".join(f"- {one_line(text)}" for text in study.differences))
    return "\n\n".join(blocks) + "\n"


def tags_told(study: Study, cells: Sequence[Cell]) -> list[str]:
    """The tags that occur, and what they mean."""
    tags = {*(one.tag for one in cells), *(finding.tag for finding in study.findings)}
    return [f"[{tag}] {TAGS[tag]}." for tag in TAGS if tag in tags]


def findings_told(study: Study) -> list[str]:
    """What was printed beside the numbers, a line each."""
    return [one_line(f"{f.text} [{f.tag}; {f.source}]") for f in study.findings]


def heading(study: Study) -> str:
    """What the tables are of, and in what no model of them is as the paper's."""
    size = f", scale {study.scale}" if study.scale else ""
    found = otherwise(study)
    told = f". No model here is as the paper's: {'; '.join(found)}" if found else ""
    return f"Study {study.name}{size}, beside {study.paper or 'published numbers'}{told}"


def counted_models(count: int) -> str:
    """`1 model`, `5 models`."""
    return f"{count} model{'s' if count > 1 else ''}"


def numbered(texts: Sequence[str]) -> str:
    """A list whose numbers are what the tables refer to."""
    return "\n".join(f"{position}. {one_line(text)}" for position, text in enumerate(texts, start=1))


def as_latex(study: Study, cells: Sequence[Cell], legend: Legend) -> str:
    """Tables with booktabs rules, one a data set and condition, and all that Markdown says, as printed text."""
    reasons, sources = Notes(), Notes()
    size, found = f", scale {study.scale}" if study.scale else "", otherwise(study)
    # A table cut out of its page still says what it is of.
    size += f": {'; '.join(found)}" if found else ""
    blocks = [prose(one_line(heading(study)))]
    for title, part in parts(cells).items():
        rows = [stacked(one, line(one, legend, reasons, sources)) for one in part]
        columns = [
            Column(name, texts, *layout)
            for (name, layout), *texts in zip(STACKED.items(), *rows, strict=True)
        ]
        blocks.append(table(title + size, columns, keys=2))
    blocks.append(prose(RULE))
    notes = [("Not comparable", reasons), ("Published numbers, and where they were read", sources)]
    blocks += [enumerated(title, found.texts) for title, found in notes if found.texts]
    blocks.append(prose(" ".join(tags_told(study, cells))))
    if study.findings:
        blocks.append(enumerated("Printed beside them", findings_told(study)))
    if study.differences:
        blocks.append(enumerated(DIFFER, [one_line(text) for text in study.differences]))
    return document(blocks)


def stacked(one: Cell, texts: Sequence[str]) -> list[str]:
    """A cell's texts under `STACKED`: those of `COLUMNS`, some of them one below the other, so that all fit a page."""
    objective, strength, score, _, measured, interval, published, difference, judged = texts
    models = [counted_models(one.models)] if one.models else []
    models += [f"{one.diverged} diverged"] if one.diverged else []
    stacks = [
        (f"{objective}, {strength}" if strength else objective) + "\n" + ", ".join(models),
        score,
        f"{measured}\n{interval}",
        published.replace(" [", "\n[", 1),
        f"{difference}\n" + judged.replace(" (few", "\n(few"),
    ]
    return [text.rstrip("\n") for text in stacks]


def as_csv(study: Study, cells: Sequence[Cell], legend: Legend) -> str:
    """A line a cell at full precision, led by the study's name and scale; empty where nothing was measured."""
    lines = as_table(cells)
    lines.insert(0, "study", study.name)
    lines.insert(1, "scale", study.scale)
    return without_formulas(lines).to_csv(index=False)


def as_json(study: Study, cells: Sequence[Cell], legend: Legend) -> str:
    """One object: the study, its scale and paper, `cells` at full precision with null for nothing, and `findings`."""

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    told = {
        "study": study.name,
        "scale": study.scale,
        "paper": study.paper,
        "otherwise": otherwise(study),
        "tags": TAGS,
        "cells": [{name: plain(value) for name, value in asdict(one).items()} for one in cells],
        "findings": [finding.model_dump() for finding in study.findings],
        "differences": study.differences,
    }
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)


FORMATS: dict[str, Callable[[Study, Sequence[Cell], Legend], str]] = {
    "md": as_markdown,
    "csv": as_csv,
    "latex": as_latex,
    "json": as_json,
}
