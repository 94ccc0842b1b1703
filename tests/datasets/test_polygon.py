"""The fill rule, against a slow and obvious version of itself in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from disbench.datasets.polygon import SUBPIXELS, fill, snap


def unpacked(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed, axis=-1).reshape(*packed.shape[:-1], 64, 64)


def filled(corners: list[tuple[float, float]]) -> np.ndarray:
    x, y = np.array(corners).T
    return unpacked(fill(snap(x[None]), snap(y[None])))[0, 0]


def slowly_filled(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd rule, pixel by pixel: count the edges crossed at or left of each centre."""
    image = np.zeros((64, 64), dtype=np.uint8)
    corners = list(zip(x.tolist(), y.tolist(), strict=True))
    for row, column in np.ndindex(64, 64):
        centre_x, centre_y = Fraction(2 * column + 1, 2) * SUBPIXELS, Fraction(2 * row + 1, 2) * SUBPIXELS
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
            if (
                min(y1, y2) <= centre_y < max(y1, y2)
                and x1 + (centre_y - y1) * (x2 - x1) / (y2 - y1) <= centre_x
            ):
                image[row, column] ^= 1
    return image


def test_coordinates_snap_to_the_nearest_256th_and_halves_go_up() -> None:
    assert snap(np.array([0.0, 1.0, 0.5 / 256, 0.49 / 256, -0.5 / 256, -0.51 / 256])).tolist() == [
        0,
        256,
        1,
        0,
        0,
        -1,
    ]


def test_left_and_top_edges_belong_right_and_bottom_edges_do_not() -> None:
    image = filled([(10.5, 20.5), (13.5, 20.5), (13.5, 22.5), (10.5, 22.5)])  # all edges on pixel centres
    rows, columns = np.nonzero(image)
    assert (columns.min(), columns.max()) == (10, 12)
    assert (rows.min(), rows.max()) == (20, 21)


def test_an_edge_just_past_a_centre_leaves_the_pixel_out() -> None:
    past = 1 / 256
    assert filled([(10.5 + past, 5), (14, 5), (14, 6), (10.5 + past, 6)])[5].nonzero()[0].tolist() == [
        11,
        12,
        13,
    ]


def test_direction_and_start_of_the_outline_do_not_matter() -> None:
    corners = [(5.3, 7.1), (40.2, 11.9), (30.7, 50.8), (9.9, 33.3)]
    image = filled(corners)
    assert np.array_equal(image, filled(corners[::-1]))
    assert np.array_equal(image, filled(corners[2:] + corners[:2]))


def test_where_an_outline_covers_twice_it_is_empty() -> None:
    pentagram = [(32 + 20 * np.sin(a), 32 - 20 * np.cos(a)) for a in 2 * np.pi * 2 * np.arange(5) / 5]
    image = filled(pentagram)
    assert image[32, 32] == 0
    assert image[20, 32] == 1


@pytest.mark.parametrize("seed", range(4))
def test_random_outlines_with_many_ties_match_the_obvious_version(seed: int) -> None:
    """Corners on whole and half pixels, partly outside: edges run through centres all the time."""
    x, y = np.random.default_rng(seed).integers(-8, 136, size=(2, 7)) * (SUBPIXELS // 2)
    assert np.array_equal(unpacked(fill(x[None], y[None]))[0, 0], slowly_filled(x, y))


def test_every_pair_of_x_and_y_is_filled() -> None:
    x, y = np.random.default_rng(9).integers(0, 64 * SUBPIXELS, size=(2, 3, 5))
    images = unpacked(fill(x, y[:2]))
    assert images.shape == (3, 2, 64, 64)
    for a, b in np.ndindex(3, 2):
        assert np.array_equal(images[a, b], unpacked(fill(x[a : a + 1], y[b : b + 1]))[0, 0])


def test_an_outline_outside_the_canvas_leaves_it_empty() -> None:
    assert filled([(10, -9), (20, -9), (15, -1)]).sum() == 0
