"""Fixtures: each data set opened once, and a dSprites grid small enough to build in every test."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from disbench.datasets import DATA_SETS, DataSet
from disbench.datasets.dsprites import GRID
from disbench.datasets.factors import FactorGrid

open_once = cache(lambda name: DATA_SETS[name].open())


@pytest.fixture(params=[name for name, entry in DATA_SETS.items() if not entry.needs_files])
def data(request: pytest.FixtureRequest) -> DataSet:
    """Each data set that needs no file in turn, whole, from the cache of this machine (built on first use)."""
    return open_once(request.param)


@pytest.fixture
def dsprites() -> DataSet:
    """The whole of dSprites, from the cache of this machine."""
    return open_once("dsprites")


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A cache folder and a data folder of this test's own."""
    cache_folder, data_folder = tmp_path / "cache", tmp_path / "data"
    data_folder.mkdir()
    monkeypatch.setenv("DISBENCH_CACHE", str(cache_folder))
    monkeypatch.setenv("DISBENCH_DATA", str(data_folder))
    return cache_folder, data_folder


@pytest.fixture
def small_grid() -> FactorGrid:
    """54 images of dSprites: every third class or so of each factor."""
    some = {"shape": [0, 1, 2], "scale": [0, 5], "orientation": [0, 13, 39], "posX": [0, 17, 31], "posY": [9]}
    return FactorGrid({name: GRID.values[name][np.array(some[name])] for name in GRID.names}, GRID.constants)
