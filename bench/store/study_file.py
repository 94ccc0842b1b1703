"""The study that a results folder belongs to, `study.json`: who may write there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic_file import create_atomically, write_atomically
from ..bad_input import BadInput
from ..one_line import one_line
from .small_files import parsed_json, read_small

if TYPE_CHECKING:
    from ..study import Study


REMEDY = "delete it and repeat the `disbench sweep` that began the folder, which writes it again"


def read_study(path: Path) -> Study:
    """The study of a folder; `BadInput` if its file is damaged, not ours, or may not be read."""
    from ..study_loading import stored_study

    content = study_bytes(path)
    try:
        return stored_study(parsed_json(content), str(path))
    except ValueError as error:
        raise BadInput(f"{path} is damaged or from another version of disbench: {error}; {REMEDY}") from error


def study_bytes(path: Path) -> bytes:
    """The study file as it is; `BadInput` as `read_study`."""
    try:
        return read_small(path)
    except ValueError as error:
        raise BadInput(f"{path} is damaged or from another version of disbench: {error}; {REMEDY}") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error


def claim(path: Path, study: Study) -> bytes:
    """Make the study the folder's, unless another one is; of two sweeps that begin at once, one is first.

    Returns:
        The study file as it is then.

    Raises:
        BadInput: the folder is another study's, or the file cannot be written.
    """
    content = study.model_dump_json(indent=1).encode()
    if create_atomically(path, lambda temporary: temporary.write_bytes(content)):
        return content
    known = study_bytes(path)
    owner = refuse_other(path, study)
    if owner.model_dump() == study.model_dump():
        return known
    # Another grid, other metrics or prose: what the latest sweep asks for counts.
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return content


def refuse_other(path: Path, study: Study) -> Study:
    """The study of a folder; `BadInput` unless it differs from `study` in what may differ."""
    owner = read_study(path)
    differs = difference(owner, study)
    if differs is not None:
        place, old, new = differs
        objection = (
            f"study {old!r}"
            if place == "name"
            else f"{owner.name!r} with {place} = {one_line(repr(old))}, not {new!r}"
        )
        raise BadInput(f"{path.parent} belongs to {objection}; give another --out or remove the folder")
    return owner


def difference(owner: Study, study: Study) -> tuple[str, Any, Any] | None:
    """The first key that two studies differ in with both values, beyond their grids of strengths and seeds.

    Lists of metrics and prose may differ too: they change no number.
    """
    old, new = flattened(owner.settings()), flattened(study.settings())
    for place in ["name", *old, *new]:
        if old.get(place) != new.get(place):
            return place, old.get(place), new.get(place)
    return None


def flattened(value: Any, place: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one mapping from dotted keys: {"arms.0.steps": 300}."""
    if isinstance(value, Mapping):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return {place: value}
    return {
        key: leaf
        for name, inner in items
        for key, leaf in flattened(inner, f"{place}.{name}".strip(".")).items()
    }
