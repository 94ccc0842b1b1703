"""What identifies a user's own data set: its bytes, since a path stays the same when the file behind it changes."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from disbench.datasets import DATA_SETS


def content_digest(data_set: str) -> str | None:
    """SHA-256 of a user's file, or of all files of a folder with their names; None for a data set that has a name."""
    if data_set in DATA_SETS:
        return None
    path = Path(data_set).expanduser()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        state = file.stat()
        name = file.relative_to(path).as_posix()
        total.update(f"{name}:{file_digest(file, state.st_size, state.st_mtime_ns)}\n".encode())
    return total.hexdigest()


@lru_cache(maxsize=100_000)
def file_digest(file: Path, size: int, modified: int) -> str:
    """SHA-256 of a file; read again only if its size or time has changed."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
