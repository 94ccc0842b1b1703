"""Setting damaged files aside, `OUT/damaged/`: done by a sweep, which can compute anew what was in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .faults import DamagedFile, Fault
from .parquet_files import read_table
from .reading import read_each
from .weight_files import SUFFIX, header

if TYPE_CHECKING:
    from .store import Store


def set_aside_damaged(store: Store) -> None:
    """Move damaged files of rows and weights out of the way, and say so. Histories are looked at when they are read."""
    nothing = pa.schema([])

    def rows_of(path: Path) -> None:
        read_table(path, nothing, with_others=True)

    look(store, store.cohorts, ".parquet", rows_of, "what is missing is computed anew")
    look(
        store, store.weights, SUFFIX, header, "its models keep their scores, and are trained again for others"
    )


def look(store: Store, folder: Path, suffix: str, read: Callable[[Path], Any], consequence: str) -> None:
    """Read every file of a folder and set aside those that are damaged."""

    def on_fault(fault: Fault) -> None:
        if not isinstance(fault, DamagedFile):
            store.notices.say(str(fault))
            return
        try:
            read(fault.path)  # again: a disk or a network may have slipped once
        except DamagedFile:
            aside = store.folder / "damaged" / f"{folder.name}-{fault.path.name}"
            aside.parent.mkdir(exist_ok=True)
            try:
                fault.path.replace(aside)
            except FileNotFoundError:
                return  # another sweep was faster
            store.notices.say(f"{fault}; set aside as {aside}, {consequence}")
        except OSError:
            return

    read_each(folder, suffix, read, on_fault)
