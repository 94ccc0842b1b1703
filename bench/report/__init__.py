"""One self-contained HTML page about a folder of results: tables, figures, every model, provenance. No network.

The page's only script sorts and filters tables; without it everything is there to be read.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..evaluation import SCORES
from ..store import Store, schema
from .beside_papers import beside_papers
from .model_pages import MODEL_PAGES, default_pages, model_pages
from .model_table import MOST_LINES, model_lines, shown_columns
from .pictures import fitted, pictures
from .provenance import arm_lines, as_toml, facts, repeat, repeat_command
from .result_tables import best, further_tables, result_tables
from .study_says import study_says


@dataclass(frozen=True)
class Failure:
    """An error and the runs that ended with it."""

    error: str
    runs: list[str]


def save_report(store: Store, pages: int | None = MODEL_PAGES) -> Path:
    """Write `report.html` into the store's folder and return its path."""
    path = store.folder / "report.html"
    page = report(store, pages)
    try:
        write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def report(store: Store, pages: int | None = MODEL_PAGES) -> str:
    """The page as HTML.

    Args:
        store: a sweep's output folder.
        pages: models that get a page of their own, the first seeds first; None for all. A page of dSprites takes about
            50 kB.
    """
    study, rows = store.study(), complete(store.rows())
    templates = Path(str(resources.files("disbench.bench.report").joinpath("templates")))
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (templates / "report.js").read_text(encoding="utf-8")
    models = model_pages(store, rows, pages)
    own = {model.run_id for model in models}
    return environment.get_template("report.html").render(
        study=study,
        paragraphs=[text for text in study.description.split("\n\n") if text.strip()],
        counts=counts(store.register().run_ids, rows),
        failures=failures(rows),
        tables=result_tables(rows),
        further=further_tables(rows),
        papers=beside_papers(store, study, rows),
        says=study_says(rows, str(store.folder)),
        figures=list(pictures(store, rows)),
        columns=shown_columns(rows),
        lines=model_lines(rows, own),
        left_out=max(0, len(rows) - MOST_LINES),
        models=models,
        arms=arm_lines(study),
        glossary=[score for name, score in SCORES.items() if rows[name].notna().any()],
        facts=facts(rows),
        repeat=repeat(study, str(store.folder)),
        configuration=as_toml(study),
        folder=shlex.quote(str(store.folder)),
        row_files=str(store.cohorts),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with every column of today's schema; rows of an older version have none of the newer scores."""
    return rows.reindex(
        columns=[*rows.columns, *(name for name in schema().names if name not in rows.columns)]
    )


def counts(run_ids: Iterable[str], rows: pd.DataFrame) -> dict[str, int]:
    """How many of the study's runs are done, diverged, failed and missing."""
    wanted = set(run_ids)
    status = rows.loc[rows["run_id"].isin(wanted), "status"]
    found = {name: int((status == name).sum()) for name in ("done", "diverged", "failed")}
    return {**found, "missing": len(wanted) - sum(found.values())}


def failures(rows: pd.DataFrame) -> list[Failure]:
    """Failed runs by their error."""
    failed = rows[rows["status"] == "failed"]
    return [
        Failure(
            str(error),
            [f"{r.objective} {r.strength:g} {r.data_set} seed {r.seed}" for r in members.itertuples()],
        )
        for error, members in failed.groupby("error", sort=False, dropna=False)
    ]


__all__ = [
    "MODEL_PAGES",
    "as_toml",
    "best",
    "default_pages",
    "fitted",
    "repeat_command",
    "report",
    "save_report",
]
