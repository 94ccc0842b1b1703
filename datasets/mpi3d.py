"""MPI3D (Gondal et al., 2019): 1,036,800 images of a robot's arm holding an object; toy, realistic and real.

The factors are those of the published files, six colours by six shapes. (disentanglement_lib expects the four by
four of a competition's files for toy and realistic, six by six for real.) The two joints are given in steps: their
angles are not in the files. Order of the files: colour slowest, vertical axis fastest.
"""

import zipfile
from collections.abc import Generator
from functools import partial
from pathlib import Path

import numpy as np

from .cache import cached_table
from .contract import Entry, Open, Progress
from .factored_images import FactoredImages
from .factors import FactorGrid
from .npy_rows import rows
from .official_file import OfficialFile, fingerprint, reading, require
from .pixels import Levels

GRID = FactorGrid(
    values={
        "object_color": np.array(["white", "green", "red", "blue", "brown", "olive"]),
        "object_shape": np.array(["cone", "cube", "cylinder", "hexagonal", "pyramid", "sphere"]),
        "object_size": np.array(["small", "large"]),
        "camera_height": np.array(["top", "center", "bottom"]),
        "background_color": np.array(["purple", "sea green", "salmon"]),
        "horizontal_axis": np.arange(40),
        "vertical_axis": np.arange(40),
    }
)

IMAGE_SHAPE = (64, 64, 3)
ADDRESS = "https://storage.googleapis.com/disentanglement_dataset/Final_Dataset/"

# MD5 sums of the whole files as the library disent (Michlo, 2021) has them.
CHECKSUMS = {
    "toy": "md5:55889cb7c7dfc655d6e0277beee88868",
    "realistic": "md5:59a6225b88b635365f70c91b3e52f70f",
    "real": "md5:0f33f609918fb5c97996692f91129802",
}
FILES = {
    kind: OfficialFile(
        f"mpi3d_{kind}.npz",
        "up to 12.7 GB, which is its size unpacked",
        (f"{ADDRESS}mpi3d_{kind}.npz",),
        checksum,
    )
    for kind, checksum in CHECKSUMS.items()
}


def open_mpi3d(kind: str, *, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open `toy`, `realistic` or `real`; the images are unpacked once into the cache folder (12.7 GB).

    A smaller `grid` of the same factors is for trials: the file must then hold just that grid.

    Raises:
        AbsentFileError: the file is not in the data folder.
        DamagedFileError: the file is there, but cut, garbled or another one.
        OSError: the cache folder cannot be written.
    """
    name = f"mpi3d_{kind}"
    (path,) = require(name, FILES[kind])
    contents = f"{name}, official, {fingerprint(path)}, {grid.description}"
    shape = (len(grid), int(np.prod(IMAGE_SHAPE)))
    table = cached_table(f"{name}-official", contents, shape, partial(_unpacked, path, grid), progress)
    return FactoredImages(name, "official", grid, Levels(table.view(-1, 3, 64, 64), white=255))


def _unpacked(path: Path, grid: FactorGrid) -> Generator[bytes, None, None]:
    """Images of the file in order, channels first, some rows at a time."""
    with (
        reading(path, "an official MPI3D file"),
        zipfile.ZipFile(path) as archive,
        archive.open("images.npy") as file,
    ):
        for images in rows(file, "images", (len(grid), *IMAGE_SHAPE), np.uint8):
            yield np.ascontiguousarray(images.transpose(0, 3, 1, 2)).tobytes()


def _entry(kind: str, summary: str) -> Entry:
    opened: Open = partial(open_mpi3d, kind)
    return Entry(
        name=f"mpi3d_{kind}",
        summary=summary,
        factor_names=GRID.names,
        factor_sizes=GRID.sizes,
        length=len(GRID),
        image_shape=(3, 64, 64),
        open=opened,
        files=(FILES[kind],),
        needs_files=True,
        files_tell_factors=False,
    )


MPI3D_TOY = _entry("toy", "a robot's arm holding an object, simply rendered")
MPI3D_REALISTIC = _entry("realistic", "a robot's arm holding an object, realistically rendered")
MPI3D_REAL = _entry("real", "a robot's arm holding an object, photographed")
