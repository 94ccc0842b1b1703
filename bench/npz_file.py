"""Arrays of a user's .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bad_input import BadInput


class Arrays(NamedTuple):
    """What a file holds."""

    found: dict[str, NDArray[Any]]
    """Those that were asked for and are there."""
    present: list[str]
    """Names of all."""


def read_npz(path: Path, names: Collection[str]) -> Arrays:
    """Those of the named arrays that are there, and what else is.

    Raises:
        BadInput: no such file, or no readable .npz of plain arrays.
    """
    if not path.is_file():
        raise BadInput(f"{path} is no file" if path.exists() else f"{path} does not exist")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return Arrays({name: file[name] for name in names if name in file.files}, list(file.files))
    except (
        OSError,
        ValueError,
        TypeError,
        MemoryError,
        zipfile.BadZipFile,
        EOFError,
        AttributeError,
    ) as error:
        raise BadInput(f"{path} is not a readable .npz file of plain arrays: {error}") from error
