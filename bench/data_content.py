"""What identifies a data set's pixels beyond its name: rendered or official, whose picture, whose file."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from disbench.datasets import DATA_SETS
from disbench.datasets.dsprites_variants import PICTURE_VARIABLE
from disbench.datasets.official_file import present
from disbench.datasets.user_data import FACTORS_FILE


def content_digest(data_set: str) -> str | None:
    """What to tell apart runs by whose data set has one name and other pixels; None where the name says it all.

    "official" where the authors' file stands in for what we would render, the digest of the picture behind
    Scream-dSprites if it is the user's, and of the bytes of a data set that is a path.
    """
    entry = DATA_SETS.get(data_set)
    if entry is None:
        return path_digest(Path(data_set).expanduser())
    official = entry.files and not entry.needs_files and all(present(file) for file in entry.files)
    picture = os.environ.get(PICTURE_VARIABLE) if data_set == "scream_dsprites" else None
    told = [
        *(["official"] if official else []),
        *([path_digest(Path(picture).expanduser())] if picture else []),
    ]
    return " ".join(told) or None


def path_digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names; empty if it is not there."""
    if path.is_dir() and not (path / FACTORS_FILE).is_file():
        return ""  # no data set; it may be a whole disk
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        if not file.is_file():
            return ""
        state = file.stat()
        name = file.relative_to(path).as_posix()
        total.update(f"{name}:{file_digest(file, state.st_size, state.st_mtime_ns)}\n".encode())
    return total.hexdigest()


@lru_cache(maxsize=100_000)
def file_digest(file: Path, size: int, modified: int) -> str:
    """SHA-256 of a file; read again only if its size or time has changed."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
