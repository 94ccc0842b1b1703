"""dSprites: facts of real frames, symmetries of the geometry, and the official file."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from disbench.datasets import DataSet, render_dsprites
from disbench.datasets.dsprites import GRID, open_dsprites
from disbench.datasets.dsprites_file import OFFICIAL
from disbench.datasets.factors import FactorGrid
from disbench.datasets.official_file import DamagedFileError

# Read off lossless frames of the animation that the authors published with the data set (dsprites.gif in
# github.com/google-deepmind/dsprites-dataset), not off our renderer: (shape, scale, orientation, posX, posY),
# white pixels, their box (left, top, right, bottom), start of the SHA-256 of its packbits, frame number.
REAL_FRAMES = [
    ((0, 1, 0, 0, 0), 144, (10, 10, 21, 21), "a2d81d075f957ec0", 257),
    ((0, 0, 0, 0, 0), 100, (11, 11, 20, 20), "72ce20b4425ee404", 267),
    ((0, 5, 32, 0, 0), 368, (3, 3, 28, 28), "e4f86ccd0296a25c", 306),
    ((1, 5, 15, 0, 0), 294, (5, 6, 26, 25), "abf1028fbf492a46", 225),
    ((1, 1, 0, 0, 0), 104, (8, 12, 23, 19), "98e8031d3446ae6c", 205),
    ((1, 5, 33, 0, 0), 286, (7, 5, 24, 26), "b410d9bb5c6dd4d5", 243),
    ((2, 1, 0, 0, 0), 84, (10, 10, 21, 20), "395b8754017f2f4f", 13),
    ((2, 5, 21, 0, 0), 220, (8, 8, 25, 25), "c01d58cab75653a5", 39),
    ((2, 5, 19, 0, 0), 226, (6, 7, 24, 25), "e9a466e49ffca1a4", 37),
    ((2, 5, 0, 23, 0), 226, (30, 7, 48, 24), "29217546258b7669", 162),
    ((2, 5, 0, 0, 18), 228, (6, 25, 25, 42), "33a5b24d6a349940", 76),
    ((2, 5, 0, 31, 0), 222, (38, 7, 57, 23), "54b5714340172499", 153),
]

frames = pytest.mark.parametrize("frame", REAL_FRAMES, ids=lambda frame: f"frame {frame[-1]}")


@frames
def test_real_frames_come_out_to_the_last_pixel(frame: tuple) -> None:
    classes, area, box, sha256, _ = frame
    (image,) = render_dsprites([classes])
    rows, columns = np.nonzero(image)
    assert int(image.sum()) == area
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == box
    assert hashlib.sha256(np.packbits(image)).hexdigest().startswith(sha256)


@frames
def test_real_frames_are_found_by_their_factors(dsprites: DataSet, frame: tuple) -> None:
    classes, _, _, sha256, _ = frame
    image = dsprites.images(dsprites.index([classes])).numpy().astype(np.uint8)
    assert hashlib.sha256(np.packbits(image)).hexdigest().startswith(sha256)


def test_the_grid_is_the_official_one(dsprites: DataSet) -> None:
    assert len(dsprites) == 737_280
    assert dsprites.factor_names == ("shape", "scale", "orientation", "posX", "posY")
    assert dsprites.factor_sizes == (3, 6, 40, 32, 32)
    assert dsprites.factor_values["shape"].tolist() == ["square", "ellipse", "heart"]
    assert dsprites.factor_values["scale"].tolist() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert dsprites.factor_values["orientation"][[0, -1]].tolist() == pytest.approx([0, 2 * np.pi])
    assert dsprites.factor_values["posY"][[0, -1]].tolist() == [0, 1]


def test_rows_of_the_official_file_may_keep_their_constant_colour(dsprites: DataSet) -> None:
    rows = dsprites.factors([0, 123_456, 737_279])
    with_colour = torch.cat([torch.zeros(3, 1, dtype=torch.int64), rows], dim=1)
    assert dsprites.index(with_colour).tolist() == [0, 123_456, 737_279]
    assert np.array_equal(render_dsprites(with_colour), render_dsprites(rows))


def test_the_cache_holds_what_render_dsprites_draws(dsprites: DataSet) -> None:
    indices = np.random.default_rng(1).integers(len(dsprites), size=100)
    if dsprites.source == "rendered":
        drawn = render_dsprites(dsprites.factors(indices))
        assert np.array_equal(dsprites.images(indices)[:, 0].numpy(), drawn)


def test_pixels_are_0_or_1(dsprites: DataSet) -> None:
    assert dsprites.images(range(0, 737_280, 9973)).unique().tolist() == [0, 1]


def test_the_last_orientation_is_the_first_again(dsprites: DataSet) -> None:
    """40 angles from 0 to 2 pi, both included: 18,432 images (2.5 %) occur twice."""
    last = dsprites.factors(range(0, 737_280, 13))
    last[:, 2] = 39
    first = last.clone()
    first[:, 2] = 0
    for some in range(0, len(last), 8192):
        here = slice(some, some + 8192)
        assert torch.equal(
            dsprites.images(dsprites.index(first[here])), dsprites.images(dsprites.index(last[here]))
        )


def test_a_sprite_moves_about_one_pixel_a_class(dsprites: DataSet) -> None:
    """32 classes span 32 pixels, so the centre of mass of a square moves 32/31 pixels a class."""
    for name, axis in (("posX", 3), ("posY", 2)):
        rows = torch.tensor([[0, 5, 7, 16, 16]]).repeat(32, 1)
        rows[:, dsprites.factor_names.index(name)] = torch.arange(32)
        images = dsprites.images(dsprites.index(rows))
        ruler = (torch.arange(64) + 0.5).view([1, 1, *([64, 1] if axis == 2 else [1, 64])])
        centre = (images * ruler).sum((1, 2, 3)) / images.sum((1, 2, 3))
        assert torch.allclose(centre, 16 + 32 * torch.linspace(0, 1, 32), atol=0.1)


def test_the_outermost_positions_are_whole_pixels_apart() -> None:
    """From posX class 0 to 31 is exactly 32 pixels, and the picture is exactly the same one."""
    rows = GRID.rows(torch.arange(0, len(GRID), 32 * 32 * 7))  # posX = posY = 0
    corner = render_dsprites(rows)
    for name, axis in (("posX", 2), ("posY", 1)):
        moved = rows.clone()
        moved[:, GRID.names.index(name)] = 31
        assert np.array_equal(render_dsprites(moved), np.roll(corner, 32, axis=axis))


def test_no_sprite_touches_the_border(dsprites: DataSet) -> None:
    corners = [0, 31]
    rows = [[s, 5, o, x, y] for s in range(3) for o in range(40) for x in corners for y in corners]
    images = dsprites.images(dsprites.index(rows))[:, 0]
    assert not images[:, [0, -1]].any()
    assert not images[:, :, [0, -1]].any()


def test_squares_grow_with_the_square_of_scale() -> None:
    areas = render_dsprites([[0, scale, 5, 11, 11] for scale in range(6)]).sum((1, 2))
    assert areas.tolist() == pytest.approx((19.2 * GRID.values["scale"]) ** 2, rel=0.05)


def test_render_refuses_what_does_not_exist() -> None:
    with pytest.raises(IndexError, match="orientation has classes 0 to 39, got 40"):
        render_dsprites([[0, 0, 40, 0, 0]])
    with pytest.raises(ValueError, match="factors must be rows"):
        render_dsprites([[0, 0, 0, 0]])
    assert render_dsprites(np.zeros((0, 5), dtype=np.int64)).shape == (0, 64, 64)


def write_official(path: Path, grid: FactorGrid, **changes: np.ndarray) -> np.ndarray:
    """Write a file in the official format, of images that are not ours (a few pixels each); return them."""
    count = len(grid)
    imgs = (np.random.default_rng(2).random((count, 64, 64)) < 0.01).astype(np.uint8)
    rows = grid.rows(torch.arange(count)).numpy()
    arrays = {"imgs": imgs, "latents_classes": np.insert(rows, 0, 0, axis=1)} | changes
    np.savez_compressed(path, metadata=np.array({"title": "dSprites"}), **arrays)
    return imgs


def test_the_official_file_is_used_where_it_is(
    own_folders: tuple[Path, Path], small_grid: FactorGrid
) -> None:
    assert open_dsprites(grid=small_grid).source == "rendered"
    imgs = write_official(own_folders[1] / OFFICIAL.name, small_grid)
    data = open_dsprites(grid=small_grid)
    assert data.source == "official"
    assert np.array_equal(data.images(range(len(data)))[:, 0].numpy(), imgs)
    assert torch.equal(data.index(data.factors(range(len(data)))), torch.arange(len(data)))


def test_another_official_file_is_read_anew(own_folders: tuple[Path, Path], small_grid: FactorGrid) -> None:
    path = own_folders[1] / OFFICIAL.name
    imgs = write_official(path, small_grid)
    open_dsprites(grid=small_grid)
    write_official(path, small_grid, imgs=1 - imgs)
    data = open_dsprites(grid=small_grid)
    assert np.array_equal(data.images(range(len(data)))[:, 0].numpy(), 1 - imgs)


def test_a_large_file_is_read_in_pieces(
    own_folders: tuple[Path, Path], small_grid: FactorGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("disbench.datasets.npy_rows.ROWS_AT_ONCE", 7)
    imgs = write_official(own_folders[1] / OFFICIAL.name, small_grid)
    told: list[tuple[int, int]] = []
    data = open_dsprites(grid=small_grid, progress=lambda done, total: told.append((done, total)))
    assert np.array_equal(data.images(range(len(data)))[:, 0].numpy(), imgs)
    assert told == [(done, 54) for done in (7, 14, 21, 28, 35, 42, 49, 54)]


def refused(small_grid: FactorGrid, path: Path, why: str) -> None:
    with pytest.raises(DamagedFileError, match=why) as caught:
        open_dsprites(grid=small_grid)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.99])
def test_a_cut_official_file_is_named(
    own_folders: tuple[Path, Path], small_grid: FactorGrid, kept: float
) -> None:
    path = own_folders[1] / OFFICIAL.name
    write_official(path, small_grid)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    refused(small_grid, path, "File is not a zip file")
    assert not list(own_folders[0].glob("*.part"))


def test_garbled_bytes_inside_are_noticed(own_folders: tuple[Path, Path], small_grid: FactorGrid) -> None:
    path = own_folders[1] / OFFICIAL.name
    write_official(path, small_grid)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("imgs.npy").header_offset
    garbled = bytearray(path.read_bytes())
    for place in range(start + 1000, start + 1100):
        garbled[place] ^= 0x55
    path.write_bytes(garbled)
    refused(small_grid, path, "is not the official dSprites file")


def test_another_npz_file_is_refused(own_folders: tuple[Path, Path], small_grid: FactorGrid) -> None:
    path = own_folders[1] / OFFICIAL.name
    np.savez(path, other=np.zeros(3))
    refused(small_grid, path, "no item named 'latents_classes.npy'")


@pytest.mark.parametrize(
    ("member", "wrong", "why"),
    [
        (
            "imgs",
            np.zeros((53, 64, 64), np.uint8),
            r"imgs should be uint8 \[54, 64, 64\], is uint8 \[53, 64, 64\]",
        ),
        ("imgs", np.zeros((54, 64, 64), np.float32), "imgs should be uint8 .*, is float32"),
        ("imgs", np.full((54, 64, 64), 255, np.uint8), "neither 0 nor 1"),
        ("latents_classes", np.zeros((54, 6), np.int64), "not in the expected order"),
        ("latents_classes", np.full((54, 6), 77), "color has classes 0 to 0, got 77"),
        ("latents_classes", np.zeros((54, 5), np.int64), r"latents_classes should be int64 \[54, 6\]"),
    ],
)
def test_wrong_contents_are_refused(
    own_folders: tuple[Path, Path], small_grid: FactorGrid, member: str, wrong: np.ndarray, why: str
) -> None:
    path = own_folders[1] / OFFICIAL.name
    write_official(path, small_grid, **{member: wrong})
    refused(small_grid, path, why)
