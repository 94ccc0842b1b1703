"""MNIST and Fashion-MNIST: files in IDX format, packed or not, whole and damaged."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from disbench.datasets import AbsentFileError, DamagedFileError
from disbench.datasets.mnist import FASHION_FILES, MNIST_FILES, open_fashion_mnist, open_mnist

COUNTS = (12, 10)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def write(files: tuple, *, packed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """22 images in the official format, and their labels."""
    images = np.random.default_rng(0).integers(256, size=(22, 28, 28), dtype=np.uint8)
    labels = (np.arange(22) % 10).astype(np.uint8)
    parts = [images[:12], labels[:12], images[12:], labels[12:]]
    for file, part in zip(files, parts, strict=True):
        file.path.parent.mkdir(exist_ok=True)
        if packed:
            file.path.write_bytes(gzip.compress(idx(part)))
        else:
            file.path.with_suffix("").write_bytes(idx(part))
    return images, labels


@pytest.mark.parametrize("packed", [True, False])
def test_training_images_come_first(own_folders: tuple[Path, Path], packed: bool) -> None:
    images, labels = write(MNIST_FILES, packed=packed)
    data = open_mnist(counts=COUNTS)
    assert (data.name, data.source, data.image_shape, len(data)) == ("mnist", "official", (1, 28, 28), 22)
    assert np.array_equal((data.images(range(22)) * 255).round()[:, 0].numpy(), images)
    assert data.factors(range(22))[:, 0].tolist() == labels.tolist()


def test_fashion_has_names_for_its_classes(own_folders: tuple[Path, Path]) -> None:
    write(FASHION_FILES)
    assert open_fashion_mnist(counts=COUNTS).factor_values["garment"][9] == "ankle boot"


def test_an_absent_file_is_told_where_to_go(own_folders: tuple[Path, Path]) -> None:
    write(MNIST_FILES)
    MNIST_FILES[2].path.unlink()
    with pytest.raises(AbsentFileError) as caught:
        open_mnist(counts=COUNTS)
    message = str(caught.value)
    for part in (
        "mnist/t10k-images-idx3-ubyte.gz",
        "1.6 MB",
        str(own_folders[1]),
        "disbench datasets fetch mnist",
    ):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(idx(np.zeros((12, 28, 28), np.uint8)))[:-20], "not a whole IDX file"),
        (idx(np.zeros((12, 28, 28), np.uint8))[:-1], "should have 9424 bytes, has 9423"),
        (idx(np.zeros((11, 28, 28), np.uint8)), r"should be \[12, 28, 28\], is \[11, 28, 28\]"),
        (idx(np.zeros((12, 28, 28), np.int32)), "should have 9424 bytes"),
        (b"a foreign file", "does not begin as IDX bytes"),
        (b"", "does not begin as IDX bytes"),
    ],
    ids=["half a gzip", "a byte short", "eleven of twelve", "wide numbers", "foreign", "empty"],
)
def test_a_damaged_file_is_one_clear_line(own_folders: tuple[Path, Path], content: bytes, why: str) -> None:
    write(MNIST_FILES)
    MNIST_FILES[0].path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=why) as caught:
        open_mnist(counts=COUNTS)
    assert str(MNIST_FILES[0].path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_label_out_of_range_is_refused(own_folders: tuple[Path, Path]) -> None:
    write(MNIST_FILES)
    MNIST_FILES[1].path.write_bytes(gzip.compress(idx(np.full(12, 10, np.uint8))))
    with pytest.raises(DamagedFileError, match="has a label 10, classes are 0 to 9"):
        open_mnist(counts=COUNTS)
