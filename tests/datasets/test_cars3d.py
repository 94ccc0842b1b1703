"""Cars3D: .mat files in a folder and inside the archive, whole and damaged, on a small grid."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from disbench.datasets import AbsentFileError, DamagedFileError
from disbench.datasets.cars3d import GRID, OFFICIAL, open_cars3d
from disbench.datasets.factors import FactorGrid


@pytest.fixture
def few() -> FactorGrid:
    """2 elevations, 3 directions, 2 cars."""
    counts = (2, 3, 2)
    return FactorGrid(
        {name: GRID.values[name][:count] for name, count in zip(GRID.names, counts, strict=True)}
    )


def meshes() -> dict[str, bytes]:
    """Two cars, each view of one flat colour of its own, so that reduction keeps it."""
    files = {}
    for car, name in enumerate(("car_001_mesh.mat", "car_002_mesh.mat")):
        im = np.zeros((128, 128, 3, 3, 2), dtype=np.uint8)
        for azimuth, elevation in np.ndindex(3, 2):
            im[..., azimuth, elevation] = [100 * car + 10, 50 * azimuth, 100 * elevation]
        stream = io.BytesIO()
        savemat(stream, {"im": im, "mask": np.zeros(3)}, do_compression=True)
        files[name] = stream.getvalue()
    return files


def write_archive(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        listed = {f"data/cars/{name}": content for name, content in reversed(files.items())}
        for name, content in {
            "data/sprites/sprites_splits.mat": b"other",
            **listed,
            "data/cars/list.txt": b"",
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("packed", [True, False])
def test_each_view_is_where_its_factors_say(
    own_folders: tuple[Path, Path], few: FactorGrid, packed: bool
) -> None:
    if packed:
        write_archive(OFFICIAL.path, meshes())
    else:
        (own_folders[1] / "cars").mkdir()
        for name, content in meshes().items():
            (own_folders[1] / "cars" / name).write_bytes(content)
    data = open_cars3d(grid=few)
    assert (data.source, data.image_shape, len(data)) == ("official", (3, 64, 64), 12)
    for elevation, azimuth, car in np.ndindex(2, 3, 2):
        (image,) = data.images(data.index([[elevation, azimuth, car]]))
        colour = (image * 255).round().flatten(1).unique(dim=1)[:, 0].tolist()
        assert colour == [100 * car + 10, 50 * azimuth, 100 * elevation]


def test_the_grid_is_that_of_the_study() -> None:
    assert (GRID.names, GRID.sizes, len(GRID)) == (("elevation", "azimuth", "object"), (4, 24, 183), 17_568)


def test_an_absent_file_is_told_where_to_go(own_folders: tuple[Path, Path]) -> None:
    with pytest.raises(
        AbsentFileError, match=r"nips2015-analogy-data.tar.gz .*disbench datasets fetch cars3d"
    ):
        open_cars3d()


@pytest.mark.parametrize("spoil", ["cut", "foreign", "one car", "shape", "no mat"])
def test_a_damaged_file_is_one_clear_line(
    own_folders: tuple[Path, Path], few: FactorGrid, spoil: str
) -> None:
    files = meshes()
    if spoil == "one car":
        files.popitem()
    elif spoil == "no mat":
        files["car_001_mesh.mat"] = b"text"
    elif spoil == "shape":
        stream = io.BytesIO()
        savemat(stream, {"im": np.zeros((128, 128, 3, 2, 2), np.uint8)})
        files["car_001_mesh.mat"] = stream.getvalue()
    write_archive(OFFICIAL.path, files)
    if spoil == "cut":
        OFFICIAL.path.write_bytes(OFFICIAL.path.read_bytes()[:-400])
    elif spoil == "foreign":
        OFFICIAL.path.write_bytes(b"a foreign file")
    with pytest.raises(DamagedFileError, match="is not all of Cars3D .*fetch it again") as caught:
        open_cars3d(grid=few)
    assert str(own_folders[1]) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [p for p in own_folders[0].iterdir() if p.suffix not in (".lock", ".sha256")]
