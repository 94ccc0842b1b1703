"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError

from .bad_input import BadInput


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name beside `path`, flush it to disk, and rename it into place.

    Raises:
        BadInput: the disk is full, or the folder is not ours to write; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{path} cannot be written: {why}; what is finished is kept") from error
    finally:
        temporary.unlink(missing_ok=True)
