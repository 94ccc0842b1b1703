"""Byte tables built once, then memory-mapped: safe against other builders, cut files and full disks."""

import contextlib
import errno
import hashlib
import logging
import os
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from .contract import Progress
from .folders import CACHE_VARIABLE, cache_folder

Chunks: TypeAlias = Generator[bytes | memoryview, None, None]

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 300.0
"""How long to wait for another builder before building as well."""

ABANDONED_SECONDS = 900.0
"""A part file that nobody has written to for so long belongs to a builder that was killed."""


def cached_table(
    label: str,
    contents: str,
    shape: tuple[int, int],
    chunks: Callable[[], Chunks],
    progress: Progress | None = None,
) -> Tensor:
    """Map the uint8 table [N, width] that `chunks` makes, building it first if it is not in the cache folder.

    The file is the table and then the SHA-256 of `contents`, so a file that was cut short, or that holds
    something else, is noticed and built again. A file appears whole or not at all (written under another
    name, flushed, renamed), whoever else builds it at the same time.

    Args:
        label: what the file name starts with.
        contents: says all that the bytes depend on: data set, version of the renderer, grid, source file.
        shape: (N, width).
        chunks: makes the N * width bytes, whole rows at a time, in order.
        progress: told (rows done, N) after each chunk.

    Raises:
        OSError: the cache folder cannot be written or is full; names the folder and what to do.
    """
    footer = hashlib.sha256(contents.encode()).digest()
    path = cache_folder() / f"{label}-{footer.hex()[:12]}.bin"
    if not _is_whole(path, shape, footer):
        with _naming_folder(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(path.parent)
        with _one_builder(path):
            if not _is_whole(path, shape, footer):  # another builder may have finished while we waited
                _build(path, shape, footer, chunks(), progress)
    # Read-only: pages are the system's to drop, so that a table may be larger than memory, and nobody's to change.
    table = np.memmap(path, np.uint8, "r", shape=shape)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(table)


def _is_whole(path: Path, shape: tuple[int, int], footer: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(footer), os.SEEK_END)
            return file.read() == footer and file.tell() == shape[0] * shape[1] + len(footer)
    except OSError:  # not there, shorter than a footer, or unreadable
        return False


def _build(
    path: Path,
    shape: tuple[int, int],
    footer: bytes,
    chunks: Chunks,
    progress: Progress | None,
) -> None:
    rows, width = shape
    started, written = time.monotonic(), 0
    log.info("building %s (%.0f MB)", path, rows * width / 1e6)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with _naming_folder(path.parent):
            file = part.open("xb")
        with file, contextlib.closing(chunks):
            for chunk in chunks:  # what goes wrong here is the maker's to tell
                with _naming_folder(path.parent):
                    written += file.write(chunk)
                if progress is not None:
                    progress(written // width, rows)
            if written != rows * width:
                raise ValueError(f"{path.name} should have {rows * width} bytes, its maker gave {written}")
            with _naming_folder(path.parent):
                file.write(footer)
                file.flush()
                os.fsync(file.fileno())
        with _naming_folder(path.parent):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    log.info("built %s in %.1f s", path, time.monotonic() - started)


@contextlib.contextmanager
def _naming_folder(folder: Path) -> Iterator[None]:
    """Turn a failure to write into one line that says where, why, and what to do."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        advice = f"make room there, or set {CACHE_VARIABLE} to another folder"
        message = f"cannot write to the cache folder {folder} ({cause}): {advice}"
        raise OSError(error.errno or errno.EIO, message) from error


@contextlib.contextmanager
def _one_builder(path: Path) -> Iterator[None]:
    """Wait, within patience, until nobody else builds `path`. Saves work; nothing goes wrong without it."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError, OSError):  # a system, or a file system, without such locks
            import fcntl

            lock = held.enter_context(path.with_suffix(".lock").open("ab"))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.05)
        yield


def _remove_abandoned(folder: Path) -> None:
    for part in folder.glob("*.bin.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                part.unlink()
