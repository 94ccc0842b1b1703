"""MPI3D: files in the official format, whole and damaged, on a small grid."""

from pathlib import Path

import numpy as np
import pytest
import torch

from disbench.datasets import AbsentFileError, DamagedFileError
from disbench.datasets.factors import FactorGrid
from disbench.datasets.mpi3d import FILES, GRID, open_mpi3d


@pytest.fixture
def few() -> FactorGrid:
    """24 images."""
    counts = (2, 1, 2, 3, 1, 2, 1)
    return FactorGrid(
        {name: GRID.values[name][:count] for name, count in zip(GRID.names, counts, strict=True)}
    )


def write(kind: str, *, compressed: bool = True, count: int = 24) -> np.ndarray:
    images = np.random.default_rng(0).integers(256, size=(count, 64, 64, 3), dtype=np.uint8)
    (np.savez_compressed if compressed else np.savez)(FILES[kind].path, images=images)
    return images


def test_the_grid_is_that_of_the_published_files() -> None:
    assert (len(GRID), GRID.sizes) == (1_036_800, (6, 6, 2, 3, 3, 40, 40))


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", ["toy", "realistic", "real"])
def test_images_come_in_the_order_of_the_file(
    own_folders: tuple[Path, Path],
    few: FactorGrid,
    kind: str,
    compressed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("disbench.datasets.npy_rows.ROWS_AT_ONCE", 7)
    images = write(kind, compressed=compressed)
    data = open_mpi3d(kind, grid=few)
    assert (data.name, data.source) == (f"mpi3d_{kind}", "official")
    assert np.array_equal((data.images(range(24)) * 255).round().permute(0, 2, 3, 1).numpy(), images)
    assert torch.equal(data.index(data.factors(range(24))), torch.arange(24))


def test_an_absent_file_is_told_where_to_go(own_folders: tuple[Path, Path]) -> None:
    with pytest.raises(AbsentFileError, match=r"mpi3d_real.npz \(up to 12.7 GB.*fetch mpi3d_real"):
        open_mpi3d("real")


@pytest.mark.parametrize("spoil", ["cut", "short", "foreign", "member"])
def test_a_damaged_file_is_one_clear_line(
    own_folders: tuple[Path, Path], few: FactorGrid, spoil: str
) -> None:
    path = FILES["toy"].path
    write("toy", count=23 if spoil == "short" else 24)
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:-5000])
    elif spoil == "foreign":
        path.write_bytes(b"a foreign file")
    elif spoil == "member":
        np.savez(path, pictures=np.zeros(3))
    with pytest.raises(DamagedFileError, match="is not an official MPI3D file .*fetch it again") as caught:
        open_mpi3d("toy", grid=few)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [p for p in own_folders[0].iterdir() if p.suffix not in (".lock", ".sha256")]
