"""Checking what is here: rendered images against the authors' file, and any file against what is known of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .contract import DataSet, Entry, Progress
from .dsprites import official_dsprites, rendered_dsprites
from .fetching import judged
from .official_file import OfficialFile, present, present_path
from .shapes3d import official_shapes3d, rendered_shapes3d

RENDERED: dict[str, tuple[Callable[..., DataSet], Callable[..., DataSet], str]] = {
    "dsprites": (
        rendered_dsprites,
        official_dsprites,
        "exact on every real image that was at hand (363 frames of the published animation); two ties of the fill "
        "rule, in about 0.07 % of the images, none of those settles",
    ),
    "shapes3d": (
        rendered_shapes3d,
        official_shapes3d,
        "close, not equal: mean absolute error 0.50 of 255 grey levels on 50 real images; pattern and lamp "
        "fitted on 25 of them give the same on the other 25, geometry was fitted on all",
    ),
}
"""Data sets that we render: rendered, official, and what is known without the official file."""

IMAGES_AT_ONCE = 2000


@dataclass(frozen=True)
class Comparison:
    """How rendered images differ from official ones of the same index."""

    images: int
    images_that_differ: int
    pixels: int
    pixels_that_differ: int
    mean_absolute_levels: float
    """Of 255, over all pixels and channels."""
    largest_levels: int


@dataclass(frozen=True)
class Verification:
    """What checking a data set found."""

    is_checked: bool
    """Whether there was an official file to check."""
    lines: tuple[str, ...]
    """What was found, in words."""
    comparison: Comparison | None = None
    is_sound: bool = True
    """Whether every checksum that is known is right."""


def verify(entry: Entry, *, progress: Progress | None = None) -> Verification:
    """Check a data set of the table: open its official file, which checks order and factor table; compare if rendered.

    Raises DamagedFileError where a file is not what it should be, AbsentFileError where nothing can be opened.
    """
    here = [file for file in entry.files if present(file)]
    known = RENDERED.get(entry.name.removeprefix("color_").removeprefix("noisy_").removeprefix("scream_"))
    checksums = [f"{present_path(file)}: {verdict_on(file)}" for file in here]
    is_sound = not any(": wrong " in line for line in checksums)
    if known is None or entry.name not in RENDERED:
        data = entry.open(progress=progress)
        lines = [f"{entry.name}: {data.source}; {len(data):,} images, {_factors(data)}", *checksums]
        if entry.files and len(here) == len(entry.files):
            lines.append("format and size of the official files are as expected" + _about_factors(entry))
        else:
            lines.append("it has no official file to compare with")
        return Verification(bool(here), tuple(lines), is_sound=is_sound)
    rendered, official, facts = known
    if not here:
        lines = [
            f"{entry.name}: not compared: the official file is absent ({entry.files[0].path}, {entry.files[0].size})",
            f"what is known of the rendered images: {facts}",
        ]
        return Verification(False, tuple(lines))
    theirs, ours = official(progress=progress), rendered(progress=progress)
    found = compare(ours, theirs, progress=progress)
    share = found.pixels_that_differ / found.pixels
    lines = [
        f"{entry.name}: {len(theirs):,} images; grid order and factor table of the official file are as expected",
        f"{found.images_that_differ:,} of {found.images:,} rendered images differ from the official ones",
        f"{found.pixels_that_differ:,} of {found.pixels:,} pixels differ ({share:.4%}), "
        f"by {found.mean_absolute_levels:.4f} of 255 levels on average over all and {found.largest_levels} at most",
    ]
    return Verification(True, (*checksums, *lines), found, is_sound)


def verify_user_data(entry: Entry, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Read a user's data set to its end and say what it is; raises as `verify` does."""
    data = entry.open(progress=progress)
    rows = data.factors(range(len(data)))
    present_rows = len(rows.unique(dim=0))
    possible = math.prod(data.factor_sizes)
    grid = "a full grid" if data.is_full_grid else "no full grid"
    return (
        f"{entry.name}: {len(data):,} images of {' x '.join(map(str, data.image_shape))}, {_factors(data)}",
        f"{grid}: {present_rows:,} of {possible:,} combinations have images, "
        f"{len(rows) - present_rows:,} images repeat another's",
    )


def verdict_on(file: OfficialFile) -> str:
    """What the checksum of a file that is here says; a file unpacked by hand has none to compare with."""
    path = present_path(file)
    return judged(file, path)[1] if path == file.path else "unpacked by hand, no checksum to compare with"


def _about_factors(entry: Entry) -> str:
    """Whether the files could contradict the factors that we give their images."""
    if entry.files_tell_factors:
        return ", and so are the factors that they give each image"
    return "; they do not say the factors of an image: these follow from the published order"


def compare(ours: DataSet, theirs: DataSet, *, progress: Progress | None = None) -> Comparison:
    """Compare two data sets image by image. ValueError where their grids differ."""
    if (ours.factor_sizes, ours.image_shape) != (theirs.factor_sizes, theirs.image_shape):
        raise ValueError(f"{ours.name} and {theirs.name} are not of one grid and image shape")
    images = pixels = largest = 0
    total = 0.0
    for start in range(0, len(ours), IMAGES_AT_ONCE):
        indices = torch.arange(start, min(start + IMAGES_AT_ONCE, len(ours)))
        if not torch.equal(ours.factors(indices), theirs.factors(indices)):
            raise ValueError(f"factor rows from {start} on differ")
        levels = (255 * (ours.images(indices) - theirs.images(indices))).round().abs()
        by_pixel = levels.amax(dim=1)
        images += int((by_pixel.amax(dim=(1, 2)) > 0).sum())
        pixels += int((by_pixel > 0).sum())
        largest = max(largest, int(by_pixel.max()))
        total += float(levels.sum(dtype=torch.float64))
        if progress is not None:
            progress(start + len(indices), len(ours))
    channels, height, width = ours.image_shape
    count = len(ours) * height * width
    return Comparison(len(ours), images, count, pixels, total / (count * channels), largest)


def _factors(data: DataSet) -> str:
    return " x ".join(
        f"{name} {size}" for name, size in zip(data.factor_names, data.factor_sizes, strict=True)
    )
