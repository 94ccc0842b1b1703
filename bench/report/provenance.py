"""Where a report's numbers come from: what was asked for, by which command, on what."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from disbench.datasets import DATA_SETS

from ..bad_input import BadInput
from ..catalogue import OBJECTIVES
from ..duration import duration
from ..scales import FULL
from ..study import Study
from ..study_loading import load_study, shipped_studies

MOST_SECONDS = 1e9
"""Of a model: thirty years; more is no time."""


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
        "Training time": total(rows["train_seconds"]) + ", all models together",
        "Scoring time": total(rows["evaluate_seconds"]),
        "Finished": f"{dates.min()} to {dates.max()}" if len(dates) else "",
        "Device": ", ".join(distinct(rows["device"])),
        "Commit": ", ".join(distinct(rows["commit"])),
        "Data": ", ".join(f"{r.data_set} ({r.data_source})" for r in sources.itertuples()),
        "Versions": ", ".join(f"{package} {' and '.join(sorted(n))}" for package, n in packages.items()),
    }
    return [(name, value) for name, value in found.items() if value] if len(rows) else []


def total(seconds: pd.Series[float]) -> str:
    """So much time together, as far as it is told; a row may say anything."""
    told = seconds[(seconds >= 0) & (seconds < MOST_SECONDS)]
    return duration(float(told.sum()))


def told_versions(text: str) -> dict[str, str]:
    """The versions that a row says; none where it says something else."""
    try:
        return {str(package): str(number) for package, number in json.loads(text).items()}
    except (ValueError, AttributeError, RecursionError):
        return {}


def distinct(column: pd.Series[Any]) -> list[str]:
    """The different values of a column, empty ones left out, in order of appearance."""
    return [str(value) for value in column.dropna().unique() if value]


@dataclass(frozen=True)
class Repeat:
    """How to make results again."""

    command: str
    file: str
    """What the configuration must be saved as first; empty where the study is shipped."""


def repeat(study: Study, folder: str = "") -> Repeat:
    """The command that makes these results again, in the same folder unless it is the study's own.

    By a shipped study's name and what was set over it where that gives the same models and scores, else by a file.
    """
    out = f" --out {shlex.quote(folder)}" if folder and Path(folder) != study.default_folder() else ""
    settings = set_over_shipped(study)
    if settings is None:
        return Repeat(f"disbench sweep {study.name}.toml{out}", f"{study.name}.toml")
    scale = f" --scale {study.scale}" if study.scale not in (None, FULL) else ""
    options = "".join(setting(key, value) for key, value in settings.items())
    return Repeat(f"disbench sweep {study.name}{scale}{options}{out}", "")


def repeat_command(study: Study, folder: str = "") -> str:
    """The command of `repeat`."""
    return repeat(study, folder).command


def set_over_shipped(study: Study) -> dict[str, Any] | None:
    """What `--set` must say, by dotted key, to make the shipped study of this name this one; None where it cannot."""
    own_data = any(arm.data_set not in DATA_SETS for arm in study.arms)  # a path, not to be looked into here
    if study.name not in shipped_studies() or own_data:
        return None
    try:
        shipped = load_study(study.name, scale=study.scale)
        overrides = differing(asked_for(shipped), asked_for(study))
        again = load_study(study.name, overrides, study.scale)
    except BadInput:
        return None
    return overrides if asked_for(again) == asked_for(study) else None


def asked_for(study: Study) -> dict[str, Any]:
    """All of a study that makes its models and their scores; no prose, nothing that was printed elsewhere."""
    return study.model_dump(include={"seeds", "arms", "evaluation"})


def differing(shipped: Mapping[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that differ, dotted, with their values; one that all arms have alike without their number."""
    arms, others = study["arms"], shipped["arms"]
    found: dict[str, Any] = {}
    for key in arms[0] if len(arms) == len(others) else ():
        values = [arm[key] for arm in arms]
        changed = [n for n, arm in enumerate(others) if arm[key] != values[n]]
        if changed and all(value == values[0] for value in values):
            found[key] = values[0]
        else:
            found |= {f"arms.{n}.{key}": values[n] for n in changed}
    for key, value in study["evaluation"].items():
        if shipped["evaluation"][key] != value:
            found[f"evaluation.{key}"] = value
    if shipped["seeds"] != study["seeds"]:
        found["seeds"] = study["seeds"]
    return found


def setting(key: str, value: Any) -> str:
    """An override as the command line takes it."""
    if key == "seeds" and isinstance(value, int):
        return f" --seeds {value}"
    return f" --set {quoted(f'{key}={value if isinstance(value, str) else toml(value)}')}"


def quoted(text: str) -> str:
    """A word in single quotes for a shell, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def as_toml(study: Study) -> str:
    """The study as a file that `disbench sweep` takes; keys that are equal in all arms stand at the top."""
    document = study.model_dump(exclude_none=True)
    arms: list[dict[str, Any]] = document.pop("arms")
    evaluation: dict[str, Any] = document.pop("evaluation")
    document["protocol"] = {key: value for key, value in document["protocol"].items() if value != {}}
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
