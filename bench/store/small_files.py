"""JSON files of a results folder, read as what anybody may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST_BYTES = 64 * 1024 * 1024


def read_json(path: Path) -> Any:
    """The contents of a JSON file.

    Raises:
        OSError: it is not there or cannot be read.
        ValueError: it is no JSON, too large, nested too deeply, or no regular file.
    """
    return parsed_json(read_small(path))


def read_small(path: Path) -> bytes:
    """The bytes of a regular file of at most `MOST_BYTES`; else as `read_json`."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    return content


def parsed_json(content: str | bytes) -> Any:
    """What a JSON text says; ValueError if it says nothing, or is nested so deeply that no reader should follow."""
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
