"""Files that are there whole or not at all, on local disks and on NFS: by renaming, without locks."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError

from .bad_input import BadInput

TRIES = 3
"""Of a write whose temporary file somebody removes meanwhile."""

TEMPORARY = (".*.tmp", ".tmp??????")
"""Patterns of the names of temporary files: ours, and those that safetensors writes before it renames to ours. Other
programs' may be alike, so they are looked for where only ours can be."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name beside `path`, flush it to disk, and rename it into place.

    `write` may be called again: another machine, whose clock is ahead, can take a temporary file for a forgotten one.

    Raises:
        BadInput: the disk is full, or the folder is not ours to write; what was there before is still there.
    """
    written(path, write, put_in_place)


def create_atomically(path: Path, write: Callable[[Path], object]) -> bool:
    """Write a file that is not there yet; False, and nothing is changed, if another process was first.

    Raises:
        BadInput: as `write_atomically`.
    """
    return written(path, write, put_in_free_place)


def written(path: Path, write: Callable[[Path], object], put: Callable[[Path, Path], bool]) -> bool:
    """Write under a temporary name and `put` that in the place of `path`; what `put` returns."""
    for tries_left in reversed(range(TRIES)):
        temporary = temporary_beside(path)
        try:
            temporary.touch()
            mode = temporary.stat().st_mode
            write(temporary)
            temporary.chmod(mode)  # safetensors writes files that nobody else may read
            flush(temporary)
            return put(temporary, path)
        except (OSError, SafetensorError) as error:
            if isinstance(error, FileNotFoundError) and path.parent.is_dir() and tries_left:
                continue
            why = getattr(error, "strerror", None) or error
            raise BadInput(f"{path} cannot be written: {why}; what is finished is kept") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    raise AssertionError("the last try returns or raises")


def temporary_beside(path: Path) -> Path:
    """A name that no other process on any machine uses: `.NAME.HOST-PROCESS-RANDOM.tmp`."""
    host = re.sub(r"[^A-Za-z0-9]+", "-", platform.node())[:32]
    return path.with_name(f".{path.name}.{host}-{os.getpid()}-{uuid4().hex}.tmp")


def flush(path: Path) -> None:
    """Have the system put a file's content on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def put_in_place(temporary: Path, path: Path) -> bool:
    """Give a file its name, whatever had it before."""
    temporary.replace(path)
    flush_names(path.parent)
    return True


def put_in_free_place(temporary: Path, path: Path) -> bool:
    """Give a file its name unless another file has it; whether it did."""
    try:
        os.link(temporary, path)  # of all ways to claim a name the one that NFS grants to one client only
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if path.exists():
            return False
        temporary.replace(path)
    flush_names(path.parent)
    return True


def flush_names(folder: Path) -> None:
    """Have the system put a folder's names on the disk: a power cut must not forget a new one and keep a removal."""
    with contextlib.suppress(OSError):  # not every system can open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
