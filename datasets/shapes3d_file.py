"""The official 3D Shapes file: 5.9 GB of images in 255 MB of HDF5, unpacked once, a piece at a time."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import numpy as np
import torch

from .cache import cached_table
from .contract import Progress
from .factors import FactorGrid
from .official_file import OfficialFile, fingerprint, reading
from .pixels import Levels

OFFICIAL = OfficialFile(
    "3dshapes.h5",
    "268 MB",
    ("https://storage.googleapis.com/3d-shapes/3dshapes.h5",),
    "md5:099a2078d58cec4daad0702c55d06868",
)

IMAGE_SHAPE = (64, 64, 3)

ROWS_AT_ONCE = 1000
"""Images in memory at once, 12 MB of them; more where the file's chunks hold more."""

MOST_ROWS_AT_ONCE = 20_000


def official_pixels(path: Path, grid: FactorGrid, progress: Progress | None) -> Levels:
    """Images of the file at `path`, unpacked into the cache folder and memory-mapped; DamagedFileError."""
    contents = f"shapes3d, official, {fingerprint(path)}, {grid.description}"
    shape = (len(grid), int(np.prod(IMAGE_SHAPE)))
    table = cached_table("shapes3d-official", contents, shape, partial(unpacked, path, grid), progress)
    return Levels(table.view(-1, 3, 64, 64), white=255)


def unpacked(path: Path, grid: FactorGrid) -> Generator[bytes, None, None]:
    """Images of the file in order, channels first, some rows at a time."""
    advice = "fetch it again, or remove it to have the images rendered"
    with reading(path, "the official 3D Shapes file", advice), h5py.File(path, "r") as file:
        images, labels = file["images"], file["labels"]
        if images.shape != (len(grid), *IMAGE_SHAPE) or images.dtype != np.uint8:
            wanted = [len(grid), *IMAGE_SHAPE]
            raise ValueError(f"images should be uint8 {wanted}, is {images.dtype} {list(images.shape)}")
        if labels.shape != (len(grid), len(grid.names)):
            raise ValueError(f"labels should be [{len(grid)}, {len(grid.names)}], is {list(labels.shape)}")
        values = label_values(grid)
        at_once = whole_chunks(images.chunks)
        for start in range(0, len(grid), at_once):
            rows = slice(start, min(start + at_once, len(grid)))
            classes = grid.rows(torch.arange(rows.start, rows.stop)).numpy()
            expected = np.stack([values[k][classes[:, k]] for k in range(len(values))], axis=1)
            if not np.allclose(labels[rows], expected, atol=1e-4):
                raise ValueError(f"images from {start} on are not in the expected order")
            yield np.ascontiguousarray(images[rows].transpose(0, 3, 1, 2)).tobytes()


def whole_chunks(chunks: tuple[int, ...] | None) -> int:
    """How many images to read at once so that no chunk of the file is unpacked twice, within `MOST_ROWS_AT_ONCE`."""
    rows = chunks[0] if chunks else 1
    return min(-(-ROWS_AT_ONCE // rows) * rows, MOST_ROWS_AT_ONCE)


def label_values(grid: FactorGrid) -> list[np.ndarray]:
    """What the file's labels write for each class: shapes as 0 to 3, orientations in degrees."""
    shapes = ["cube", "cylinder", "sphere", "capsule"]
    return [
        np.array([shapes.index(shape) for shape in values], dtype=float)
        if name == "shape"
        else np.rad2deg(values)
        if name == "orientation"
        else np.asarray(values, dtype=float)
        for name, values in grid.values.items()
    ]
