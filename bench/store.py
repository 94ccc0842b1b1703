"""The output folder of a study: for each cohort a Parquet file of rows, one of its training, and its weights.

    OUT/study.json                         the study that the folder belongs to
    OUT/plans.json                         on a GPU: how many models of a program train together, as tried out there
    OUT/cohorts/<cohort id>.parquet        rows; the file appears when the cohort is finished, never before
    OUT/weights/<cohort id>.safetensors    the trained models
    OUT/history/<cohort id>.parquet        reconstruction, KL terms and ELBO over training
    OUT/checkpoints/<cohort id>.safetensors    where a training in work can go on; removed when it is done

Every file is written under a temporary name, flushed to disk and renamed, so a reader sees all of it or nothing, and a
kill at any moment loses the cohort in work and no other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .atomic_file import write_atomically
from .bad_input import BadInput
from .checkpoint import CohortCheckpoint
from .evaluation import SCORES
from .history import COLUMNS
from .models import VAE
from .objectives import OBJECTIVES
from .run import Cohort, Plan, Run
from .run_model import Parameters, with_parameters
from .study import Study, parse_study

ROW_FIELDS: dict[str, pa.DataType] = {
    "study": pa.string(),
    "run_id": pa.string(),
    "cohort_id": pa.string(),
    "status": pa.string(),
    "error": pa.string(),
    "data_set": pa.string(),
    "data_source": pa.string(),
    "architecture": pa.string(),
    "objective": pa.string(),
    "condition": pa.string(),
    "strength": pa.float64(),
    "seed": pa.int64(),
    "configuration": pa.string(),
    "metrics": pa.list_(pa.string()),
    "train_seconds": pa.float64(),
    "evaluate_seconds": pa.float64(),
    "device": pa.string(),
    "commit": pa.string(),
    "versions": pa.string(),
    "finished_at": pa.string(),
}
"""Columns before the scores. `status` is done, diverged or failed; `configuration` is the whole run as JSON."""

HISTORY_FIELDS: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "step": pa.int64(),
    "images": pa.int64(),
    "elbo_nats": pa.float64(),
    **dict.fromkeys(COLUMNS, pa.float64()),
    "kl_per_dimension_nats": pa.list_(pa.float64()),
}
"""Columns of the training's history: a row is a point of a run. `images` is how many it averages over."""

LEFTOVER_SECONDS = 3600
"""Age at which a temporary file is nobody's."""


def schema() -> pa.Schema:
    """The columns of every row file, the same whatever a cohort computed, so that any number reads as one table."""
    depths = {
        "number": pa.float64(),
        "list": pa.list_(pa.float64()),
        "matrix": pa.list_(pa.list_(pa.float64())),
    }
    return pa.schema(ROW_FIELDS | {name: depths[score.kind] for name, score in SCORES.items()})


class Store:
    """An output folder. Opening it with a study claims it for that study; without, reads what is there."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.cohorts = self.folder / "cohorts"
        self.weights = self.folder / "weights"
        self.histories = self.folder / "history"
        self.checkpoints = self.folder / "checkpoints"
        self.study_file = self.folder / "study.json"
        self.plans_file = self.folder / "plans.json"

    @classmethod
    def existing(cls, folder: str | Path) -> Store:
        """The store of a folder that a sweep has begun, or `BadInput`."""
        store = cls(folder)
        if not store.study_file.is_file():
            raise BadInput(
                f"{folder} holds no study (no study.json); `disbench sweep STUDY --out {folder}` makes one"
            )
        return store

    @classmethod
    def claimed(cls, folder: str | Path, study: Study) -> Store:
        """The store of `folder` for `study`, made if it is new; `BadInput` if another study owns it."""
        store = cls(folder)
        try:
            store.cohorts.mkdir(parents=True, exist_ok=True)
            for inner in (store.weights, store.histories, store.checkpoints):
                inner.mkdir(exist_ok=True)
            if store.study_file.exists():
                refuse_other_study(store, study)
            write_atomically(store.study_file, lambda path: path.write_text(study.model_dump_json(indent=1)))
            store.remove_leftovers()
        except OSError as error:
            raise BadInput(f"output folder {folder} cannot be written: {error.strerror or error}") from error
        return store

    def remove_leftovers(self) -> None:
        """Remove the temporary files that a kill left behind; a younger one may be another sweep's work."""
        for path in self.folder.rglob(".*.tmp"):
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)

    def study(self) -> Study:
        """The study that the folder belongs to."""
        try:
            return parse_study(json.loads(self.study_file.read_bytes()), str(self.study_file))
        except ValueError as error:
            why = f": {error}" if isinstance(error, BadInput) else ""
            raise BadInput(
                f"{self.study_file} is damaged or from another version of disbench{why}"
            ) from error

    def rows(self) -> pd.DataFrame:
        """All rows, one a run, in the study's order; those of failed runs too.

        Rows whose configuration means another run today (an older recipe, a version with other settings) stay in
        their files and are left out here: they would stand beside their successors as if they were more seeds.
        """
        tables = [read_rows(path) for path in sorted(self.cohorts.glob("*.parquet"))]
        if not tables:
            return schema().empty_table().to_pandas()
        # The empty table has every column: rows of an older version lack those of newer scores.
        tables.append(schema().empty_table())
        frame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        frame = frame[[is_current(*row) for row in zip(frame["configuration"], frame["run_id"], strict=True)]]
        # A failed run that a later sweep finished has two rows: the newest that is not a failure counts.
        # Of two that are done the one with more scores counts: scoring anew in other company only ever adds.
        frame["_rank"] = (frame["status"] != "failed").astype(int) * (1 + frame["metrics"].map(len))
        frame = frame.sort_values(["_rank", "finished_at"], kind="stable").drop_duplicates(
            "run_id", keep="last"
        )
        order = {run.run_id: n for n, run in enumerate(self.study().runs())}
        frame["_order"] = frame["run_id"].map(order).fillna(len(order))
        keys = ["_order", "data_set", "objective", "strength", "seed"]
        return frame.sort_values(keys, kind="stable").drop(columns=["_rank", "_order"]).reset_index(drop=True)

    def finished(self, metrics: Sequence[str] = ()) -> set[str]:
        """Ids of runs that need no more work: done with all these metrics asked for, or diverged."""
        rows = self.rows()
        return {
            str(row.run_id)
            for row in rows.itertuples()
            if row.status == "diverged" or (row.status == "done" and set(metrics) <= set(row.metrics))
        }

    def save_rows(self, cohort: Cohort, rows: Sequence[Mapping[str, Any]]) -> None:
        """Make a cohort finished; failed rows go to a file of their own, where they can overwrite no result."""
        path = self.cohorts / f"{cohort.cohort_id}.parquet"
        failed = [dict(row) for row in rows if row["status"] == "failed"]
        finished = [dict(row) for row in rows if row["status"] != "failed"]
        if failed:
            save_table(failed, path.with_suffix(".failed.parquet"))
            if path.exists():
                lost = {row["run_id"] for row in failed}
                finished += [row for row in read_rows(path).to_pylist() if row["run_id"] in lost]
        if finished:
            save_table(finished, path)

    def history(self) -> pd.DataFrame:
        """Every point of every training that is finished, a row each: `HISTORY_FIELDS`."""
        fields = pa.schema(HISTORY_FIELDS)
        tables = [read_table(path, fields) for path in sorted(self.histories.glob("*.parquet"))]
        frame = pa.concat_tables([fields.empty_table(), *tables]).to_pandas()
        # Scored anew in other company, or trained twice by two sweeps at once: the same points again.
        return frame.drop_duplicates(["run_id", "step"]).reset_index(drop=True)

    def plan(self, program: str) -> Plan | None:
        """How a program was trained so far: a resumed sweep must group its runs as the first one did."""
        try:
            plans = json.loads(self.plans_file.read_bytes())
            return Plan(**plans[program])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save_plan(self, program: str, plan: Plan) -> None:
        """Remember how a program is trained."""
        try:
            plans = json.loads(self.plans_file.read_bytes())
        except (OSError, ValueError):
            plans = {}
        plans[program] = asdict(plan)
        write_atomically(self.plans_file, lambda path: path.write_text(json.dumps(plans, indent=1)))

    def checkpoint(self, cohort: Cohort) -> CohortCheckpoint:
        """Where the cohort's training keeps its state on the way."""
        return CohortCheckpoint(self.checkpoints / f"{cohort.cohort_id}.safetensors", cohort)

    def save_history(self, cohort: Cohort, points: Sequence[Mapping[str, Any]]) -> None:
        """Keep what was recorded while a cohort trained."""
        table = pa.Table.from_pylist([dict(point) for point in points], schema=pa.schema(HISTORY_FIELDS))
        path = self.histories / f"{cohort.cohort_id}.parquet"
        write_atomically(path, lambda temporary: pq.write_table(table, temporary))

    def save_weights(self, cohort: Cohort, parameters: Parameters) -> None:
        """Keep a trained cohort's weights: a kill after this repeats the scoring only."""
        tensors = {name: value.cpu().contiguous() for name, value in parameters.items()}
        metadata = {"run_ids": json.dumps([run.run_id for run in cohort.runs])}
        path = self.weights / f"{cohort.cohort_id}.safetensors"
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata))

    def parameters(self, cohort: Cohort) -> Parameters | None:
        """A cohort's weights if all of its runs were trained before, in whatever company, else None."""
        home = {run_id: path for path in self.weights.glob("*.safetensors") for run_id in trained_in(path)}
        if not all(run.run_id in home for run in cohort.runs):
            return None
        single = [read_weights(home[run.run_id], run.run_id) for run in cohort.runs]
        return {name: torch.stack([weights[name] for weights in single]) for name in single[0]}

    def model(self, row: Mapping[str, Any]) -> tuple[Run, VAE]:
        """The trained model of a row."""
        run = Run.from_configuration(json.loads(row["configuration"]))
        path = self.weights / f"{row['cohort_id']}.safetensors"
        if not path.exists() or run.run_id not in trained_in(path):
            # Scored anew in another cohort than it was trained in.
            path = next((p for p in self.weights.glob("*.safetensors") if run.run_id in trained_in(p)), path)
        try:
            return run, with_parameters(run, read_weights(path, run.run_id))
        except RuntimeError as error:
            raise BadInput(f"{path} holds weights of another architecture than {run.architecture}") from error


def is_current(configuration: str, run_id: str) -> bool:
    """Whether a row's configuration still is the run that the row says."""
    try:
        run = Run.from_configuration(json.loads(configuration))
    except (TypeError, KeyError, ValueError):
        return False
    return run.objective in OBJECTIVES and run.run_id == run_id


def refuse_other_study(store: Store, study: Study) -> None:
    """`BadInput` unless the folder's study differs from `study` in its grid of strengths and seeds at most."""
    owner = store.study()
    if owner.name != study.name:
        raise BadInput(
            f"{store.folder} belongs to study {owner.name!r}; give another --out or remove the folder"
        )
    old, new = flattened(owner.settings()), flattened(study.settings())
    for place in [*old, *new]:
        if old.get(place) != new.get(place):
            raise BadInput(
                f"{store.folder} belongs to {study.name!r} with {place} = {old.get(place)!r}, not {new.get(place)!r};"
                " give another --out or remove the folder"
            )


def flattened(value: Any, place: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one mapping from dotted keys: {"arms.0.steps": 300}."""
    if isinstance(value, Mapping):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return {place: value}
    return {
        key: leaf
        for name, inner in items
        for key, leaf in flattened(inner, f"{place}.{name}".strip(".")).items()
    }


def read_rows(path: Path) -> pa.Table:
    """The rows of one cohort, or `BadInput` that says what to do about a damaged file."""
    return read_table(path, pa.schema(ROW_FIELDS))


def read_table(path: Path, fields: pa.Schema) -> pa.Table:
    """A Parquet file that has at least these fields, or `BadInput` that says what to do about it."""
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"{path} is damaged; delete it and sweep again: only its runs are computed anew"
        ) from error
    for field in fields:
        if field.name not in table.column_names:
            raise BadInput(f"{path} is no file of disbench's rows: it has no column {field.name!r}")
        if table.schema.field(field.name).type not in (field.type, pa.null()):
            raise BadInput(
                f"{path} is no file of disbench's rows: column {field.name!r} is {table.schema.field(field.name).type}"
            )
    return table


def save_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as one Parquet file."""
    table = pa.Table.from_pylist(list(rows), schema=schema())
    write_atomically(path, lambda temporary: pq.write_table(table, temporary))


def trained_in(path: Path) -> list[str]:
    """The ids of the runs whose weights a file holds, in its order, or `BadInput`."""
    try:
        with safe_open(path, framework="pt") as file:
            return list(json.loads(file.metadata()["run_ids"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is damaged; delete it and its rows in cohorts/ and sweep again") from error


def read_weights(path: Path, run_id: str) -> Parameters:
    """Parameters of one run of a cohort's file; `BadInput` if they cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            position = json.loads(file.metadata()["run_ids"]).index(run_id)
            return {name: file.get_slice(name)[position] for name in names}
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing; the figures that need its models cannot be drawn") from error
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is damaged; delete it and its rows in cohorts/ and sweep again") from error
