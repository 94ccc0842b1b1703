"""One self-contained HTML page about a folder of results: tables, figures, provenance. No network, no scripts."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from disbench.datasets import DATA_SETS

from .atomic_file import write_atomically
from .bad_input import BadInput
from .duration import duration
from .evaluation import SCORES
from .figures import FIGURES, FigureEntry, fingerprint, png
from .figures.style import DOTS_PER_INCH
from .objectives import OBJECTIVES
from .store import Store, schema
from .scales import FULL
from .study import Study, load_study, shipped_studies
from .tables import READABLE, cells, parts, shown_scores, summary

PICTURE_BYTES = 550_000
"""A figure takes no more of the page than this; larger ones lose colours first, then pixels."""


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


@dataclass(frozen=True)
class Picture:
    """A figure on the page; without `source`, a note on what it would need."""

    entry: FigureEntry
    source: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Failure:
    """An error and the runs that ended with it."""

    error: str
    runs: list[str]


def save_report(store: Store) -> Path:
    """Write `report.html` into the store's folder and return its path."""
    path = store.folder / "report.html"
    page = report(store)
    try:
        write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def report(store: Store) -> str:
    """The page as HTML."""
    study, rows = store.study(), complete(store.rows())
    templates = Path(str(resources.files("disbench.bench").joinpath("templates")))
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        study=study,
        paragraphs=[text for text in study.description.split("\n\n") if text.strip()],
        counts=counts(store.register().run_ids, rows),
        failures=failures(rows),
        tables=result_tables(rows),
        further=further_tables(rows),
        pictures=list(pictures(store, rows)),
        arms=arm_lines(study),
        glossary=[score for name, score in SCORES.items() if rows[name].notna().any()],
        facts=facts(rows),
        command=repeat_command(study),
        configuration=as_toml(study),
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
    return Table(title, [str(heading) for heading in text.columns], lines, breaks)


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


def pictures(store: Store, rows: pd.DataFrame) -> Iterable[Picture]:
    """Every figure as a PNG inside a data address, or a note in its place."""
    data_sets = ", ".join(dict.fromkeys(rows.loc[rows["status"] == "done", "data_set"]))
    objectives = ", ".join(OBJECTIVES[name].title for name in dict.fromkeys(rows["objective"]))
    state = fingerprint(store)
    for entry in FIGURES.values():
        image = png(entry, rows, store, state)
        if image is None:
            yield Picture(entry, "", "", 0, 0)
            continue
        with Image.open(io.BytesIO(image)) as opened:
            width, height = (round(pixels * 96 / DOTS_PER_INCH) for pixels in opened.size)
        source = "data:image/png;base64," + base64.b64encode(fitted(image)).decode()
        yield Picture(entry, source, f"{entry.title}: {objectives} on {data_sets}", width, height)


def fitted(png: bytes, limit: int = PICTURE_BYTES) -> bytes:
    """A PNG of at most `limit` bytes: as it is, with 256 colours, or smaller until it fits."""
    if len(png) <= limit:
        return png
    image = Image.open(io.BytesIO(png)).convert("RGB")
    while True:
        stream = io.BytesIO()
        image.quantize(256, dither=Image.Dither.NONE).save(stream, "png", optimize=True)
        if stream.tell() <= limit or image.width < 400:
            return stream.getvalue()
        image = image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)


def arm_lines(study: Study) -> list[dict[str, str]]:
    """What was asked for, a line an arm."""
    return [
        {
            "objective": OBJECTIVES[arm.objective].title + options(arm.options),
            "paper": OBJECTIVES[arm.objective].paper,
            "data set": arm.data_set,
            "condition": arm.condition or "–",
            "strengths": ", ".join(f"{s:g}" for s in arm.grid()) if arm.strengths else "–",
            "architecture": arm.architecture,
            "latents": str(arm.latents),
            "steps": f"{arm.steps:,}",
            "batch": str(arm.batch_size),
            "learning rate": f"{arm.learning_rate:g}",
        }
        for arm in study.arms
    ]


def options(chosen: Mapping[str, object]) -> str:
    """An arm's options in words."""
    return f" ({', '.join(f'{key} {value}' for key, value in chosen.items())})" if chosen else ""


def facts(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Where the numbers come from: what there is of it, name and value."""
    packages: dict[str, set[str]] = {}
    for text in rows["versions"].dropna().unique():
        for package, number in told_versions(text).items():
            packages.setdefault(package, set()).add(number)
    sources = rows[["data_set", "data_source"]].dropna().drop_duplicates()
    dates = rows["finished_at"].dropna()
    found = {
        "Training time": duration(float(rows["train_seconds"].sum())) + ", all models together",
        "Scoring time": duration(float(rows["evaluate_seconds"].sum())),
        "Finished": f"{dates.min()} to {dates.max()}" if len(dates) else "",
        "Device": ", ".join(distinct(rows["device"])),
        "Commit": ", ".join(distinct(rows["commit"])),
        "Data": ", ".join(f"{r.data_set} ({r.data_source})" for r in sources.itertuples()),
        "Versions": ", ".join(f"{package} {' and '.join(sorted(n))}" for package, n in packages.items()),
    }
    return [(name, value) for name, value in found.items() if value] if len(rows) else []


def told_versions(text: str) -> dict[str, str]:
    """The versions that a row says; none where it says something else."""
    try:
        return {str(package): str(number) for package, number in json.loads(text).items()}
    except (ValueError, AttributeError, RecursionError):
        return {}


def distinct(column: pd.Series[Any]) -> list[str]:
    """The different values of a column, empty ones left out, in order of appearance."""
    return [str(value) for value in column.dropna().unique() if value]


def repeat_command(study: Study) -> str:
    """The command that makes these results again; of a study that is not shipped, with a file of the configuration."""
    own_data = any(arm.data_set not in DATA_SETS for arm in study.arms)  # a path, not to be looked into here
    if study.name in shipped_studies() and not own_data:
        shipped = load_study(study.name, scale=study.scale)
        overrides: dict[str, Any] = {}
        if len(shipped.arms) == len(study.arms):
            for key in type(study.arms[0]).model_fields:
                values = [getattr(arm, key) for arm in study.arms]
                if values != [getattr(arm, key) for arm in shipped.arms] and all(
                    v == values[0] for v in values
                ):
                    overrides[key] = values[0]
        if shipped.seeds != study.seeds:
            overrides["seeds"] = study.seeds
        try:
            if load_study(study.name, overrides, study.scale) == study:
                scale = f" --scale {study.scale}" if study.scale not in (None, FULL) else ""
                settings = "".join(setting(key, value) for key, value in overrides.items())
                return f"disbench sweep {study.name}{scale}{settings}"
        except BadInput:
            pass
    return f"disbench sweep {study.name}.toml"


def setting(key: str, value: Any) -> str:
    """An override as the command line takes it."""
    if key == "seeds" and isinstance(value, int):
        return f" --seeds {value}"
    return f" --set {quoted(f'{key}={value if isinstance(value, str) else json.dumps(value)}')}"


def quoted(text: str) -> str:
    """A word in single quotes for a shell, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def as_toml(study: Study) -> str:
    """The study as a file that `disbench sweep` takes; keys that are equal in all arms stand at the top."""
    document = study.model_dump(exclude_none=True)
    arms: list[dict[str, Any]] = document.pop("arms")
    evaluation: dict[str, Any] = document.pop("evaluation")
    shared = {
        key: value for key, value in arms[0].items() if all(key in arm and arm[key] == value for arm in arms)
    }
    shared.pop("options", None)
    lines = [
        f"{key} = {toml(value)}" for key, value in {**document, **shared}.items() if value not in ("", {}, [])
    ]
    lines += ["", "[evaluation]"]
    lines += [f"{key} = {toml(value)}" for key, value in evaluation.items() if value != {}]
    for arm in arms:
        own = {key: value for key, value in arm.items() if key not in shared and value != {}}
        lines += ["", "[[arms]]", *(f"{key} = {toml(value)}" for key, value in own.items())]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value and "e" in f"{value:g}" else repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
