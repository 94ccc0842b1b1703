"""dSprites (Matthey, Higgins, Hassabis and Lerchner, 2017): 737,280 binary images of one white sprite.

The images are rendered here from the data set's geometry, measured from its published animation; the
rendering is exact on every real image at hand (320 frames). The order is that of the official file: shape,
scale, orientation, posX, posY, the last varying fastest. Its first factor, colour, is constant and left out,
as in disentanglement_lib. Where the official file is in the data folder, its images are used instead.
"""

from collections.abc import Callable, Generator
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from .cache import Chunks, cached_table
from .contract import Entry, Integers, Progress, Source
from .dsprites_file import OFFICIAL, packed_images
from .factored_images import FactoredImages, as_int64
from .factors import FactorGrid
from .official_file import fingerprint, require
from .pixels import PackedBits
from .polygon import SIZE, fill, snap

GRID = FactorGrid(
    values={
        "shape": np.array(["square", "ellipse", "heart"]),
        "scale": np.linspace(0.5, 1, 6),
        "orientation": np.linspace(0, 2 * np.pi, 40),  # both ends: classes 0 and 39 are the same picture
        "posX": np.linspace(0, 1, 32),
        "posY": np.linspace(0, 1, 32),
    },
    constants=("color",),
)

IMAGE_SHAPE = (1, SIZE, SIZE)
IMAGE_BYTES = SIZE * SIZE // 8

RENDER_VERSION = 1
"""Raise it when a pixel of any rendered image changes: caches of the old pixels are then not used."""


def render_dsprites(factors: Integers) -> NDArray[np.uint8]:
    """Render the images of factor classes [B, 5] (or [B, 6], colour in front): uint8 0 or 1, [B, 64, 64].

    Raises ValueError for rows of another width and IndexError for a class that does not exist.
    """
    rows = GRID.rows(GRID.index(as_int64(factors, "factors").cpu())).numpy()  # checked, without colour
    outlines, drawn_by = np.unique(rows[:, :3], axis=0, return_inverse=True)
    packed = np.empty((len(rows), IMAGE_BYTES), dtype=np.uint8)
    for number, (shape, scale, orientation) in enumerate(outlines):
        members = np.flatnonzero(drawn_by.ravel() == number)
        everywhere = _at_all_positions(GRID, shape, scale, orientation)
        packed[members] = everywhere[rows[members, 3], rows[members, 4]]
    return np.unpackbits(packed, axis=1).reshape(-1, SIZE, SIZE)


def open_dsprites(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open dSprites: from the official file if it is in the data folder, else rendered.

    Either is done once and kept, bit-packed, in the cache folder (377 MB). A smaller `grid` of the same
    factors is for trials; an official file must then hold just that grid.

    Raises:
        DamagedFileError: the official file is there, but cut, garbled or another one.
        OSError: the cache folder cannot be written.
    """
    opened = official_dsprites if OFFICIAL.path.is_file() else rendered_dsprites
    return opened(progress=progress, grid=grid)


def rendered_dsprites(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open the rendered images, whatever files there are."""
    return _cached("rendered", f"version {RENDER_VERSION}", partial(_render_all, grid), grid, progress)


def official_dsprites(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open the official file's images; AbsentFileError where it is not in the data folder."""
    (path,) = require("dsprites", OFFICIAL)
    return _cached("official", fingerprint(path), partial(packed_images, path, grid), grid, progress)


def _cached(
    source: Source, origin: str, chunks: Callable[[], Chunks], grid: FactorGrid, progress: Progress | None
) -> FactoredImages:
    contents = f"dsprites, {source}, {origin}, {grid.description}"
    packed = cached_table(f"dsprites-{source}", contents, (len(grid), IMAGE_BYTES), chunks, progress)
    return FactoredImages("dsprites", source, grid, PackedBits(packed, IMAGE_SHAPE))


def _render_all(grid: FactorGrid) -> Generator[memoryview, None, None]:
    """Packed images of the whole grid in order, all positions of one outline at a time."""
    shapes, scales, orientations, _, _ = grid.sizes
    for shape, scale, orientation in np.ndindex(shapes, scales, orientations):
        yield _at_all_positions(grid, shape, scale, orientation).data


def _at_all_positions(grid: FactorGrid, shape: int, scale: int, orientation: int) -> NDArray[np.uint8]:
    """One outline at every (posX, posY): packed images [32, 32, 512].

    Each axis is placed and snapped on its own, so 32 sets of x and 32 sets of y make all 1,024 polygons.
    """
    values = grid.values
    u, v = outline(values["shape"][shape])
    s, theta = values["scale"][scale], values["orientation"][orientation]
    x = 16 + 32 * values["posX"][:, None] + s * (np.cos(theta) * u + np.sin(theta) * v)
    y = 16 + 32 * values["posY"][:, None] + s * (-np.sin(theta) * u + np.cos(theta) * v)
    return fill(snap(x), snap(y))


@cache
def outline(shape: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices (u, v) of a shape at scale 1 around the origin, in pixels, u rightwards and v downwards."""
    if shape == "square":
        return np.array([-9.6, 9.6, 9.6, -9.6]), np.array([-9.6, -9.6, 9.6, 9.6])
    if shape == "ellipse":
        t = 2 * np.pi * np.arange(100) / 100
        return 9.6 * 1.33 * np.cos(t), 9.6 / 1.33 * np.sin(t)
    if shape == "heart":
        t = 2 * np.pi * np.arange(150) / 150
        height = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        return 9.6 * np.sin(t) ** 3, -(19.2 / 29 * height + 1.44)
    raise ValueError(f"no outline for shape {shape!r}: square, ellipse or heart")


DSPRITES = Entry(
    name="dsprites",
    summary="one white sprite: 3 shapes in 6 sizes, 40 orientations, 32 x 32 positions",
    factor_names=GRID.names,
    factor_sizes=GRID.sizes,
    length=len(GRID),
    image_shape=IMAGE_SHAPE,
    open=open_dsprites,
    files=(OFFICIAL,),
)
