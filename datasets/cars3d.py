"""Cars3D (Reed, Zhang, Zhang and Lee, 2015): 17,568 images of 183 cars from 4 elevations and 24 directions.

The factors, their order and the reduction to 64 x 64 pixels (Lanczos) are those of disentanglement_lib, with one
difference: cars are numbered by the names of their files, where that library takes whatever order the folder lists.
Directions are a full turn in 24 steps; elevations are given in steps, since the files do not say their angles.
"""

import io
import tarfile
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from .cache import cached_table
from .contract import Entry, Progress
from .factored_images import FactoredImages
from .factors import FactorGrid
from .folders import data_folder
from .official_file import OfficialFile, fingerprint, reading, require
from .pixels import Levels

GRID = FactorGrid(
    values={
        "elevation": np.arange(4),
        "azimuth": 2 * np.pi * np.arange(24) / 24,
        "object": np.arange(183),
    }
)

FOLDER = "cars"
"""In the data folder: the .mat files, for who has them unpacked."""

OFFICIAL = OfficialFile(
    "nips2015-analogy-data.tar.gz",
    "its 183 cars are 0.9 GB unpacked",
    (
        "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
        "http://www-personal.umich.edu/~reedscot/files/nips2015-analogy-data.tar.gz",
    ),
    "md5:4e866a7919c1beedf53964e6f7a23686",  # as the library disent (Michlo, 2021) has it
    unpacked=f"{FOLDER}/*.mat",
)

IMAGE_SHAPE = (3, 64, 64)


def open_cars3d(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open Cars3D from the folder `cars` of .mat files, or else from the archive; reduced once, 216 MB in the cache.

    A smaller `grid` of the same factors is for trials: the files must then hold just that grid.

    Raises:
        AbsentFileError: neither folder nor archive is in the data folder.
        DamagedFileError: a file is there, but cut, garbled or another one.
        OSError: the cache folder cannot be written.
    """
    folder = data_folder() / FOLDER
    paths = sorted(folder.glob("*.mat")) or require("cars3d", OFFICIAL)
    contents = f"cars3d, official, {fingerprint(*paths)}, {grid.description}"
    shape = (len(grid), int(np.prod(IMAGE_SHAPE)))
    table = cached_table("cars3d-official", contents, shape, partial(_reduced, paths, grid), progress)
    return FactoredImages("cars3d", "official", grid, Levels(table.view(-1, *IMAGE_SHAPE), white=255))


def _reduced(paths: list[Path], grid: FactorGrid) -> Generator[bytes, None, None]:
    """All images in order; the last factor, the car, varies fastest, so all cars are read first (216 MB)."""
    elevations, azimuths, cars = grid.sizes
    images = np.empty((elevations, azimuths, cars, *IMAGE_SHAPE), dtype=np.uint8)
    where = paths[0] if len(paths) == 1 else paths[0].parent
    with reading(where, "all of Cars3D"):
        found = dict(_meshes(paths))
        if len(found) != cars:
            raise ValueError(f"should have {cars} cars, has {len(found)}")
        for car, name in enumerate(sorted(found)):
            images[:, :, car] = _reduced_mesh(found.pop(name), name, elevations, azimuths)
    yield images.tobytes()


def _meshes(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each .mat file, from a folder or from the archive."""
    if paths[0].suffix == ".mat":
        yield from ((path.name, path.read_bytes()) for path in paths)
        return
    with tarfile.open(paths[0], "r:*") as archive:  # members are read, never unpacked to where they say
        for member in archive:
            path = PurePosixPath(member.name)
            if path.parent.name == FOLDER and path.suffix == ".mat" and not path.name.startswith("."):
                file = archive.extractfile(member)
                assert file is not None
                yield path.name, file.read()


def _reduced_mesh(content: bytes, name: str, elevations: int, azimuths: int) -> NDArray[np.uint8]:
    """One car: [elevations, azimuths, 3, 64, 64]."""
    from PIL import Image  # late, as is scipy: a second to import
    from scipy.io import loadmat

    mesh = loadmat(io.BytesIO(content), variable_names=["im"])["im"]
    wanted = (128, 128, 3, azimuths, elevations)
    if mesh.shape != wanted or mesh.dtype != np.uint8:
        raise ValueError(f"{name}: im should be uint8 {list(wanted)}, is {mesh.dtype} {list(mesh.shape)}")
    small = np.empty((elevations, azimuths, 3, 64, 64), dtype=np.uint8)
    for elevation, azimuth in np.ndindex(elevations, azimuths):
        picture = Image.fromarray(mesh[..., azimuth, elevation]).resize((64, 64), Image.Resampling.LANCZOS)
        small[elevation, azimuth] = np.asarray(picture).transpose(2, 0, 1)
    return small


CARS3D = Entry(
    name="cars3d",
    summary="183 cars from 4 elevations and 24 directions",
    factor_names=GRID.names,
    factor_sizes=GRID.sizes,
    length=len(GRID),
    image_shape=IMAGE_SHAPE,
    open=open_cars3d,
    files=(OFFICIAL,),
    needs_files=True,
    files_tell_factors=False,
)
