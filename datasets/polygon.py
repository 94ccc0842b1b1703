"""Exact fill of polygons whose vertices lie on 1/256 of a pixel, many at a time, one machine word a row."""

import numpy as np
from numpy.typing import NDArray

SIZE = 64
"""Rows and columns of the canvas; 64 columns make one row one 64-bit word."""

SUBPIXELS = 256
"""Vertex coordinates are whole numbers of 1/256 pixel, as in a graphics card's rasteriser."""

CENTRES = SUBPIXELS * np.arange(SIZE, dtype=np.int64) + SUBPIXELS // 2

# FROM_COLUMN[c] has the pixels of columns c to 63 set. Column 0 is the highest bit of a big-endian word, as
# numpy.packbits has it; XOR does not mind in which order the machine keeps the bytes.
FROM_COLUMN = np.array([(1 << (SIZE - c)) - 1 for c in range(SIZE + 1)], dtype=">u8").view(np.uint64)


def snap(pixels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Coordinates in pixels to the nearest 1/256: floor(256 x + 0.5)."""
    return np.floor(SUBPIXELS * pixels + 0.5).astype(np.int64)


def fill(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Fill the polygons with vertices (x[a], y[b]) for every pair (a, b).

    A pixel is set if its centre is inside by the even-odd rule. Edges on the left and at the top belong to
    the polygon, edges on the right and at the bottom do not. All in whole numbers, so nothing is rounded.

    Args:
        x: horizontal vertex coordinates [A, V], in 1/256 pixel, rightwards.
        y: vertical vertex coordinates [B, V], in 1/256 pixel, downwards.

    Returns:
        Packed images [A, B, 512]: 64 rows of 8 bytes, the layout of `numpy.packbits`.
    """
    x_next, y_next = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    # Which edges does the line through each row's centres cross? Sorted by polygon, then by row.
    crossed = (y[:, None, :] <= CENTRES[:, None]) != (y_next[:, None, :] <= CENTRES[:, None])  # [B, rows, V]
    b, row, edge = np.nonzero(crossed)

    # The crossing lies at x + (centre - y) (x' - x) / (y' - y); set every pixel from the first centre at or
    # right of it, in XOR: what lies between two crossings stays set, what lies beyond is cleared.
    rise = (y_next - y)[b, edge]
    run = (x_next - x)[:, edge]
    offset = (x[:, edge] - SUBPIXELS // 2) * rise + (CENTRES[row] - y[b, edge]) * run
    column = -(-offset // (SUBPIXELS * rise))  # ceiling of offset / (256 rise)
    beyond = FROM_COLUMN[np.clip(column, 0, SIZE)]  # [A, crossings]

    line = b * SIZE + row
    first = np.flatnonzero(np.diff(line, prepend=-1))
    words = np.zeros((len(x), len(y) * SIZE), dtype=np.uint64)
    if len(first):
        words[:, line[first]] = np.bitwise_xor.reduceat(beyond, first, axis=1)
    return words.view(np.uint8).reshape(len(x), len(y), SIZE * SIZE // 8)
