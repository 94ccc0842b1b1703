"""Data sets of one's own: each way to write one, and each way to write one wrongly."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from disbench.datasets import DamagedFileError, entry, load

GENERATOR = np.random.default_rng(0)
COLOUR = GENERATOR.integers(256, size=(6, 8, 10, 3), dtype=np.uint8)
GREY = GENERATOR.integers(256, size=(6, 8, 10), dtype=np.uint8)
ROWS = np.array([[a, b] for a in range(2) for b in range(3)])
NAMES = np.array(["side", "size"])


@pytest.fixture
def folder(own_folders: tuple[Path, Path], tmp_path: Path) -> Path:
    return tmp_path


def write(path: Path, **arrays: object) -> Path:
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                array = np.asarray(array)
                file[name] = array.astype("S") if array.dtype.kind == "U" else array
    return path


def levels(data: object) -> np.ndarray:
    return (data.images(range(len(data))) * 255).round().numpy()


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_images_and_factors_become_a_full_grid(folder: Path, suffix: str) -> None:
    path = write(folder / f"mine{suffix}", images=COLOUR, factors=ROWS, factor_names=NAMES)
    about = entry(path)
    assert (about.factor_names, about.factor_sizes, about.length) == (("side", "size"), (2, 3), 6)
    assert (about.image_shape, about.is_full_grid, about.name) == ((3, 8, 10), True, str(path))
    data = load(str(path))
    assert (data.source, data.is_full_grid, data.image_shape) == ("user", True, (3, 8, 10))
    assert np.array_equal(levels(data), COLOUR.transpose(0, 3, 1, 2))
    assert data.index([[1, 2]]).tolist() == [5]


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR / 255, COLOUR.transpose(0, 3, 1, 2)),
        (GREY > 127, 255 * (GREY > 127)[:, None]),
    ],
    ids=["grey", "one channel", "channels first", "floats", "black and white"],
)
def test_images_may_be_laid_out_in_any_usual_way(
    folder: Path, suffix: str, images: np.ndarray, expected: np.ndarray
) -> None:
    images = np.ascontiguousarray(images)
    assert np.array_equal(
        levels(load(write(folder / f"mine{suffix}", images=images, factors=ROWS))), expected
    )


def test_an_incomplete_grid_is_a_table(folder: Path) -> None:
    data = load(write(folder / "mine.npz", images=GREY[:5], factors=ROWS[:5]))
    assert (len(data), data.is_full_grid, data.factor_sizes) == (5, False, (2, 3))
    assert data.factors(range(5)).tolist() == ROWS[:5].tolist()
    with pytest.raises(ValueError, match="no full grid"):
        data.index([[0, 0]])


def test_a_shuffled_grid_is_a_grid(folder: Path) -> None:
    """Image and factors stay together, index() works, and the order is that of grids."""
    order = np.random.default_rng(1).permutation(6)
    data = load(write(folder / "mine.npz", images=GREY[order], factors=ROWS[order]))
    assert data.is_full_grid
    assert data.factors(range(6)).tolist() == ROWS.tolist()
    assert np.array_equal(levels(data)[:, 0], GREY)
    assert data.index([[1, 0]]).tolist() == [3]
    assert data.to("meta").images(torch.zeros(2, dtype=torch.int64, device="meta")).shape == (2, 1, 8, 10)


def test_a_combination_twice_and_another_never_is_no_grid(folder: Path) -> None:
    rows = ROWS.copy()
    rows[5] = rows[0]
    data = load(write(folder / "mine.npz", images=GREY, factors=rows, factor_sizes=[2, 3]))
    assert not data.is_full_grid
    assert np.array_equal(levels(data)[:, 0], GREY)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_bytes_of_zero_and_one_are_black_and_white(folder: Path, suffix: str) -> None:
    """As dSprites' own file has them; read as levels they would be nearly black."""
    bits = (GREY > 127).astype(np.uint8)
    assert np.array_equal(
        levels(load(write(folder / f"a{suffix}", images=bits, factors=ROWS)))[:, 0], 255 * bits
    )
    bits[5, 0, 0] = 2  # one grey pixel in the last image, and they are levels
    assert levels(load(write(folder / f"b{suffix}", images=bits, factors=ROWS))).max() == 2


def test_sixteen_bit_pictures_are_scaled_not_cut(folder: Path) -> None:
    for number in range(6):
        Image.fromarray(GREY[number].astype(np.uint16) * 257).save(folder / f"{number}.png")
    lines = [f"{number}.png,{side},{size}" for number, (side, size) in enumerate(ROWS)]
    (folder / "factors.csv").write_text("file,side,size\n" + "\n".join(lines) + "\n")
    assert np.array_equal(levels(load(folder))[:, 0], GREY)


def test_a_touched_or_copied_file_finds_its_table_again(folder: Path, own_folders: tuple[Path, Path]) -> None:
    path = write(folder / "mine.npz", images=GREY, factors=ROWS)
    load(path)
    os.utime(path, (1, 1))
    load(path)
    (folder / "deep").mkdir()
    shutil.copy(path, folder / "deep" / "mine.npz")
    load(folder / "deep" / "mine.npz")
    assert len(list(own_folders[0].glob("*.bin"))) == 1


def test_values_are_kept_and_classes_follow_their_order(folder: Path) -> None:
    values = np.column_stack([[0.5, 0.25, 0.5, 0.25, 0.5, 2.0]])
    data = load(write(folder / "mine.npz", images=GREY, factors=values))
    assert data.factor_values["factor_0"].tolist() == [0.25, 0.5, 2.0]
    assert data.factors(range(6))[:, 0].tolist() == [1, 0, 1, 0, 1, 2]


def test_sizes_may_be_given_for_classes_that_do_not_occur(folder: Path) -> None:
    data = load(write(folder / "mine.npz", images=GREY, factors=ROWS, factor_sizes=[4, 3]))
    assert data.factor_sizes == (4, 3)
    with pytest.raises(DamagedFileError, match="factor factor_1 has classes 0 to 1, got 0 to 2"):
        load(write(folder / "mine.npz", images=GREY, factors=ROWS, factor_sizes=[2, 2]))


def test_a_folder_of_images_with_a_table(folder: Path) -> None:
    for number, image in enumerate(COLOUR):
        Image.fromarray(image).save(folder / f"{number}.png")
    lines = [f"{number}.png,{'left' if side else 'right'},{size}" for number, (side, size) in enumerate(ROWS)]
    (folder / "factors.csv").write_text("file,side,size\n" + "\n".join(lines) + "\n")
    data = load(folder)
    left_first = COLOUR[[3, 4, 5, 0, 1, 2]]  # classes are numbered by their sorted names
    assert np.array_equal(levels(data), left_first.transpose(0, 3, 1, 2))
    assert data.factor_values["side"].tolist() == ["left", "right"]
    assert data.factor_values["size"].tolist() == [0, 1, 2]
    assert data.factors([0, 5]).tolist() == [[0, 0], [1, 2]]


def test_a_changed_file_is_read_anew(folder: Path) -> None:
    path = write(folder / "mine.npz", images=GREY, factors=ROWS)
    load(path)
    write(path, images=255 - GREY, factors=ROWS)
    assert np.array_equal(levels(load(path))[:, 0], 255 - GREY)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"images": GREY}, "no array 'factors', only images"),
        ({"factors": ROWS}, "no array 'images', only factors"),
        ({"images": GREY[:5], "factors": ROWS}, "5 images have 6 rows of factors"),
        ({"images": GREY[:0], "factors": ROWS[:0]}, "there is no image in it"),
        (
            {"images": GREY[0], "factors": ROWS},
            r"images should be \[N, H, W\].*is \[8, 10\]|8 images have 6 rows",
        ),
        ({"images": np.zeros((6, 8, 8, 4), np.uint8), "factors": ROWS}, "with C of 1 or 3"),
        ({"images": GREY.astype(np.int64), "factors": ROWS}, "uint8, bool or floats in .*, are int64"),
        ({"images": GREY.astype(np.float32), "factors": ROWS}, r"images of floats should be in \[0, 1\]"),
        ({"images": np.full((6, 8, 8), np.nan), "factors": ROWS}, r"should be in \[0, 1\], are nan"),
        ({"images": GREY, "factors": ROWS, "factor_names": NAMES[:1]}, "2 factors have the names side"),
        (
            {"images": GREY, "factors": ROWS, "factor_names": NAMES[[0, 0]]},
            "2 factors have the names side, side",
        ),
        ({"images": GREY, "factors": np.full((6, 1), np.nan)}, "values that are no numbers"),
        ({"images": GREY, "factors": ROWS[:, :, None]}, r"factors should be \[N, K\]"),
        ({"images": GREY, "factors": ROWS, "factor_sizes": [2]}, "factor_sizes should be 2 whole numbers"),
    ],
)
@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_what_is_wrong_is_one_clear_line(
    folder: Path, suffix: str, arrays: dict[str, np.ndarray], why: str
) -> None:
    path = write(folder / f"mine{suffix}", **arrays)
    with pytest.raises(DamagedFileError, match=why) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("kept", [0.0, 0.4, 0.95])
def test_a_cut_file_is_one_clear_line(folder: Path, suffix: str, kept: float) -> None:
    path = write(folder / f"mine{suffix}", images=COLOUR, factors=ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DamagedFileError, match="is not a data set") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_nothing_is_ever_unpickled(folder: Path) -> None:
    objects = np.array([{"a": 1}] * 6, dtype=object)
    np.savez(folder / "a.npz", images=GREY, factors=objects)
    np.savez(folder / "b.npz", images=objects, factors=ROWS)
    for name in ("a.npz", "b.npz"):
        with pytest.raises(DamagedFileError, match="is not a data set"):
            load(folder / name)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("file,side\n0.png,1\n1.png,2\n", "names 1.png, which is not there"),
        ("picture,side\n0.png,1\n", "should have a column `file`"),
        ("file\n0.png\n", "and a column for each factor"),
        ("file,side\n0.png\n", "line 2 of factors.csv should have 2 columns"),
        ("file,side\n0.png,1,2\n", "line 2 of factors.csv should have 2 columns"),
        ("file,side,size\n0.png,,1\n", "line 2 of factors.csv has no value for side"),
        ("file,side\n,1\n", "line 2 of factors.csv has no value for file"),
        ("file,side\ntext.png,1\n", "is not a data set"),
        ("file,side\n0.png,1\nlarge.png,1\n", "large.png is .*, the first image"),
        ("", "should have a column `file`"),
    ],
)
def test_a_wrong_folder_is_one_clear_line(folder: Path, table: str, why: str) -> None:
    Image.fromarray(COLOUR[0]).save(folder / "0.png")
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / "large.png")
    (folder / "text.png").write_text("text")
    (folder / "factors.csv").write_text(table)
    with pytest.raises(DamagedFileError, match=why) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_an_absent_path_is_told_what_it_may_hold(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no data set at .*absent.npz: an .npz or .h5 file holds"):
        entry(folder / "absent.npz")
    (folder / "empty").mkdir()
    with pytest.raises(DamagedFileError, match="there is no factors.csv in it"):
        entry(folder / "empty")


def test_a_user_data_set_keeps_the_contract(folder: Path) -> None:
    data = load(write(folder / "mine.npz", images=GREY, factors=ROWS))
    assert data.images([]).shape == (0, 1, 8, 10)
    with pytest.raises(IndexError, match="has images 0 to 5, got index 6"):
        data.images([6])
    there = data.to("meta")
    assert there.images(torch.zeros(4, dtype=torch.int64, device="meta")).shape == (4, 1, 8, 10)
