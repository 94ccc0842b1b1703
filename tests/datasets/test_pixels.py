"""Unfolding stored pixels to floats."""

import numpy as np
import torch

from disbench.datasets.pixels import Levels, PackedBits


def test_packed_bits_are_those_of_numpy() -> None:
    images = np.random.default_rng(0).integers(2, size=(5, 3, 4, 8), dtype=np.uint8)
    pixels = PackedBits(torch.from_numpy(np.packbits(images.reshape(5, -1), axis=1)), (3, 4, 8))
    assert len(pixels) == 5
    assert np.array_equal(pixels.images(torch.arange(5)).numpy(), images)


def test_the_table_for_devices_knows_every_byte() -> None:
    table = PackedBits(torch.zeros(1, 8, dtype=torch.uint8), (1, 8, 8)).eight_pixels
    assert np.array_equal(table.numpy(), np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1))


def test_levels_are_divided_by_white() -> None:
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    assert torch.allclose(
        Levels(levels, white=255).images(torch.tensor([2, 1])).flatten(), torch.tensor([1, 0.2])
    )
