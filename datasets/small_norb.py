"""SmallNORB (LeCun, Huang and Bottou, 2004): 48,600 photographs of 50 toys; the left camera's, 64 x 64 pixels.

As in disentanglement_lib, the factors are category, elevation, azimuth and lighting; each combination has ten
images, one of each toy of the category, and which toy it is is no factor. So this is no full grid. The reduction
from 96 x 96 pixels is Lanczos, as there. Training images come first, then test images, in the files' order.
"""

import gzip
import math
from collections.abc import Generator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .cache import cached_table
from .contract import Entry, Progress
from .factored_images import FactoredImages
from .factors import FactorTable
from .official_file import OfficialFile, fingerprint, reading, require
from .pixels import Levels

VALUES = {
    "category": np.array(["animal", "human", "airplane", "truck", "car"]),
    "elevation": np.deg2rad(np.arange(30, 71, 5)),
    "azimuth": np.deg2rad(np.arange(0, 360, 20)),
    "lighting": np.arange(6),
}

ADDRESS = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"

# MD5 sums as public loaders of the data set have them.
CHECKSUMS = {
    "5x46789x9x18x6x2x96x96-training-dat": "66054832f9accfe74a0f4c36a75bc0a2",
    "5x46789x9x18x6x2x96x96-training-cat": "23c8b86101fbf0904a000b43d3ed2fd9",
    "5x46789x9x18x6x2x96x96-training-info": "51dee1210a742582ff607dfd94e332e3",
    "5x01235x9x18x6x2x96x96-testing-dat": "e4ad715691ed5a3a5f138751a4ceb071",
    "5x01235x9x18x6x2x96x96-testing-cat": "5aa791cd7e6016cf957ce9bdb93b8603",
    "5x01235x9x18x6x2x96x96-testing-info": "a9454f3864d7fd4bb3ea7fc3eb84924e",
}
FILES = tuple(
    OfficialFile(
        f"small_norb/smallnorb-{part}.mat.gz",
        "448 MB unpacked" if part.endswith("dat") else "under 0.4 MB unpacked",
        (f"{ADDRESS}smallnorb-{part}.mat.gz",),
        f"md5:{md5}",
    )
    for part, md5 in CHECKSUMS.items()
)

BYTES, INTEGERS = 0x1E3D4C55, 0x1E3D4C54
"""What a file of bytes and one of 32-bit integers begin with."""


def open_small_norb(
    *, progress: Progress | None = None, counts: tuple[int, int] = (24_300, 24_300)
) -> FactoredImages:
    """Open SmallNORB; reduced once, 199 MB in the cache. `counts` of training and test images are expected.

    Raises:
        AbsentFileError: a file is not in the data folder.
        DamagedFileError: a file is there, but cut, garbled or another one.
        OSError: the cache folder cannot be written.
    """
    paths = require("small_norb", *FILES)
    classes = np.concatenate(
        [
            _classes(cat, info, count)
            for cat, info, count in zip(paths[1::3], paths[2::3], counts, strict=True)
        ]
    )
    contents = f"small_norb, official, {fingerprint(*paths)}"
    chunks = partial(_reduced, paths[::3], counts)
    table = cached_table("small_norb-official", contents, (sum(counts), 64 * 64), chunks, progress)
    factors = FactorTable(VALUES, torch.from_numpy(classes))
    return FactoredImages("small_norb", "official", factors, Levels(table.view(-1, 1, 64, 64), white=255))


def _classes(cat_path: Path, info_path: Path, count: int) -> NDArray[np.int64]:
    """Factor classes [count, 4] of one half of the images."""
    category = read_matrix(cat_path, INTEGERS, (count,))
    info = read_matrix(info_path, INTEGERS, (count, 4))  # instance, elevation, azimuth / 10 degrees, lighting
    classes = np.column_stack([category, info[:, 1], info[:, 2] // 2, info[:, 3]]).astype(np.int64)
    with reading(info_path, "labels of SmallNORB"):
        for name, column in zip(VALUES, classes.T, strict=True):
            if len(column) and not 0 <= column.min() <= column.max() < len(VALUES[name]):
                raise ValueError(
                    f"{name} has classes 0 to {len(VALUES[name]) - 1}, got {column.min()} to {column.max()}"
                )
    return classes


def _reduced(paths: list[Path], counts: tuple[int, int]) -> Generator[bytes, None, None]:
    from PIL import Image  # late: a while to import

    for path, count in zip(paths, counts, strict=True):
        for left in read_matrix(path, BYTES, (count, 2, 96, 96))[:, 0]:
            yield np.asarray(Image.fromarray(left).resize((64, 64), Image.Resampling.LANCZOS)).tobytes()


def read_matrix(path: Path, magic: int, shape: tuple[int, ...]) -> NDArray[np.integer]:
    """The matrix in a file of the NORB format, packed or not, which must have this kind and shape."""
    with reading(path, "a whole SmallNORB file"):
        packed = path.read_bytes()
        content = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        if content[:4] != magic.to_bytes(4, "little"):
            raise ValueError("does not begin as a NORB matrix of its kind does")
        dimensions = int.from_bytes(content[4:8], "little")
        sizes = np.frombuffer(content, "<i4", count=max(3, len(shape)), offset=8)  # never fewer than three
        if dimensions != len(shape) or tuple(sizes[: len(shape)].tolist()) != shape:
            raise ValueError(f"should be {list(shape)}, is {sizes[:dimensions].tolist()}")
        kind = np.dtype("<i4" if magic == INTEGERS else "u1")
        start = 8 + 4 * len(sizes)
        if len(content) != start + kind.itemsize * math.prod(shape):
            raise ValueError(
                f"should have {start + kind.itemsize * math.prod(shape)} bytes, has {len(content)}"
            )
        return np.frombuffer(content, kind, offset=start).reshape(shape)


SMALL_NORB = Entry(
    name="small_norb",
    summary="photographs of 50 toys: category, elevation, azimuth, lighting; no full grid",
    factor_names=tuple(VALUES),
    factor_sizes=tuple(len(values) for values in VALUES.values()),
    length=48_600,
    image_shape=(1, 64, 64),
    open=open_small_norb,
    files=FILES,
    needs_files=True,
)
