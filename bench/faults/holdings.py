"""What a folder of results holds of each run, as texts that are equal if and only if every bit is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..bad_input import BadInput
from ..checkpoint import headers
from ..store import Store
from ..store.faults import Notices

PROVENANCE = ("train_seconds", "evaluate_seconds", "finished_at", "device", "commit", "versions")
"""Columns that rightly differ between two sweeps of one study."""

ENDED = ("done", "diverged")


@dataclass(frozen=True)
class Holdings:
    """By run id; a failed run has no row here, because it is tried again."""

    rows: Mapping[str, Mapping[str, str]]
    """Columns as JSON, without provenance."""
    curves: Mapping[str, str]
    """What was recorded over training."""
    weights: Mapping[str, str]
    failed: Mapping[str, str]
    """The errors of failed runs."""

    def __str__(self) -> str:
        """How much that is."""
        return f"{len(self.rows)} rows, {len(self.curves)} curves, {len(self.weights)} weights"


def holdings(folder: Path, said: list[str] | None = None) -> Holdings:
    """What a folder holds now; warnings about it are added to `said`."""
    store = Store.existing(folder)
    store.notices = Notices((said if said is not None else []).append)
    rows = store.rows()
    records = rows.drop(columns=list(PROVENANCE)).to_dict("records")
    told = {str(r["run_id"]): {name: exact(value) for name, value in r.items()} for r in records}
    status = dict(zip(rows["run_id"], rows["status"], strict=True))
    return Holdings(
        {run_id: row for run_id, row in told.items() if status[run_id] in ENDED},
        {str(run_id): exact(points) for run_id, points in points_of(store.history())},
        weights_of(store),
        {r["run_id"]: str(r["error"]) for r in records if status[r["run_id"]] not in ENDED},
    )


def finished_rows(folder: Path) -> dict[str, Mapping[str, str]]:
    """The rows alone, which cost less to read; empty where no sweep has begun."""
    try:
        store = Store.existing(folder)
    except BadInput:
        return {}
    store.notices = Notices(lambda line: None)
    records = store.rows().drop(columns=list(PROVENANCE)).to_dict("records")
    return {
        r["run_id"]: {name: exact(value) for name, value in r.items()}
        for r in records
        if r["status"] in ENDED
    }


def points_of(history: pd.DataFrame) -> Iterable[tuple[Any, Any]]:
    """The points of each run."""
    for run_id, points in history.groupby("run_id"):
        yield run_id, points.sort_values("step").to_dict("records")


def weights_of(store: Store) -> dict[str, str]:
    """A digest of each trained model's weights; none of one whose weights are damaged."""
    found = {}
    for run_id in store.trained():
        try:
            weights = store.parameters_of(run_id)
        except BadInput:
            continue
        total = hashlib.sha256()
        for name, value in sorted(weights.items()):
            total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            total.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
        found[run_id] = total.hexdigest()
    return found


def exact(value: object) -> str:
    """A value as JSON: numbers to the last bit, every NaN alike."""
    return json.dumps(value, default=plain)


def plain(value: Any) -> Any:
    """Arrays and numbers of NumPy as what JSON knows."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)


def progress(folder: Path, steps: Mapping[str, int], finished: Collection[str]) -> float:
    """Share of a study's steps that are done, by finished runs and by last checkpoints; from 0 to 1.

    Args:
        folder: of its results.
        steps: of each run.
        finished: runs that have their rows.
    """
    done = {run_id: steps[run_id] for run_id in finished if run_id in steps}
    for kept, run_ids in headers(folder / "checkpoints").values():
        for run_id in set(run_ids) & steps.keys():
            done[run_id] = max(kept, done.get(run_id, 0))
    return sum(done.values()) / sum(steps.values())


def differences(
    expected: Holdings, found: Holdings, *, no_curves: Collection[str] = (), no_weights: Collection[str] = ()
) -> list[str]:
    """What of a folder is not as in an undisturbed one, a line each.

    Args:
        expected: of the undisturbed folder.
        found: of the other.
        no_curves: runs whose curves the faults took away for good: nothing computes them anew.
        no_weights: likewise of weights.
    """
    lines = [f"{run_id}: failed: {error}" for run_id, error in found.failed.items()]
    lines += compared("row", expected.rows, found.rows, found.failed)
    lines += compared("curve", expected.curves, found.curves, no_curves)
    lines += compared("weights", expected.weights, found.weights, no_weights)
    return lines


def compared(
    what: str, expected: Mapping[str, Any], found: Mapping[str, Any], may_lack: Collection[str]
) -> list[str]:
    """Where two mappings by run id differ, a line each."""
    lines = [f"{run_id}: no {what}" for run_id in expected if run_id not in found and run_id not in may_lack]
    lines += [f"{run_id}: {what} of no run" for run_id in found if run_id not in expected]
    for run_id in expected.keys() & found.keys():
        if expected[run_id] != found[run_id]:
            lines.append(f"{run_id}: {what} differs{where(expected[run_id], found[run_id])}")
    return lines


def where(expected: Any, found: Any) -> str:
    """Which columns of two rows differ."""
    if not isinstance(expected, Mapping):
        return ""
    names = [name for name in expected if expected[name] != found.get(name)]
    return " in " + ", ".join(f"{name} ({expected[name]} and {found.get(name)})" for name in names)
