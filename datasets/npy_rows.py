"""Arrays in npy format inside a zip file, read a piece at a time and without trusting them."""

import math
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import DTypeLike, NDArray

ROWS_AT_ONCE = 4096
"""Rows in memory at once: of 64 x 64 colour images, 50 MB."""


def rows(
    file: IO[bytes], name: str, shape: tuple[int, ...], dtype: DTypeLike
) -> Iterator[NDArray[np.integer]]:
    """The array in an npy `file`, `ROWS_AT_ONCE` rows at a time; its shape and type must be these.

    Only numbers are read: nothing in the file is unpickled.
    """
    version = np.lib.format.read_magic(file)
    v1, v2 = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    found, by_columns, kind = (v1 if version == (1, 0) else v2)(file)
    if (found, by_columns, kind) != (shape, False, np.dtype(dtype)):
        raise ValueError(f"{name} should be {np.dtype(dtype)} {list(shape)}, is {kind} {list(found)}")
    row_bytes = kind.itemsize * math.prod(shape[1:])
    for start in range(0, shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, shape[0] - start)
        # A short read makes frombuffer or reshape fail; the last one also checks the member's checksum.
        yield np.frombuffer(file.read(count * row_bytes), dtype=kind).reshape(count, *shape[1:])
