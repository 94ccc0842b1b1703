"""The official dSprites file: 3 GB of images inside 26 MB of zip, read a piece at a time."""

import zipfile
from collections.abc import Generator
from pathlib import Path

import numpy as np
import torch

from .factors import FactorGrid
from .npy_rows import rows
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
        all_classes = rows(classes_file, "latents_classes", (len(grid), width), np.int64)
        all_images = rows(images_file, "imgs", (len(grid), SIZE, SIZE), np.uint8)
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
