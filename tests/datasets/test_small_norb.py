"""SmallNORB: files in the binary matrix format, whole and damaged, with few images."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from disbench.datasets import AbsentFileError, DamagedFileError
from disbench.datasets.small_norb import BYTES, FILES, INTEGERS, SMALL_NORB, open_small_norb

COUNTS = (6, 5)


def matrix(array: np.ndarray) -> bytes:
    sizes = [*array.shape, *[1] * (3 - array.ndim)]
    magic = INTEGERS if array.dtype == np.int32 else BYTES
    return np.array([magic, array.ndim, *sizes], "<i4").tobytes() + array.tobytes()


def write(*, packed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """11 images, each of one flat level, and their [category, instance, elevation, azimuth, lighting]."""
    levels = (20 * np.arange(11)).astype(np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (11, 2, 96, 96)).copy()
    images[:, 1] = 255  # the right camera's are not used
    generator = np.random.default_rng(0)
    info = np.stack([generator.integers(size, size=11) for size in (5, 10, 9, 18, 6)], axis=1).astype(
        np.int32
    )
    info[:, 3] *= 2  # azimuth is written in steps of 10 degrees, of which every second occurs
    for half, files in ((slice(0, 6), FILES[:3]), (slice(6, 11), FILES[3:])):
        for file, array in zip(files, (images[half], info[half, 0], info[half, 1:]), strict=True):
            file.path.parent.mkdir(exist_ok=True)
            content = matrix(np.ascontiguousarray(array))
            path = file.path if packed else file.path.with_suffix("")
            path.write_bytes(gzip.compress(content) if packed else content)
    return levels, info


@pytest.mark.parametrize("packed", [True, False])
def test_images_and_factors_are_those_of_the_files(own_folders: tuple[Path, Path], packed: bool) -> None:
    levels, info = write(packed=packed)
    data = open_small_norb(counts=COUNTS)
    assert (data.source, len(data), data.is_full_grid) == ("official", 11, False)
    images = (data.images(range(11)) * 255).round()
    assert images.shape == (11, 1, 64, 64)
    assert np.array_equal(images[:, 0, 0, 0].numpy(), levels)
    assert np.array_equal(images.amin((1, 2, 3)), images.amax((1, 2, 3)))
    expected = np.column_stack([info[:, 0], info[:, 2], info[:, 3] // 2, info[:, 4]])
    assert np.array_equal(data.factors(range(11)).numpy(), expected)


def test_each_combination_has_ten_images() -> None:
    assert 10 * np.prod(SMALL_NORB.factor_sizes) == SMALL_NORB.length


def test_an_absent_file_is_told_where_to_go(own_folders: tuple[Path, Path]) -> None:
    with pytest.raises(AbsentFileError, match=r"training-dat.mat.gz \(448 MB unpacked\).*fetch small_norb"):
        open_small_norb()


@pytest.mark.parametrize(
    ("number", "content", "why"),
    [
        (0, gzip.compress(matrix(np.zeros((6, 2, 96, 96), np.uint8)))[:-9], "is not a whole SmallNORB file"),
        (0, matrix(np.zeros((6, 2, 96, 96), np.uint8))[:-1], "bytes, has"),
        (0, matrix(np.zeros((5, 2, 96, 96), np.uint8)), r"should be \[6, 2, 96, 96\], is \[5, 2, 96, 96\]"),
        (1, matrix(np.zeros(6, np.uint8)), "does not begin as a NORB matrix of its kind does"),
        (1, b"", "does not begin as a NORB matrix"),
        (2, matrix(np.zeros((6, 3), np.int32)), r"should be \[6, 4\], is \[6, 3\]"),
        (2, matrix(np.full((6, 4), 40, np.int32)), "elevation has classes 0 to 8, got 40 to 40"),
    ],
)
def test_a_damaged_file_is_one_clear_line(
    own_folders: tuple[Path, Path], number: int, content: bytes, why: str
) -> None:
    write()
    FILES[number].path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=why) as caught:
        open_small_norb(counts=COUNTS)
    assert str(FILES[number].path) in str(caught.value)
    assert "\n" not in str(caught.value)
