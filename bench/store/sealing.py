"""A seal on Parquet files: checksums of what the format itself has none for.

Parquet can give each page of numbers a checksum, but has none for the footer, which says what and where the columns
are: one changed bit there makes another column of a score, or ends the whole process inside of Arrow. The seal lies
between the last page and the footer, where nothing points at, so that every reader of Parquet reads the file as before:

    pages | MARK, CRC-32 of the pages, CRC-32 of the rest | footer, its length, PAR1
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

MARK = b"\0disbench-sealed\0"

SEAL = struct.Struct(f"<{len(MARK)}sII")

TAIL = struct.Struct("<I4s")
"""The footer's length and the format's name end a file."""

SEARCHED = 2**20
"""Bytes at the end of a file in which a seal is looked for that is not where it should be."""

BLOCK = 2**20


def seal(path: Path) -> None:
    """Put a seal into a file that has none."""
    with path.open("rb+") as stream:
        size = path.stat().st_size
        start = footer_start(stream, size)
        assert start is not None
        pages = crc_of(stream, 0, start)
        stream.seek(start)
        rest = stream.read()
        stream.seek(start)
        stream.write(SEAL.pack(MARK, pages, zlib.crc32(rest)) + rest)


def objection(stream: BinaryIO, size: int, *, pages: bool) -> str | None:
    """What a seal says against a file; None if nothing, or if it has no seal: another's, or an older version's.

    Args:
        stream: of the file.
        size: of the file.
        pages: whether these are looked at too, which takes reading all of them.
    """
    stream.seek(max(0, size - SEARCHED))
    end = stream.read()
    if MARK not in end:
        return None
    start = footer_start(stream, size)
    if start is None or start < SEAL.size:
        return "its footer is not where it was"
    stream.seek(start - SEAL.size)
    mark, of_pages, of_rest = SEAL.unpack(stream.read(SEAL.size))
    if mark != MARK:
        return "its footer is not where it was"
    if zlib.crc32(stream.read()) != of_rest:
        return "the checksum of its footer is another"
    if pages and crc_of(stream, 0, start - SEAL.size) != of_pages:
        return "its checksum is another"
    return None


def footer_start(stream: BinaryIO, size: int) -> int | None:
    """Where the footer begins; None if there is no room for what the end of the file says."""
    if size < TAIL.size:
        return None
    stream.seek(size - TAIL.size)
    length, _ = TAIL.unpack(stream.read(TAIL.size))
    start = size - TAIL.size - int(length)
    return start if start >= 0 else None


def crc_of(stream: BinaryIO, start: int, stop: int) -> int:
    """CRC-32 of a part of a file."""
    stream.seek(start)
    total = 0
    while (left := stop - stream.tell()) > 0 and (block := stream.read(min(BLOCK, left))):
        total = zlib.crc32(block, total)
    return total
