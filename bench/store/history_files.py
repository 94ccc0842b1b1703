"""Files of what was recorded over training: a row is a point of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .faults import Notices
from .parquet_files import read_table, save_table
from .reading import read_each
from .row_files import lengths_of

HISTORY_FIELDS: dict[str, pa.DataType] = {
    "run_id": pa.string(),
    "step": pa.int64(),
    "images": pa.int64(),
    "elbo_nats": pa.float64(),
    "reconstruction_nats": pa.float64(),
    "kl_nats": pa.float64(),
    "mutual_information_nats": pa.float64(),
    "total_correlation_nats": pa.float64(),
    "dimensionwise_kl_nats": pa.float64(),
    "kl_per_dimension_nats": pa.list_(pa.float64()),
}
"""Columns of the training's history: a row is a point of a run. `images` is how many it averages over."""

VECTOR = "kl_per_dimension_nats"


def save_history(path: Path, points: Sequence[Mapping[str, Any]]) -> None:
    """Keep the points of a cohort's trainings."""
    save_table(
        pa.Table.from_pylist([dict(point) for point in points], schema=pa.schema(HISTORY_FIELDS)), path
    )


def read_history(
    folder: Path,
    notices: Notices,
    run_ids: Collection[str] | None = None,
    columns: Collection[str] | None = None,
) -> pd.DataFrame:
    """Every point of every training that is finished, or of these alone, a row each; each training once."""
    fields = pa.schema(HISTORY_FIELDS)
    wanted = None if run_ids is None else pa.array(sorted(run_ids), pa.string())

    def points(path: Path) -> pa.Table:
        table = read_table(path, fields, required=HISTORY_FIELDS)
        return table if wanted is None else table.filter(pc.is_in(table.column("run_id"), wanted))

    found = read_each(
        folder,
        ".parquet",
        points,
        notices.damaged("the curves of its models are missing, their scores are not"),
    )
    table = pa.concat_tables([fields.empty_table(), *found.values()])
    whole = np.ones(len(table), dtype=bool)
    for name in ("run_id", "step", VECTOR):
        whole &= table.column(name).is_valid().to_numpy()
    lengths = pd.Series(lengths_of(table.column(VECTOR)))
    whole &= lengths.groupby(table.column("run_id").to_pandas()).transform("nunique").eq(1).to_numpy()
    if not whole.all():
        notices.say(
            f"{folder}: {(~whole).sum()} points are not whole and are left out: not written by disbench"
        )
        table = table.filter(pa.array(whole))
    table = each_once(table)
    wanted_columns = [name for name in table.column_names if columns is None or name in columns]
    return table.select(wanted_columns).to_pandas()


def each_once(table: pa.Table) -> pa.Table:
    """The points without repeats: of a run trained twice by two sweeps at once, or joined by both."""
    repeated = table.select(["run_id", "step"]).to_pandas().duplicated()
    return table.filter(pa.array(~repeated.to_numpy())) if repeated.any() else table
