"""Parquet files of a results folder: the columns that are wanted, as the types that they should have, or why not.

Files are read as what anybody may have written. Nothing in them is run or unpickled: only plain columns of known names
are looked at, metadata of other libraries is dropped, and what claims to be larger than any result is not read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as is_type

from ..atomic_file import write_atomically
from .faults import DamagedFile, ForeignFile
from .sealing import objection, seal

MOST_VALUES = 200_000_000
"""In the wanted columns of a file, 1.6 GB of numbers: more than all histories of the unsupervised study hold."""

MOST_BYTES = 2 * 1024**3
"""Of the wanted columns of a file, decompressed."""

SMALL_BYTES = 2**20
"""Of a file that is read at once and by one thread."""

PROBLEMS = (pa.ArrowException, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError)
"""What reading a file that is none raises, apart from an OSError without a number."""


def read_table(
    path: Path, fields: pa.Schema, *, required: Collection[str] = (), with_others: bool = False
) -> pa.Table:
    """The columns `fields` of a file, null where it has none of that name; on request its other columns after them.

    Raises:
        DamagedFile: it is no Parquet file, or a part of it is not what it was.
        ForeignFile: it lacks a required column, or a column has another type.
        OSError: it cannot be read, or is gone.
    """
    with path.open("rb") as stream:
        try:
            size = path.stat().st_size
            is_small = size <= SMALL_BYTES
            # Before Arrow sees it, which a changed footer can make end the whole process.
            if broken := objection(stream, size, pages=is_small):
                raise DamagedFile(path, broken)
            stream.seek(0)
            source = pa.BufferReader(stream.read()) if is_small else stream
            file = pq.ParquetFile(source, page_checksum_verification=True)
            types = {field.name: field.type for field in file.schema_arrow}
            wanted = {field.name: field.type for field in fields}
            refuse_foreign(path, file.schema_arrow.names, types, wanted, required)
            read = [name for name in types if with_others or name in wanted]
            refuse_oversized(path, file.metadata, set(read))
            table = file.read(columns=read, use_threads=not is_small).select(read)
            table.validate(full=True)
            return as_fields(table, wanted)
        except OSError as error:
            if error.errno is not None:  # the system's own; Arrow's are about what it read
                raise
            raise DamagedFile(path, str(error)) from error
        except PROBLEMS as error:
            raise DamagedFile(path, str(error)) from error


def refuse_foreign(
    path: Path,
    names: Collection[str],
    types: Mapping[str, pa.DataType],
    wanted: Mapping[str, pa.DataType],
    required: Collection[str],
) -> None:
    """`ForeignFile` unless the columns of these names are what they should be."""
    if len(types) < len(names):
        raise ForeignFile(path, "it has two columns of one name")
    for name in required:
        if name not in types:
            raise ForeignFile(path, f"it has no column {name!r}")
    for name, wanted_type in wanted.items():
        if name in types and not fits(types[name], wanted_type):
            raise ForeignFile(path, f"column {name!r} is {types[name]}, not {wanted_type}")


def fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a type can stand for another: other libraries write whole numbers, large strings and columns of nulls."""
    if found == wanted or is_type.is_null(found):
        return True
    if is_type.is_list(wanted):
        lists = is_type.is_list(found) or is_type.is_large_list(found)
        return lists and fits(found.value_type, wanted.value_type)
    if is_type.is_string(wanted):
        return is_type.is_large_string(found) or (
            is_type.is_dictionary(found) and fits(found.value_type, wanted)
        )
    return is_type.is_integer(found) or (is_type.is_floating(wanted) and is_type.is_floating(found))


def refuse_oversized(path: Path, metadata: pq.FileMetaData, wanted: Collection[str]) -> None:
    """`DamagedFile` for a file whose wanted columns say that they are larger than any result."""
    leaves = [metadata.schema.column(n).path.partition(".")[0] for n in range(metadata.num_columns)]
    read = [n for n, name in enumerate(leaves) if name in wanted]
    values = size = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for n in read:
            column = group.column(n)
            values += max(column.num_values, group.num_rows)
            size += column.total_uncompressed_size
    if max(values, metadata.num_rows) > MOST_VALUES or size > MOST_BYTES:
        raise DamagedFile(path, f"it claims {metadata.num_rows:,} rows, {values:,} values, {size:,} bytes")


def as_fields(table: pa.Table, wanted: Mapping[str, pa.DataType]) -> pa.Table:
    """The table with the wanted columns first, cast to their types and null where it has none; without metadata."""
    columns = dict(zip(table.column_names, table.columns, strict=True))
    found = {
        name: pa.nulls(len(table), wanted_type)
        if name not in columns
        else columns[name]
        if columns[name].type == wanted_type
        else columns[name].cast(wanted_type)
        for name, wanted_type in wanted.items()
    }
    return pa.table({**found, **{name: column for name, column in columns.items() if name not in wanted}})


def save_table(table: pa.Table, path: Path) -> None:
    """Write a table as one file whose every page carries a checksum, and the whole a seal."""

    def write(temporary: Path) -> None:
        # Without Arrow's copy of the schema and without statistics a row of 90 columns takes half the space and time.
        pq.write_table(table, temporary, write_page_checksum=True, write_statistics=False, store_schema=False)
        seal(temporary)

    write_atomically(path, write)
