"""Files of rows: what a row says, which rows count, and how they are kept.

A row file is written once and never changed: its name has a random part, so that two sweeps, on machines that know
nothing of each other, cannot overwrite each other's, and a file that is joined with others can be removed without a
look at what it holds by then. The same run may therefore have several rows; `counting` says which one is its result.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as is_type
from numpy.typing import NDArray

from ..legend import Legend
from .faults import Notices
from .parquet_files import read_table, save_table
from .reading import read_each
from .register import Register

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

MISSING = "its runs count as missing; sweep again, and only they are computed anew"
"""What a damaged file means."""

STATUSES = ("done", "diverged", "failed")

JUDGED = ("run_id", "status", "metrics", "finished_at", "train_seconds", "evaluate_seconds", "device")
"""Columns that say which of a run's rows counts."""

PLACE = ("strength", "seed")

NAMED = ("data_set", "architecture", "objective", "condition", *PLACE)
"""Columns that repeat what the configuration says."""

TOO_MANY = 500
"""Files beyond which whoever reads is told that they can be joined."""

NULL = -1
"""The length of a list that is not there."""

UNKNOWN = -2
"""The width of codes of which nothing at hand says how wide they are."""

LIST = pa.list_(pa.field("element", pa.float64()))
"""With the name that Parquet gives to what is in a list, so that a column that a file lacks is typed as one it has."""

DEPTHS = {
    "number": pa.float64(),
    "list": LIST,
    "curve": LIST,
    "matrix": pa.list_(pa.field("element", LIST)),
}


def schema(legend: Legend | None = None) -> pa.Schema:
    """The columns of every row file, the same whatever a cohort computed, so that any number reads as one table."""
    columns = (legend or Legend.of_code()).columns
    return pa.schema(ROW_FIELDS | {name: DEPTHS[column.kind] for name, column in columns.items()})


def save_rows(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep rows in a file of their own."""
    save_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema()), new_file(folder, name))


def new_file(folder: Path, name: str) -> Path:
    """A path that no process has used or will use."""
    return folder / f"{name}-{uuid4().hex[:12]}.parquet"


def read_rows(
    folder: Path, register: Register, columns: Collection[str] | None, notices: Notices
) -> pa.Table:
    """The rows that count, one a run, in the study's order, with these columns of the schema (None: all).

    Left out, with a notice, are rows that are of no run that the study asks for (of an older recipe, say: they would
    stand beside their successors as if they were more seeds), and rows that contradict themselves.
    """
    whole = schema(register.legend)
    wanted = whole.names if columns is None else [name for name in whole.names if name in columns]
    needed = {*wanted, *JUDGED, *NAMED, "configuration"}
    fields = pa.schema([field for field in whole if field.name in needed])
    table = sound(read_all(folder, fields, notices), register, folder, notices)
    table = table.take(pa.array(counting(table)))
    place = {run_id: position for position, run_id in enumerate(register.run_ids)}
    frame = table.select(["run_id", "data_set", "objective", "strength", "seed"]).to_pandas()
    frame["place"] = frame["run_id"].map(place).fillna(len(place))
    ordered = frame.sort_values(["place", "data_set", "objective", "strength", "seed"], kind="stable")
    return table.take(pa.array(ordered.index.to_numpy())).select(wanted)


def read_all(folder: Path, fields: pa.Schema, notices: Notices) -> pa.Table:
    """These columns of every row of every file that can be read."""
    found = read_each(
        folder,
        ".parquet",
        lambda path: read_table(path, fields, required=ROW_FIELDS),
        notices.damaged(MISSING),
    )
    if len(found) > TOO_MANY:
        notices.say(
            f"{folder}: {len(found):,} files; `disbench compact` joins them, and reading takes seconds"
        )
    return pa.concat_tables([fields.empty_table(), *found.values()])


def stamps(path: Path) -> dict[str, str]:
    """When each run of a file was finished, as its rows say; the newest where there are several."""
    fields = pa.schema([(name, pa.string()) for name in ("run_id", "finished_at")])
    table = read_table(path, fields, required=ROW_FIELDS)
    found: dict[str, str] = {}
    for run_id, stamp in zip(*(column.to_pylist() for column in table.columns), strict=True):
        found[run_id] = max(stamp or "", found.get(run_id, ""))
    return found


def sound(table: pa.Table, register: Register, folder: Path, notices: Notices) -> pa.Table:
    """The rows of runs that the study asks for, at any strength and seed, and that are what they say."""
    identified = [register.identified(text) for text in table.column("configuration").to_pylist()]
    runs = [run for run in identified if run is not None]
    others = len(identified) - len(runs)
    if others:
        notices.say(
            f"{folder}: {others} rows are of no run of this study (an older version's, say) and left out"
        )
        table = table.filter(pa.array([run is not None for run in identified]))
    said: dict[str, list[Any]] = {
        "run_id": [run.run_id for run in runs],
        "strength": [run.strength for run in runs],
        "seed": [run.seed for run in runs],
        **{name: [run.family.configuration[name] for run in runs] for name in NAMED if name not in PLACE},
    }
    agree = np.array([status in STATUSES for status in table.column("status").to_pylist()], dtype=bool)
    for name, values in said.items():
        found = table.column(name).to_pylist()
        agree &= np.array([a == b for a, b in zip(found, values, strict=True)], dtype=bool)
    agree &= has_texts(table.column("metrics"))
    widths = np.array([run.family.code_width or UNKNOWN for run in runs], dtype=np.int64)
    for name, column in register.legend.columns.items():
        if name in table.column_names and column.kind in ("list", "matrix"):
            agree &= has_shape(table.column(name), widths)
    if not agree.all():
        notices.say(f"{folder}: {(~agree).sum()} rows contradict their own configuration and are left out")
        table = table.filter(pa.array(agree))
    return table


def has_texts(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """For each row whether each text of a list is there; the list may be null."""
    fits = np.ones(len(column), dtype=bool)
    lacks = pc.list_flatten(column).is_null().to_numpy()
    fits[pc.list_parent_indices(column).to_numpy()[lacks]] = False
    return fits


def has_shape(column: pa.ChunkedArray, widths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each row whether a list has a value for each code, and a matrix rows of one length; or is null."""
    lengths = lengths_of(column)
    fits = (lengths == widths) | (lengths == NULL) | (widths == UNKNOWN)
    if is_type.is_list(column.type.value_type):
        inner, row = lengths_of(pc.list_flatten(column)), pc.list_parent_indices(column).to_numpy()
        shortest, longest = np.full(len(column), np.iinfo(np.int64).max), np.full(len(column), NULL)
        np.minimum.at(shortest, row, inner)
        np.maximum.at(longest, row, inner)
        fits &= (shortest == longest) | (lengths <= 0)
    return fits


def lengths_of(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """The lengths of lists; `NULL` where there is none."""
    lengths: NDArray[np.int64] = pc.fill_null(pc.list_value_length(column), NULL).to_numpy().astype(np.int64)
    return lengths


def counting(table: pa.Table) -> NDArray[np.int64]:
    """Which of the rows count: of each run one.

    A failed run that a later sweep finished has two rows: the one that is not a failure counts. Of two that are done
    the one with more scores counts: scoring anew in other company only ever adds. Only where both are equal does the
    time say which is newer, because clocks jump; two equal rows of one moment are told apart by what they took.
    """
    frame = table.select([name for name in JUDGED if name != "metrics"]).to_pandas()
    metrics = np.maximum(lengths_of(table.column("metrics")), 0)
    frame["rank"] = np.where(frame["status"] == "failed", 0, 1 + metrics)
    keys = ["rank", "finished_at", "train_seconds", "evaluate_seconds", "device"]
    newest_last = frame.sort_values(keys, kind="stable", na_position="first")
    counts: NDArray[np.int64] = newest_last.drop_duplicates("run_id", keep="last").index.to_numpy()
    return counts


def distinct(table: pa.Table) -> pa.Table:
    """The rows without those that say nothing of their own; see `worth_keeping`."""
    return table.filter(pa.array(worth_keeping(table)))


def worth_keeping(table: pa.Table) -> NDArray[np.bool_]:
    """Which rows say something: not those equal to one before, nor failures that were mended or came again."""
    keep = np.ones(len(table), dtype=bool)
    frame = table.select(["run_id", "status", "finished_at"]).to_pandas()
    again = frame[frame.duplicated("run_id", keep=False)]
    for _, members in again.groupby("run_id", dropna=False):
        places = members.index.to_numpy()
        seen: set[str] = set()
        for place, row in zip(places, table.take(pa.array(places)).to_pylist(), strict=True):
            text = json.dumps(row, sort_keys=True, default=str)
            keep[place] = text not in seen
            seen.add(text)
        failed = members[members["status"] == "failed"].sort_values("finished_at", kind="stable").index
        keep[failed if len(failed) < len(members) else failed[:-1]] = False
    return keep
