"""A data set of one's own, by its path: any images with the factors that made them.

- `NAME.npz` or `NAME.h5` (`.hdf5`), with arrays
  - `images`: N images, uint8, bool, or floats in [0, 1]; [N, H, W], [N, H, W, C] or [N, C, H, W] with C of 1 or 3.
  - `factors`: [N, K] (or [N] for one factor), whole numbers, other numbers or text.
  - `factor_names`: [K] text; without it, factor_0, factor_1, ...
  - `factor_sizes`: [K], if classes are numbered from 0 and not all of them may occur.
- a folder with `factors.csv`, whose column `file` names an image in the folder and whose other columns are factors.

Without `factor_sizes` the classes of a factor are its different values in ascending order. Where every combination
occurs exactly once the data set is a full grid, in the order of grids (the last factor fastest) whatever the order in
the file; else it is a table of images in the file's order. Images are kept as 8-bit levels in the cache folder:
floats and 16-bit pictures are rounded to the nearest 1/255. Bytes that are 0 or 1 throughout are black and white.
"""

import csv
import math
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import h5py  # type: ignore[import-untyped]
import numpy as np
import torch
from numpy.typing import NDArray

from .cache import cached_table
from .contract import Entry, Progress
from .factored_images import FactoredImages
from .factors import FactorGrid, FactorTable
from .official_file import fingerprint, reading
from .pixels import Levels, Pixels, Reordered

SUFFIXES = (".npz", ".h5", ".hdf5")
FACTORS_FILE = "factors.csv"
ROWS_AT_ONCE = 1024
ADVICE = "an .npz or .h5 file holds `images` and `factors`, a folder holds images and factors.csv"

Batches: TypeAlias = Iterator[NDArray[Any]]
"""Images as they are in the file, some at a time."""


@dataclass(frozen=True)
class Contents:
    """What a path holds, its images not yet read."""

    factors: list[NDArray[Any]]
    """K columns of N values."""
    names: list[str]
    sizes: list[int] | None
    shape: tuple[int, ...]
    """Of the images as they are: [N, ...]."""
    batches: Callable[[], Batches]
    files: list[Path]


def is_path(name: str | Path) -> bool:
    """Whether this is meant as a path: it has the suffix of a file, is in a folder, or is one."""
    path = Path(name)
    return isinstance(name, Path) or path.suffix in SUFFIXES or len(path.parts) > 1 or path.is_dir()


def user_entry(path: str | Path) -> Entry:
    """Read the factors of a data set at `path`; its images are read when it is opened.

    Raises DamagedFileError or FileNotFoundError: one line that says what is wrong, where, and what would be right.
    """
    table, _, shape, _ = _described(Path(path).expanduser())
    return Entry(
        name=str(path),
        summary="a data set of your own",
        factor_names=table.names,
        factor_sizes=table.sizes,
        length=len(table),
        image_shape=shape,
        open=partial(open_user_data, path),
    )


def open_user_data(path: str | Path, *, progress: Progress | None = None) -> FactoredImages:
    """Open the data set at `path`, reading its images into the cache folder at first."""
    where = Path(path).expanduser()
    table, order, shape, contents = _described(where)
    described = f"user data, {fingerprint(*contents.files)}, {shape}"
    chunks = partial(_levels, where, contents, shape)
    levels = cached_table(f"user-{where.stem}", described, (len(table), math.prod(shape)), chunks, progress)
    pixels: Pixels = Levels(levels.view(-1, *shape), white=255)
    if order is not None:
        pixels = Reordered(pixels, order)
    return FactoredImages(str(path), "user", table, pixels)


def _described(
    path: Path,
) -> tuple[FactorGrid | FactorTable, torch.Tensor | None, tuple[int, int, int], Contents]:
    """Factors, order (as `_table`) and image shape of the data set at `path`, checked."""
    if not path.exists():
        raise FileNotFoundError(f"no data set at {path}: {ADVICE}")
    with reading(path, "a data set", ADVICE):
        contents = _folder(path) if path.is_dir() else _npz(path) if path.suffix == ".npz" else _hdf5(path)
        count = contents.shape[0] if contents.shape else 0
        lengths = {len(column) for column in contents.factors}
        if lengths != {count}:
            raise ValueError(
                f"{count} images have {' and '.join(map(str, sorted(lengths))) or 'no'} rows of factors"
            )
        if count == 0:
            raise ValueError("there is no image in it")
        if len(set(contents.names)) != len(contents.factors):
            raise ValueError(
                f"{len(contents.factors)} factors have the names {', '.join(contents.names) or 'none'}"
            )
        return *_table(contents), _channels_first(contents.shape), contents


def _table(contents: Contents) -> tuple[FactorGrid | FactorTable, torch.Tensor | None]:
    """A full grid where the rows are one, in whatever order, else a table.

    Also, for a grid in another order: where in the file each of its images is, int64 [N].
    """
    values, columns = {}, []
    sizes: list[int] | list[None] = contents.sizes or [None] * len(contents.names)
    for name, column, size in zip(contents.names, contents.factors, sizes, strict=True):
        if column.dtype.kind not in "biufU":
            raise ValueError(f"factor {name} should be numbers or text, is {column.dtype}")
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise ValueError(f"factor {name} has values that are no numbers")
        if size is None:
            values[name], classes = np.unique(column, return_inverse=True)
        else:
            if column.dtype.kind not in "biu" or column.min() < 0 or column.max() >= size:
                raise ValueError(
                    f"factor {name} has classes 0 to {size - 1}, got {column.min()} to {column.max()}"
                )
            values[name], classes = np.arange(size), column
        columns.append(torch.from_numpy(classes.astype(np.int64)))
    rows = torch.stack(columns, dim=1)
    grid = FactorGrid(values)
    if len(grid) != len(rows):
        return FactorTable(values, rows), None
    order = grid.index(rows).argsort()
    if not torch.equal(grid.index(rows)[order], torch.arange(len(rows))):
        return FactorTable(values, rows), None
    return grid, None if torch.equal(order, torch.arange(len(rows))) else order


def _channels_first(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W) of images of this shape [N, ...]."""
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    if len(shape) == 4 and shape[3] in (1, 3):
        return shape[3], shape[1], shape[2]
    if len(shape) == 4 and shape[1] in (1, 3):
        return shape[1], shape[2], shape[3]
    wanted = "[N, H, W], [N, H, W, C] or [N, C, H, W] with C of 1 or 3"
    raise ValueError(f"images should be {wanted}, is {list(shape)}")


def _levels(path: Path, contents: Contents, shape: tuple[int, int, int]) -> Generator[bytes, None, None]:
    """Images in order as uint8, channels first."""
    with reading(path, "a data set", ADVICE):
        bits = _are_bits(contents.batches())
        for images in contents.batches():
            if images.dtype.kind == "f":
                if not (images.min() >= 0 and images.max() <= 1):  # NaN is neither
                    raise ValueError(
                        f"images of floats should be in [0, 1], are {images.min()} to {images.max()}"
                    )
                images = np.round(255 * images).astype(np.uint8)
            elif images.dtype == np.bool_ or bits:
                images = images.astype(np.uint8) * 255
            elif images.dtype != np.uint8:
                raise ValueError(f"images should be uint8, bool or floats in [0, 1], are {images.dtype}")
            if images.ndim == 4 and images.shape[1:] != shape:
                images = images.transpose(0, 3, 1, 2)
            yield np.ascontiguousarray(images).tobytes()


def _are_bits(batches: Batches) -> bool:
    """Whether bytes are black and white written as 0 and 1; usually the first batch tells."""
    largest = 0
    for images in batches:
        if images.dtype != np.uint8:
            return False
        largest = max(largest, int(images.max(initial=0)))
        if largest > 1:
            return False
    return largest == 1


def _npz(path: Path) -> Contents:
    small = {}
    with zipfile.ZipFile(path) as archive:
        there = [name.removesuffix(".npy") for name in archive.namelist()]
        _require_arrays(there)
        for name in there:
            if name.startswith("factor"):
                with archive.open(f"{name}.npy") as member:
                    small[name] = np.lib.format.read_array(member, allow_pickle=False)
        with archive.open("images.npy") as member:
            shape, by_columns, _ = _header(member)
    if by_columns:
        raise ValueError("images are stored column by column; write np.ascontiguousarray(images)")
    return _contents(small, shape, partial(_npz_batches, path), path)


def _header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    v1, v2 = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    shape, by_columns, kind = (v1 if version == (1, 0) else v2)(member)
    if kind.hasobject:
        raise ValueError("images are Python objects, not numbers")
    return shape, by_columns, kind


def _npz_batches(path: Path) -> Batches:
    with zipfile.ZipFile(path) as archive, archive.open("images.npy") as member:
        shape, _, kind = _header(member)
        for start in range(0, shape[0], ROWS_AT_ONCE):
            rows = min(ROWS_AT_ONCE, shape[0] - start)
            content = member.read(rows * kind.itemsize * math.prod(shape[1:]))
            yield np.frombuffer(content, kind).reshape(rows, *shape[1:])


def _hdf5(path: Path) -> Contents:
    with h5py.File(path, "r") as file:
        _require_arrays(list(file))
        small = {}
        for name in file:
            if name.startswith("factor"):
                is_text = h5py.check_string_dtype(file[name].dtype) is not None
                small[name] = np.asarray(file[name].asstr()[()], dtype=str) if is_text else file[name][()]
        shape = tuple(file["images"].shape)
    return _contents(small, shape, partial(_hdf5_batches, path, shape[0] if shape else 0), path)


def _hdf5_batches(path: Path, count: int) -> Batches:
    with h5py.File(path, "r") as file:
        for start in range(0, count, ROWS_AT_ONCE):
            yield file["images"][start : start + ROWS_AT_ONCE]


def _require_arrays(there: list[str]) -> None:
    for name in ("images", "factors"):
        if name not in there:
            raise ValueError(f"there is no array {name!r}, only {', '.join(sorted(there)) or 'none'}")


def _contents(
    small: dict[str, NDArray[Any]], shape: tuple[int, ...], batches: Callable[[], Batches], path: Path
) -> Contents:
    factors = small["factors"]
    if factors.ndim not in (1, 2):
        raise ValueError(f"factors should be [N, K], is {list(factors.shape)}")
    columns = list(factors.T) if factors.ndim == 2 else [factors]
    names = [str(name) for name in small.get("factor_names", [f"factor_{k}" for k in range(len(columns))])]
    sizes = [int(size) for size in small["factor_sizes"]] if "factor_sizes" in small else None
    if sizes is not None and (len(sizes) != len(columns) or min(sizes) < 1):
        raise ValueError(f"factor_sizes should be {len(columns)} whole numbers above 0, is {sizes}")
    return Contents(columns, names, sizes, shape, batches, [path])


def _folder(path: Path) -> Contents:
    if not (path / FACTORS_FILE).is_file():
        raise ValueError(f"there is no {FACTORS_FILE} in it")
    with (path / FACTORS_FILE).open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        names = [name for name in table.fieldnames or [] if name != "file"]
        if len(names) != len(table.fieldnames or []) - 1 or not names:
            raise ValueError(f"{FACTORS_FILE} should have a column `file` and a column for each factor")
        rows = list(table)
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"line {number} of {FACTORS_FILE} should have {len(names) + 1} columns")
        empty = [name for name, value in row.items() if not value.strip()]
        if empty:
            raise ValueError(f"line {number} of {FACTORS_FILE} has no value for {', '.join(empty)}")
    files = [path / row["file"] for row in rows]
    for file_path in files:
        if not file_path.is_file():
            raise ValueError(f"{FACTORS_FILE} names {file_path.name}, which is not there")
    columns = [_numbers(np.array([row[name] for row in rows], dtype=str)) for name in names]
    first = _picture(files[0]).shape if files else ()
    batches = partial(_folder_batches, files, first)
    return Contents(columns, names, None, (len(files), *first), batches, [path / FACTORS_FILE, *files])


def _numbers(column: NDArray[np.str_]) -> NDArray[Any]:
    """Text as whole numbers, else as numbers, else as it is."""
    for kind in (np.int64, np.float64):
        try:
            return column.astype(kind)
        except ValueError:
            continue
    return column


def _folder_batches(files: list[Path], shape: tuple[int, ...]) -> Batches:
    for start in range(0, len(files), ROWS_AT_ONCE):
        pictures = []
        for file in files[start : start + ROWS_AT_ONCE]:
            picture = _picture(file)
            if picture.shape != shape:
                raise ValueError(f"{file.name} is {list(picture.shape)}, the first image {list(shape)}")
            pictures.append(picture)
        yield np.stack(pictures)


def _picture(file: Path) -> NDArray[np.uint8]:
    """Grey pictures as [H, W], all others as [H, W, 3]."""
    from PIL import Image  # late: only folders need it

    with Image.open(file) as picture:
        if picture.mode.startswith("I"):  # 16 bits a pixel; `convert` would cut at 255
            wide = np.asarray(picture)
            if wide.min() < 0 or wide.max() > 0xFFFF:
                raise ValueError(f"{file.name} has values {wide.min()} to {wide.max()}, not 16 bits a pixel")
            return np.round(wide / 257).astype(np.uint8)
        if picture.mode == "F":
            raise ValueError(f"{file.name} is of floats: pictures have 8 or 16 bits a pixel")
        return np.asarray(picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB"))
