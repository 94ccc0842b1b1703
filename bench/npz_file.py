"""Arrays of a user's .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bad_input import BadInput

NUMBERS = "fiub"
"""Kinds of arrays that hold real numbers: floats, whole numbers, True and False."""


class Arrays(NamedTuple):
    """What a file holds."""

    found: dict[str, NDArray[Any]]
    """Those that were asked for and are there."""
    present: list[str]
    """Names of all."""


def read_npz(path: Path, names: Collection[str]) -> Arrays:
    """Those of the named arrays that are there, all of real numbers, and what else is.

    Raises:
        BadInput: no such file, no .npz file or a damaged one, or a named array of anything but real numbers.
    """
    if not path.is_file():
        raise BadInput(f"{path} is no file" if path.exists() else f"{path} does not exist")
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise BadInput(f"{path} is no .npz file; numpy.savez makes one")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                return Arrays(
                    {name: _numbers(path, name, file) for name in names if name in file.files},
                    list(file.files),
                )
    except BadInput:
        raise
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


def _numbers(path: Path, name: str, file: Any) -> NDArray[Any]:
    """One array of an open file."""
    try:
        array = file[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise BadInput(f"{path}: {name} must be an array of real numbers, got Python objects") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in NUMBERS:
        got = array.dtype if isinstance(array, np.ndarray) else "a file of another kind"
        raise BadInput(f"{path}: {name} must be an array of real numbers, got {got}")
    return array
