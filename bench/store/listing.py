"""Which files a folder holds, while other processes add and join them."""

from __future__ import annotations

import os
from pathlib import Path

TRIES = 20


def listed(folder: Path, suffix: str) -> list[Path]:
    """The finished files of a folder with this suffix, by name; none if there is no folder.

    Two equal listings in a row: one alone can miss a file that was joined with others while the listing was under way,
    if the joined file was put where the listing had already been.
    """
    before = names(folder, suffix)
    for _ in range(TRIES):
        now = names(folder, suffix)
        if now == before:
            break
        before = now
    return [folder / name for name in before]


def names(folder: Path, suffix: str) -> list[str]:
    """One listing: regular files (opening a pipe would wait for ever), temporary ones left out."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(suffix) and not entry.name.startswith(".") and is_file(entry)
            )
    except FileNotFoundError:
        return []


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file, or a link to one."""
    try:
        return entry.is_file()
    except OSError:
        return False  # a link to itself
