"""What the words after `--against` mean: kinds of outliers, data sets, a user's files; checked before any is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from disbench.datasets import DATA_SETS, entry

from ..bad_input import BadInput, unknown
from ..generation.save import open_data
from ..npz_file import read_npz
from ..pixels import as_images
from ..run import Run
from ..tasks.outliers import HELD_OUT, Group, outsiders
from .kinds import KINDS

Note = Callable[[str], None]
"""Told one line about what is passed over."""


@dataclass(frozen=True)
class Foreign:
    """Images that are not made of members."""

    images: Tensor
    """[M, C, H, W]: of a data set from first to last, of a file the first."""
    available: int
    """How many there are where they come from."""


def file_stem(name: str) -> str:
    """The part of a file's name that says what a model was scored against."""
    return Path(name).stem if name.endswith(".npz") else name


def foreign_images(names: Sequence[str], runs: Sequence[Run], count: int, note: Note) -> dict[str, Foreign]:
    """Images of those names that are data sets or files; the other names are kinds, and `held_out`.

    Args:
        names: after `--against`.
        runs: that are to be scored.
        count: images of each, at most.
        note: told where a file has more.

    Raises:
        BadInput: a name that means nothing, two that would be written to one file, a file that cannot be used, or
            images that fit none of the runs.
    """
    stems: dict[str, str] = {}
    for name in names:
        other = stems.setdefault(file_stem(name), name)
        if other != name:
            raise BadInput(f"--against: {other} and {name} would be written to one file; rename one of them")
        if name not in {*KINDS, HELD_OUT, *DATA_SETS} and not name.endswith(".npz"):
            raise unknown("outliers", name, [*KINDS, HELD_OUT, *DATA_SETS, "FILE.npz"], where="--against")
    found = {name: images_of_file(Path(name), count) for name in names if name.endswith(".npz")}
    for name in names:
        shape = found[name].images.shape[1:] if name in found else None
        objections = [objection(run, name, shape) for run in runs]
        if (first := next(iter(objections), None)) is not None and None not in objections:
            raise BadInput(first)
    for name, file in found.items():
        if file.available > len(file.images):
            note(
                f"{name}: the first {len(file.images)} of its {file.available} images are scored; see --images"
            )
    return found | {name: images_of_data(name, count) for name in names if name in DATA_SETS}


def objection(run: Run, name: str, shape: Sequence[int] | None) -> str | None:
    """Why a run's model cannot be scored against these outliers, [C, H, W] of a file's; None where it can."""
    if name in KINDS:
        return None
    if name == HELD_OUT:
        there = run.hold_out is not None and not run.hold_out.get("random")
        return None if there else f"{run.label}: no combination was held out of its training"
    if name == run.data_set or (
        name.endswith(".npz") and Path(name).resolve() == Path(run.data_set).resolve()
    ):
        return f"{run.label}: images of {name} are the members themselves"
    takes = list(entry(run.data_set).image_shape)
    got = list(entry(name).image_shape if shape is None else shape)
    return None if takes == got else f"{run.label}: takes images {takes}, {name} has {got}"


def group_against(
    name: str, run: Run, members: Group, held_out: Group | None, foreign: Mapping[str, Foreign]
) -> Group | str:
    """The outliers of a run by that name, or why there are none."""
    if (why := objection(run, name, foreign[name].images.shape[1:] if name in foreign else None)) is not None:
        return why
    if name in KINDS:
        made = outsiders(members, None, [name], run)
        return made.get(name, f"{run.label}: its {name} images are the members themselves")
    if name == HELD_OUT:
        return held_out or f"{run.label}: none of its evaluated images was held out of training"
    images = foreign[name].images.to(members.images)
    return Group(images, members.told[torch.arange(len(images)) % len(members.told)])


def images_of_data(name: str, count: int) -> Foreign:
    """So many images of a data set, from first to last; `BadInput` where they are not at hand."""
    data = open_data(name)
    count = min(count, len(data))
    return Foreign(data.images(torch.arange(count) * (len(data) // count)), len(data))


def images_of_file(path: Path, count: int) -> Foreign:
    """The first of the array `images` of an .npz file, [M, C, H, W] or [M, H, W] in 0 .. 1, or bytes.

    Raises:
        BadInput: no such file or array, another shape, or values that are no pixels.
    """
    arrays, present = read_npz(path, ("images",))
    if "images" not in arrays:
        raise BadInput(f"{path} has no array 'images'; it has: {', '.join(present) or 'none'}")
    images = as_images(arrays["images"], where=f"{path}: images")
    return Foreign(images[:count], len(images))
