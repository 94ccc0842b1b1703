"""Verification: counts what differs, and is honest where there is nothing to compare with."""

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from disbench.datasets import DATA_SETS, DamagedFileError, load
from disbench.datasets.cars3d import CARS3D
from disbench.datasets.dsprites import official_dsprites, rendered_dsprites
from disbench.datasets.dsprites_file import OFFICIAL
from disbench.datasets.factors import FactorGrid
from disbench.datasets.official_file import OfficialFile
from disbench.datasets.verification import compare, verify


def write_official(grid: FactorGrid, images: np.ndarray) -> None:
    rows = np.insert(grid.rows(torch.arange(len(grid))).numpy(), 0, 0, axis=1)
    np.savez_compressed(OFFICIAL.path, imgs=images, latents_classes=rows)


def test_images_and_pixels_that_differ_are_counted(
    own_folders: tuple[Path, Path], small_grid: FactorGrid
) -> None:
    ours = rendered_dsprites(grid=small_grid)
    images = ours.images(range(54))[:, 0].numpy().astype(np.uint8)
    images[3, 10, 10:13] ^= 1
    images[50, 0, 0] ^= 1
    write_official(small_grid, images)
    found = compare(ours, official_dsprites(grid=small_grid))
    assert (found.images, found.images_that_differ) == (54, 2)
    assert (found.pixels, found.pixels_that_differ) == (54 * 4096, 4)
    assert found.mean_absolute_levels == pytest.approx(255 * 4 / (54 * 4096))
    assert found.largest_levels == 255


@pytest.mark.parametrize("name", ["dsprites", "shapes3d"])
def test_without_the_official_file_nothing_is_claimed(own_folders: tuple[Path, Path], name: str) -> None:
    found = verify(DATA_SETS[name])
    assert not found.is_checked
    assert f"{name}: not compared: the official file is absent" in found.lines[0]
    assert str(own_folders[1]) in found.lines[0]
    assert "what is known of the rendered images" in found.lines[1]


def test_the_whole_of_dsprites_against_a_file_of_few_images(own_folders: tuple[Path, Path]) -> None:
    write_official(
        FactorGrid({name: np.arange(1) for name in ("a", "b", "c", "d", "e")}),
        np.zeros((1, 64, 64), np.uint8),
    )
    with pytest.raises(DamagedFileError, match=r"latents_classes should be int64 \[737280, 6\]"):
        verify(DATA_SETS["dsprites"])


def test_an_embedded_data_set_has_nothing_to_compare_with() -> None:
    found = verify(DATA_SETS["digits"])
    assert not found.is_checked
    assert "1,797 images, digit 10" in found.lines[0]


def test_two_grids_are_not_compared(own_folders: tuple[Path, Path], small_grid: FactorGrid) -> None:
    other = FactorGrid({name: values[:1] for name, values in small_grid.values.items()}, small_grid.constants)
    with pytest.raises(ValueError, match="not of one grid"):
        compare(rendered_dsprites(grid=small_grid), rendered_dsprites(grid=other))


def test_checksums_are_compared(own_folders: tuple[Path, Path]) -> None:
    """A file of the right format that is not the authors' is not passed off as theirs; no factor table is claimed."""
    path = CARS3D.files[0].path
    with tarfile.open(path, "w:gz"):
        pass
    entry = replace(CARS3D, open=lambda *, progress=None: load("digits"))
    found = verify(entry)
    assert not found.is_sound
    assert "wrong checksum: md5:" in found.lines[1]
    assert "they do not say the factors of an image" in found.lines[-1]
    sound = OfficialFile(
        path.name, "", (), f"md5:{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
    )
    found = verify(replace(entry, files=(sound,)))
    assert found.is_sound
    assert "checksum is the known one" in found.lines[1]
