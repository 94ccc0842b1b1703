"""Joining a folder's many small files into few large ones.

A sweep of 12,600 models, one at a time, leaves 12,600 files of rows, histories and weights each. They are joined while
other sweeps read and write the same folder, on other machines too, and a kill may come at any moment:

1. the small files are read, and what they hold is written to a new file with a name that was never used before;
2. when that file is whole, on the disk and under its name, the small ones are removed, each being in it.

Whatever is removed has by then been put into a file with a new name by the process that removes it, so whatever was
once in a file stays in one, however many processes do this at once. In between, and where two of them join the same
files, something is there twice: readers take each run, point and model once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import pyarrow as pa

from ..bad_input import BadInput
from . import weight_files
from .faults import GONE, Fault
from .history_files import HISTORY_FIELDS, each_once
from .listing import listed, names
from .parquet_files import read_table, save_table
from .row_files import ROW_FIELDS, distinct, schema
from .times import file_system_time

if TYPE_CHECKING:
    from ..run_model import Parameters
    from .store import Store

MANY = 128
"""Files of single cohorts in a folder at which a sweep joins them."""

LARGE_BYTES = {"cohorts": 64 * 2**20, "history": 64 * 2**20, "weights": 256 * 2**20}
"""What a joined file may hold, in bytes of the files that are joined; what has half of it already is left alone."""

JOINED = "joined-"
"""How the names of joined files begin; a random number follows."""

MARKER = ".joining.tmp"
"""Where it lies fresh another sweep joins files, and one is enough. Nothing goes wrong without it."""

MARKER_SECONDS = 600

Contents = TypeVar("Contents")


@dataclass(frozen=True)
class Counts:
    """Files of each kind, before and after."""

    before: Mapping[str, int]
    after: Mapping[str, int]


def compact(store: Store) -> Counts:
    """Join the small files of a folder.

    Raises:
        BadInput: the disk is full, or the folder is not ours to write; everything is where it was, or joined.
    """
    kinds = {store.cohorts: ".parquet", store.histories: ".parquet", store.weights: weight_files.SUFFIX}
    before = {folder.name: len(listed(folder, suffix)) for folder, suffix in kinds.items()}
    join_rows(store)
    join_histories(store)
    join_weights(store)
    return Counts(before, {folder.name: len(listed(folder, suffix)) for folder, suffix in kinds.items()})


def tidy(store: Store) -> None:
    """Join files where those of single cohorts are many; a failure is said, and stops nothing."""
    kinds: list[tuple[Path, str, Callable[[Store], None]]] = [
        (store.cohorts, ".parquet", join_rows),
        (store.histories, ".parquet", join_histories),
        (store.weights, weight_files.SUFFIX, join_weights),
    ]
    for folder, suffix, join in kinds:
        single = [name for name in names(folder, suffix) if not name.startswith(JOINED)]
        if len(single) <= MANY or not marked(folder):
            continue
        try:
            join(store)
        except (BadInput, OSError, RuntimeError, MemoryError) as error:
            store.notices.say(f"the files of {folder} could not be joined: {error}")
        finally:
            (folder / MARKER).unlink(missing_ok=True)


def marked(folder: Path) -> bool:
    """Whether this process may join the files of a folder now: nobody else has begun lately."""
    marker = folder / MARKER
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        try:
            age = file_system_time(folder) - marker.stat().st_mtime
            if 0 <= age < MARKER_SECONDS:
                return False
            os.utime(marker)  # left by a kill, or from another time: ours now
        except OSError:
            return False
    except OSError:
        return False
    return True


def join_rows(store: Store) -> None:
    """Join files of rows; see `row_files.distinct` for what is dropped."""
    fields = schema(store.register().legend)
    join_tables(
        store,
        store.cohorts,
        lambda path: read_table(path, fields, required=ROW_FIELDS, with_others=True),
        distinct,
    )


def join_histories(store: Store) -> None:
    """Join files of histories, each point once."""
    fields = pa.schema(HISTORY_FIELDS)

    def read(path: Path) -> pa.Table:
        return read_table(path, fields, required=HISTORY_FIELDS, with_others=True)

    join_tables(store, store.histories, read, each_once)


def join_tables(
    store: Store, folder: Path, read: Callable[[Path], pa.Table], condensed: Callable[[pa.Table], pa.Table]
) -> None:
    """Join Parquet files of a folder, those that have the same columns of other versions beside ours."""
    for batch in batches(small(folder, ".parquet"), LARGE_BYTES[folder.name]):
        alike: dict[str, dict[Path, pa.Table]] = {}
        for path, table in readable(store, batch, read):
            alike.setdefault(table.schema.to_string(), {})[path] = table
        for tables in alike.values():
            if len(tables) > 1:
                whole = condensed(pa.concat_tables(tables.values())).combine_chunks()
                save_table(whole, joined(folder, ".parquet"))
                remove(tables)


def join_weights(store: Store) -> None:
    """Join files of weights whose models have the same tensors, each model once."""
    alike: dict[Any, list[tuple[Path, int]]] = {}
    sizes = dict(small(store.weights, weight_files.SUFFIX))
    for path, header in readable(store, sizes, weight_files.header):
        alike.setdefault(header.form, []).append((path, sizes[path]))

    def models_of(path: Path) -> dict[str, Parameters]:
        return {
            run_id: weight_files.read_weights(path, run_id) for run_id in weight_files.header(path).run_ids
        }

    for files in alike.values():
        for batch in batches(files, LARGE_BYTES["weights"]):
            whole = dict(readable(store, batch if len(batch) > 1 else [], models_of))
            if len(whole) > 1:
                models = {run_id: weights for found in whole.values() for run_id, weights in found.items()}
                save_stacked(store, models)
                remove(whole)


def save_stacked(store: Store, models: dict[str, Parameters]) -> None:
    """Write models with the same tensors as one file, if there are any, and forget them."""
    import torch

    if models:
        names = next(iter(models.values()))
        stacked = {name: torch.stack([weights[name] for weights in models.values()]) for name in names}
        weight_files.save_weights(joined(store.weights, weight_files.SUFFIX), list(models), stacked)
    models.clear()


def small(folder: Path, suffix: str) -> list[tuple[Path, int]]:
    """The files of a folder that are worth joining, with their sizes."""
    found = []
    for path in listed(folder, suffix):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            continue
        if size <= LARGE_BYTES[folder.name] // 2:
            found.append((path, size))
    return found


def batches(files: Iterable[tuple[Path, int]], limit: int) -> Iterator[list[Path]]:
    """Files in groups of at most `limit` bytes."""
    batch: list[Path] = []
    total = 0
    for path, size in files:
        if batch and total + size > limit:
            yield batch
            batch, total = [], 0
        batch.append(path)
        total += size
    if batch:
        yield batch


def readable(
    store: Store, paths: Iterable[Path], read: Callable[[Path], Contents]
) -> Iterator[tuple[Path, Contents]]:
    """The files that can be read, with what is in them; the others stay as they are, and are named."""
    for path in paths:
        try:
            yield path, read(path)
        except Fault as fault:
            store.notices.say(f"{fault}; not joined with others")
        except OSError as error:
            if error.errno not in GONE:
                raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error


def joined(folder: Path, suffix: str) -> Path:
    """A name that was never used before."""
    return folder / f"{JOINED}{uuid4().hex}{suffix}"


def remove(paths: Iterable[Path]) -> None:
    """Remove files that a new one holds the contents of."""
    for path in paths:
        try:
            path.unlink()
        except FileNotFoundError:
            continue  # another process has joined it too
        except OSError as error:
            raise BadInput(f"{path} cannot be removed: {error.strerror or error}; nothing is lost") from error
