"""MNIST (LeCun, Cortes and Burges, 1998) and Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 70,000 grey images each.

The only known factor is the class, so these are no factor grids. The 60,000 training images come first, then the
10,000 test images, each in its file's order. Files are in IDX format, packed (`.gz`) or not.
"""

import gzip
import math
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .contract import Entry, Progress
from .factored_images import FactoredImages
from .factors import FactorTable
from .official_file import OfficialFile, reading, require
from .pixels import Levels

MNIST_ADDRESSES = (
    "http://yann.lecun.com/exdb/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FASHION_ADDRESSES = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)

FASHIONS = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def _files(
    folder: str, addresses: tuple[str, ...], sums: dict[str, tuple[str, str]]
) -> tuple[OfficialFile, ...]:
    return tuple(
        OfficialFile(f"{folder}/{name}", size, tuple(a + name for a in addresses), f"md5:{md5}")
        for name, (size, md5) in sums.items()
    )


# MD5 sums as torchvision has them (and, for Fashion-MNIST, as the authors' page does).
MNIST_FILES = _files(
    "mnist",
    MNIST_ADDRESSES,
    {
        "train-images-idx3-ubyte.gz": ("9.9 MB", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "train-labels-idx1-ubyte.gz": ("29 kB", "d53e105ee54ea40749a09fcbcd1e9432"),
        "t10k-images-idx3-ubyte.gz": ("1.6 MB", "9fb629c4189551a2d022fa330f9573f3"),
        "t10k-labels-idx1-ubyte.gz": ("5 kB", "ec29112dd5afa0611ce80d1b7f02629c"),
    },
)
FASHION_FILES = _files(
    "fashion-mnist",
    FASHION_ADDRESSES,
    {
        "train-images-idx3-ubyte.gz": ("26 MB", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "train-labels-idx1-ubyte.gz": ("29 kB", "25c81989df183df01b3e8a0aad5dffbe"),
        "t10k-images-idx3-ubyte.gz": ("4.4 MB", "bef4ecab320f06d8554ea6380940ec79"),
        "t10k-labels-idx1-ubyte.gz": ("5 kB", "bb300cfdad3c16e7a12a480ee83cd310"),
    },
)


def open_idx(
    name: str,
    factor: str,
    classes: NDArray[np.generic],
    files: tuple[OfficialFile, ...],
    *,
    progress: Progress | None = None,
    counts: tuple[int, int] = (60_000, 10_000),
) -> FactoredImages:
    """Open four files of training images and labels, test images and labels; `counts` of each are expected.

    Raises:
        AbsentFileError: a file is not in the data folder.
        DamagedFileError: a file is there, but cut, garbled or another one.
    """
    paths = require(name, *files)
    parts = []
    for images_path, labels_path, count in zip(paths[::2], paths[1::2], counts, strict=True):
        images, labels = read_idx(images_path, (count, 28, 28)), read_idx(labels_path, (count,))
        if count and labels.max() >= len(classes):
            with reading(labels_path, f"labels of {name}"):
                raise ValueError(f"has a label {labels.max()}, classes are 0 to {len(classes) - 1}")
        parts.append((images, labels))
    levels = torch.from_numpy(np.concatenate([images for images, _ in parts]))[:, None]
    rows = torch.from_numpy(np.concatenate([labels for _, labels in parts]).astype(np.int64))[:, None]
    return FactoredImages(name, "official", FactorTable({factor: classes}, rows), Levels(levels, white=255))


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The bytes in an IDX file, packed or not, which must have this shape."""
    with reading(path, "a whole IDX file"):
        packed = path.read_bytes()
        content = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        if content[:3] != b"\0\0\x08" or content[3:4] != bytes([len(shape)]):
            raise ValueError(f"does not begin as IDX bytes of {len(shape)} dimensions do")
        found = tuple(np.frombuffer(content, ">i4", count=len(shape), offset=4).tolist())
        if found != shape:
            raise ValueError(f"should be {list(shape)}, is {list(found)}")
        start = 4 + 4 * len(shape)
        if len(content) != start + math.prod(shape):
            raise ValueError(f"should have {start + math.prod(shape)} bytes, has {len(content)}")
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


open_mnist = partial(open_idx, "mnist", "digit", np.arange(10), MNIST_FILES)
open_fashion_mnist = partial(open_idx, "fashion_mnist", "garment", np.array(FASHIONS), FASHION_FILES)

MNIST = Entry(
    name="mnist",
    summary="handwritten digits of 28 x 28 pixels; no factor grid",
    factor_names=("digit",),
    factor_sizes=(10,),
    length=70_000,
    image_shape=(1, 28, 28),
    open=open_mnist,
    files=MNIST_FILES,
    needs_files=True,
)
FASHION_MNIST = Entry(
    name="fashion_mnist",
    summary="clothes of 28 x 28 pixels; no factor grid",
    factor_names=("garment",),
    factor_sizes=(10,),
    length=70_000,
    image_shape=(1, 28, 28),
    open=open_fashion_mnist,
    files=FASHION_FILES,
    needs_files=True,
)
