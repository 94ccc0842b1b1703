"""3D Shapes (Burgess and Kim, 2018): 480,000 colour images of one object in a room; all six factors in a grid.

The images are rendered here from facts about the scene that are fitted to real images, and are close to those
(see `docs/datasets.md` for how close), not equal. Where the official file is in the data folder, its images are
used instead. Only 8 x 4 x 15 = 480 geometries exist, and hues only colour their surfaces, so the images are kept
as filtered layers of each geometry (83 MB instead of 5.9 GB) and coloured when they are asked for.
"""

from collections.abc import Generator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .cache import cached_table
from .coloured_layers import (
    FIFTHS,
    FLOOR,
    LAYERS,
    OBJECT,
    SKY,
    UNIT,
    WALL,
    ColouredLayers,
    hue_fifths,
)
from .contract import Entry, Integers, Progress
from .factored_images import FactoredImages, as_int64
from .factors import FactorGrid
from .official_file import require
from .shapes3d_file import OFFICIAL, official_pixels
from .shapes3d_scene import SAMPLES, SIZE, SKY_COLOUR, Scene, View, empty_room, furnished, lanczos_matrix
from .shapes3d_solids import solid

GRID = FactorGrid(
    values={
        "floor_hue": np.arange(10) / 10,
        "wall_hue": np.arange(10) / 10,
        "object_hue": np.arange(10) / 10,
        "scale": np.linspace(0.75, 1.25, 8),
        "shape": np.array(["cube", "cylinder", "sphere", "capsule"]),
        "orientation": np.deg2rad(np.linspace(-30, 30, 15)),
    }
)

IMAGE_SHAPE = (3, SIZE, SIZE)

RENDER_VERSION = 1
"""Raise it when a pixel of any rendered image changes: caches of the old pixels are then not used."""


def render_shapes3d(factors: Integers) -> NDArray[np.uint8]:
    """Render the images of factor classes [B, 6] without a cache: uint8 [B, 64, 64, 3], as the file has them.

    Raises ValueError for rows of another width and IndexError for a class that does not exist.
    """
    rows = GRID.rows(GRID.index(as_int64(factors, "factors").cpu()))  # checked
    images = np.empty((len(rows), SIZE, SIZE, 3), dtype=np.uint8)
    for scale, shape, orientation in rows[:, 3:].unique(dim=0).tolist():
        members = (rows[:, 3:] == torch.tensor([scale, shape, orientation])).all(dim=1).nonzero()[:, 0]
        room = empty_room(np.rad2deg(GRID.values["orientation"][orientation]))
        layers = _layers(furnished(room, solid(GRID.values["shape"][shape], GRID.values["scale"][scale])))
        pixels = ColouredLayers(torch.from_numpy(layers), _fifths(GRID), SIZE)
        hues = rows[members, :3] @ torch.tensor([100, 10, 1])
        levels = (pixels.images(hues) * 255).round().to(torch.uint8)
        images[members.numpy()] = levels.permute(0, 2, 3, 1).numpy()
    return images


def open_shapes3d(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open 3D Shapes: from the official file if it is in the data folder, else rendered.

    The layers of the rendered images (83 MB) or the unpacked images of the official file (5.9 GB) are made once
    and kept in the cache folder, memory-mapped. A smaller `grid` of the same factors is for trials.

    Raises:
        DamagedFileError: the official file is there, but cut, garbled or another one.
        OSError: the cache folder cannot be written.
    """
    opened = official_shapes3d if OFFICIAL.path.is_file() else rendered_shapes3d
    return opened(progress=progress, grid=grid)


def official_shapes3d(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open the official file's images; AbsentFileError where it is not in the data folder."""
    (path,) = require("shapes3d", OFFICIAL)
    return FactoredImages("shapes3d", "official", grid, official_pixels(path, grid, progress))


def rendered_shapes3d(*, progress: Progress | None = None, grid: FactorGrid = GRID) -> FactoredImages:
    """Open the rendered images, whatever files there are."""
    geometries = len(grid) // (grid.sizes[0] * grid.sizes[1] * grid.sizes[2])
    contents = f"shapes3d, rendered, version {RENDER_VERSION}, {grid.description}"
    shape = (geometries, LAYERS * SIZE * SIZE * 2)
    table = cached_table("shapes3d-rendered", contents, shape, partial(_render_all, grid), progress)
    layers = table.view(torch.int16).view(-1, SIZE * SIZE)
    return FactoredImages("shapes3d", "rendered", grid, ColouredLayers(layers, _fifths(grid), SIZE))


def _fifths(grid: FactorGrid) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    floor, wall, thing = (hue_fifths(grid.values[name]) for name in grid.names[:3])
    return floor, wall, thing


def _render_all(grid: FactorGrid) -> Generator[bytes, None, None]:
    """The layers of every geometry in order, one geometry at a time."""
    _, _, _, scales, shapes, orientations = grid.values.values()
    rooms: list[View] = [empty_room(degrees) for degrees in np.rad2deg(orientations)]
    with threadpool_limits(1):  # the matrices are small: threads only wait for each other, ten times over
        for scale in scales:
            for shape in shapes:
                mesh = solid(str(shape), float(scale))
                for room in rooms:
                    yield _layers(furnished(room, mesh)).tobytes()


RESAMPLE = lanczos_matrix().astype(np.float32)


def _layers(scene: Scene) -> NDArray[np.int16]:
    """Filter a scene's surfaces into layers [LAYERS, 64 * 64] as `ColouredLayers` keeps them."""
    samples = np.zeros((LAYERS, len(scene.brightness)), dtype=np.float32)
    is_sky = ~(scene.is_floor | scene.is_wall | scene.is_object)
    samples[SKY : SKY + 3] = SKY_COLOUR[:, None] * is_sky
    for fifths in range(FIFTHS):
        lit = np.minimum(1, scene.brightness * (fifths / 5) + scene.highlight)
        samples[FLOOR + fifths] = lit * scene.is_floor
        samples[WALL + fifths] = lit * scene.is_wall
        samples[OBJECT + fifths] = lit * scene.is_object
    side = SIZE * SAMPLES
    filtered = RESAMPLE @ samples.reshape(LAYERS, side, side) @ RESAMPLE.T
    layers: NDArray[np.int16] = np.round(255 * UNIT * filtered).astype(np.int16)
    return layers.reshape(LAYERS, SIZE * SIZE)


SHAPES3D = Entry(
    name="shapes3d",
    summary="one object in a room: floor, wall and object hue, 8 sizes, 4 shapes, 15 orientations",
    factor_names=GRID.names,
    factor_sizes=GRID.sizes,
    length=len(GRID),
    image_shape=IMAGE_SHAPE,
    open=open_shapes3d,
    files=(OFFICIAL,),
)
