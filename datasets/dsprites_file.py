"""The official dSprites file: 3 GB of images inside 26 MB of zip, read a piece at a time."""

import math
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from .factors import FactorGrid
from .official_file import OfficialFile, reading
from .polygon import SIZE

OFFICIAL = OfficialFile(
    "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    "27 MB",
    (
        "https://github.com/google-deepmind/dsprites-dataset/raw/master/"
        "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
        "https://github.com/deepmind/dsprites-dataset/raw/master/"
        "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    ),
)

ROWS_AT_ONCE = 4096
"""Images in memory at once: 16 MB of them."""


def packed_images(path: Path, grid: FactorGrid) -> Generator[memoryview, None, None]:
    """Bit-packed images of the file at `path`, in order, some rows at a time.

    Raises DamagedFileError for a file that is cut, garbled, or not images of `grid` in its order.
    """
    width = len(grid.constants) + len(grid.names)
    advice = "fetch it again, or remove it to have the images rendered"
    with (
        reading(path, "the official dSprites file", advice),
        zipfile.ZipFile(path) as archive,
        archive.open("latents_classes.npy") as classes_file,
        archive.open("imgs.npy") as images_file,
    ):
        all_classes = _rows(classes_file, "latents_classes", (len(grid), width), np.int64)
        all_images = _rows(images_file, "imgs", (len(grid), SIZE, SIZE), np.uint8)
        done = 0
        for classes, images in zip(all_classes, all_images, strict=True):
            # `index` takes rows as the file has them, and refuses classes that the grid has not.
            places = grid.index(torch.from_numpy(classes.copy()))
            if not torch.equal(places, torch.arange(done, done + len(images))):
                raise ValueError(f"images from {done} on are not in the expected order")
            if images.max() > 1:
                raise ValueError(f"images from {done} on have pixels that are neither 0 nor 1")
            yield np.packbits(images.reshape(len(images), -1), axis=1).data
            done += len(images)


def _rows(
    file: IO[bytes], name: str, shape: tuple[int, ...], dtype: DTypeLike
) -> Iterator[NDArray[np.integer]]:
    """The array in an npy `file`, `ROWS_AT_ONCE` rows at a time; its shape and type must be these."""
    version = np.lib.format.read_magic(file)
    v1, v2 = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    found, by_columns, kind = (v1 if version == (1, 0) else v2)(file)
    if (found, by_columns, kind) != (shape, False, np.dtype(dtype)):
        raise ValueError(f"{name} should be {np.dtype(dtype)} {list(shape)}, is {kind} {list(found)}")
    row_bytes = kind.itemsize * math.prod(shape[1:])
    for start in range(0, shape[0], ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, shape[0] - start)
        # A short read makes frombuffer or reshape fail; the last one also checks the member's checksum.
        yield np.frombuffer(file.read(rows * row_bytes), dtype=kind).reshape(rows, *shape[1:])
