"""3D Shapes: facts of real images, the sum of layers against plain colouring, and the official file."""

import colorsys
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from disbench.datasets import DataSet, render_shapes3d
from disbench.datasets.factors import FactorGrid
from disbench.datasets.official_file import DamagedFileError
from disbench.datasets.shapes3d import GRID, open_shapes3d
from disbench.datasets.shapes3d_file import MOST_ROWS_AT_ONCE, OFFICIAL, label_values, whole_chunks
from disbench.datasets.shapes3d_scene import SKY_COLOUR, empty_room, furnished, lanczos_matrix
from disbench.datasets.shapes3d_solids import solid

# Of real images, as shown in public notebooks that use the data set (Burgess and Kim, 2018): classes, found by
# search, and the mean colour of six of the sixteen blocks of 16 x 16 pixels, from the first in steps of three.
REAL_IMAGES = [
    ((5, 2, 5, 4, 0, 8), [(153.0, 225.9, 248.9), (153.1, 225.9, 248.7), (202.5, 251.1, 26.3),
                          (34.3, 244.4, 206.9), (0.0, 255.0, 255.0), (0.0, 227.4, 227.4)]),
    ((5, 5, 1, 0, 0, 10), [(153.0, 225.9, 248.9), (153.3, 225.9, 249.0), (15.6, 250.9, 253.2),
                           (89.1, 214.0, 160.3), (0.0, 254.9, 254.9), (0.0, 231.0, 231.0)]),
    ((3, 8, 5, 5, 1, 0), [(153.2, 224.8, 248.9), (153.0, 225.8, 248.9), (144.1, 78.2, 218.2),
                          (57.0, 210.8, 219.3), (63.0, 255.0, 0.0), (45.8, 227.6, 0.0)]),
    ((4, 7, 4, 7, 1, 3), [(153.2, 226.4, 248.9), (153.0, 225.9, 248.9), (50.3, 106.1, 194.4),
                          (23.0, 220.1, 126.3), (0.0, 255.0, 124.5), (0.0, 213.4, 85.9)]),
    ((0, 1, 0, 6, 2, 4), [(152.8, 226.1, 249.1), (153.0, 225.9, 248.9), (233.3, 130.6, 42.5),
                          (239.6, 27.9, 13.6), (255.0, 0.0, 0.0), (222.8, 0.0, 0.0)]),
    ((2, 8, 8, 0, 2, 4), [(152.9, 226.4, 248.9), (153.0, 225.9, 248.9), (191.3, 33.2, 246.7),
                          (218.1, 60.1, 197.9), (245.9, 255.0, 0.0), (183.3, 229.3, 0.0)]),
    ((0, 0, 3, 5, 3, 6), [(153.1, 225.8, 248.7), (153.0, 225.9, 248.9), (123.5, 147.3, 18.5),
                          (130.8, 143.4, 7.5), (255.0, 0.0, 0.0), (220.7, 0.0, 0.0)]),
    ((1, 0, 9, 5, 3, 10), [(153.0, 225.9, 248.9), (152.8, 226.4, 249.1), (228.6, 12.6, 92.2),
                           (233.4, 37.5, 83.7), (254.9, 178.6, 0.0), (222.0, 133.8, 0.0)]),
]  # fmt: skip


@pytest.mark.parametrize(("classes", "colours"), REAL_IMAGES)
def test_blocks_of_real_images_have_their_colour(classes: tuple, colours: list) -> None:
    (image,) = render_shapes3d([classes]).astype(float)
    blocks = image.reshape(4, 16, 4, 16, 3).mean((1, 3)).reshape(16, 3)[::3]
    assert np.abs(blocks - colours).max() < 5
    assert np.abs(blocks - colours).mean() < 0.8


# Sixteen of the images that public notebooks show of 3D Shapes (Burgess and Kim, 2018), four of each shape, whose
# object has a hue far from those of wall and floor; classes were found by search.
WHOLE_IMAGES = Path(__file__).parent / "shapes3d_real_images.npz"


def object_mask(images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Where the hue is nearer to the object's than to those of wall and floor, and it is not sky: bool [B, 64, 64]."""
    levels = images / 255.0
    spread = levels - levels.min(-1, keepdims=True)
    directions = spread / np.maximum(np.linalg.norm(spread, axis=-1, keepdims=True), 1e-9)
    hues = np.array([colorsys.hsv_to_rgb(k / 10, 1, 1) for k in range(10)])
    hues /= np.linalg.norm(hues, axis=1, keepdims=True)
    likeness = np.stack(
        [np.einsum("bhwc,bc->bhw", directions, hues[classes[:, k]]) for k in (2, 0, 1)]
        + [directions @ (np.array([0.0, 73, 96]) / np.linalg.norm([73, 96]))]
    )
    is_pale_as_sky = np.abs(images - SKY_COLOUR * (255 if SKY_COLOUR.max() <= 1 else 1)).max(-1) < 8
    return (likeness.argmax(0) == 0) & ~is_pale_as_sky


def test_whole_real_images_are_within_half_a_grey_level() -> None:
    with np.load(WHOLE_IMAGES) as file:
        real, classes = file["images"], file["classes"]
    ours = render_shapes3d(classes)
    errors = np.abs(ours.astype(float) - real)
    assert errors.mean() < 0.55
    assert np.median(errors) == 0
    both = np.stack([object_mask(ours, classes), object_mask(real, classes)])
    overlap = both.all(0).sum((1, 2)) / both.any(0).sum((1, 2))
    for shape in range(4):
        assert overlap[classes[:, 4] == shape].mean() > 0.95, GRID.values["shape"][shape]
    # And the measure can tell: a neighbouring size is further off in every image.
    other = classes.copy()
    other[:, 3] = np.where(other[:, 3] == 7, 6, other[:, 3] + 1)
    assert (
        np.abs(render_shapes3d(other).astype(float) - real).mean((1, 2, 3)) > 2 * errors.mean((1, 2, 3))
    ).all()


@cache
def shapes3d() -> DataSet:
    return open_shapes3d()


@pytest.mark.parametrize(
    ("chunks", "rows"),
    [
        (None, 1000),
        ((1, 64, 64, 3), 1000),
        ((300, 4, 4, 1), 1200),
        ((15000, 1, 2, 1), 15000),
        ((10**6, 1, 1, 1), 20_000),
    ],
)
def test_no_chunk_of_the_file_is_unpacked_twice(chunks: tuple[int, ...] | None, rows: int) -> None:
    assert whole_chunks(chunks) == rows <= MOST_ROWS_AT_ONCE


def test_the_grid_is_the_official_one() -> None:
    assert (len(GRID), GRID.sizes) == (480_000, (10, 10, 10, 8, 4, 15))
    assert GRID.values["orientation"][[0, -1]] == pytest.approx(np.deg2rad([-30, 30]))
    labels = label_values(GRID)
    assert labels[4].tolist() == [0, 1, 2, 3]
    assert labels[5].tolist() == pytest.approx(np.linspace(-30, 30, 15))


def test_the_cache_holds_what_render_draws() -> None:
    indices = np.random.default_rng(3).integers(len(GRID), size=6)
    data = shapes3d()
    cached = (data.images(indices) * 255).round().permute(0, 2, 3, 1).to(torch.uint8).numpy()
    if data.source == "rendered":
        assert np.array_equal(cached, render_shapes3d(data.factors(indices)))


def test_layers_add_up_to_a_plainly_coloured_image() -> None:
    """Colour each sample, cut off at white, then filter: the same but for layers kept in 1/64 of a level."""
    for classes in ([0, 4, 7, 2, 1, 3], [9, 1, 3, 7, 2, 14], [2, 6, 6, 0, 0, 7]):
        scale, shape, angle = (list(GRID.values.values())[k][classes[k]] for k in (3, 4, 5))
        scene = furnished(empty_room(np.rad2deg(angle)), solid(shape, scale))
        floor, wall, thing = (np.array(colorsys.hsv_to_rgb(classes[k] / 10, 1, 1)) for k in range(3))
        paint = (
            scene.is_floor[:, None] * floor + scene.is_wall[:, None] * wall + scene.is_object[:, None] * thing
        )
        lit = np.minimum(1, scene.brightness[:, None] * paint + scene.highlight[:, None])
        lit[~(scene.is_floor | scene.is_wall | scene.is_object)] = SKY_COLOUR
        samples = lit.reshape(192, 192, 3).transpose(2, 0, 1)
        filtered = (lanczos_matrix() @ samples @ lanczos_matrix().T).transpose(1, 2, 0)
        expected = np.clip(np.round(255 * filtered), 0, 255)
        difference = np.abs(render_shapes3d([classes])[0].astype(int) - expected)
        assert difference.max() <= 1
        assert difference.mean() < 0.03


def test_a_ray_enters_a_solid_where_its_surface_is() -> None:
    origin = np.array([0.0, -5.0, 0.5])
    rays = np.array([[0.0, 1, 0], [0.0, -1, 0], [1.0, 1, 0], [0.0, 1, 0.5]])
    distances, facets = solid("cube", 1.0).hit(origin, rays)
    assert distances == pytest.approx([5 - 0.3985, np.inf, np.inf, np.inf])
    assert solid("cube", 1.0).normals[facets[0]] == pytest.approx([0, -1, 0])
    assert solid("sphere", 1.0).hit(np.array([0, -5.0, 0.484]), rays[:1])[0] == pytest.approx(
        5 - 0.484, abs=0.01
    )


def test_lanczos_weights_are_those_of_an_image_library() -> None:
    image = pytest.importorskip("PIL.Image")
    samples = np.random.default_rng(0).random((192, 192), dtype=np.float32)
    theirs = np.asarray(image.fromarray(samples).resize((64, 64), image.Resampling.LANCZOS))
    assert np.allclose(lanczos_matrix() @ samples @ lanczos_matrix().T, theirs, atol=1e-4)


def test_render_refuses_what_does_not_exist() -> None:
    with pytest.raises(IndexError, match="shape has classes 0 to 3, got 4"):
        render_shapes3d([[0, 0, 0, 0, 4, 0]])
    assert render_shapes3d(np.zeros((0, 6), dtype=np.int64)).shape == (0, 64, 64, 3)


@pytest.fixture
def few() -> FactorGrid:
    """16 images: two classes of four of the factors."""
    some = [[0, 7], [3], [1, 5], [0, 7], [2], [4, 9]]
    named = zip(GRID.names, some, strict=True)
    return FactorGrid({name: GRID.values[name][np.array(chosen)] for name, chosen in named})


def write_official(path: Path, grid: FactorGrid) -> np.ndarray:
    images = np.random.default_rng(1).integers(256, size=(len(grid), 64, 64, 3), dtype=np.uint8)
    rows = grid.rows(torch.arange(len(grid))).numpy()
    labels = np.stack([values[rows[:, k]] for k, values in enumerate(label_values(grid))], axis=1)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=(1, 64, 64, 3), compression="gzip")
        file.create_dataset("labels", data=labels)
    return images


def test_a_small_grid_renders(own_folders: tuple[Path, Path], few: FactorGrid) -> None:
    told: list[tuple[int, int]] = []
    data = open_shapes3d(grid=few, progress=lambda done, total: told.append((done, total)))
    assert (data.source, len(data), told) == ("rendered", 16, [(1, 4), (2, 4), (3, 4), (4, 4)])
    whole = render_shapes3d([[0, 3, 1, 0, 2, 4], [7, 3, 5, 7, 2, 9]])
    ends = (data.images([0, 15]) * 255).round().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(ends, whole)


def test_the_official_file_is_used_where_it_is(
    own_folders: tuple[Path, Path], few: FactorGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("disbench.datasets.shapes3d_file.ROWS_AT_ONCE", 7)
    images = write_official(own_folders[1] / OFFICIAL.name, few)
    data = open_shapes3d(grid=few)
    assert data.source == "official"
    assert np.array_equal((data.images(range(16)) * 255).round().permute(0, 2, 3, 1).numpy(), images)


@pytest.mark.parametrize("spoil", ["cut", "foreign", "short", "labels", "members", "garbled"])
def test_a_wrong_official_file_is_one_clear_line(
    own_folders: tuple[Path, Path], few: FactorGrid, spoil: str
) -> None:
    path = own_folders[1] / OFFICIAL.name
    write_official(path, few)
    whole = path.read_bytes()
    if spoil == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif spoil == "foreign":
        path.write_bytes(b"a foreign file" * 100)
    elif spoil == "garbled":
        place = len(whole) // 2
        path.write_bytes(
            whole[:place] + bytes(b ^ 0x55 for b in whole[place : place + 9000]) + whole[place + 9000 :]
        )
    else:
        with h5py.File(path, "r+") as file:
            if spoil == "short":
                del file["images"]
                file["images"] = np.zeros((15, 64, 64, 3), np.uint8)
            elif spoil == "labels":
                file["labels"][3, 0] = 0.77
            else:
                del file["labels"]
    with pytest.raises(
        DamagedFileError, match=r"is not the official 3D Shapes file .*fetch it again"
    ) as caught:
        open_shapes3d(grid=few)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [p for p in own_folders[0].iterdir() if p.suffix not in (".lock", ".sha256")]
