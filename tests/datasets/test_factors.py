"""Arithmetic of factor grids."""

import numpy as np
import pytest
import torch

from disbench.datasets.factors import FactorGrid


@pytest.fixture
def grid() -> FactorGrid:
    return FactorGrid({"hue": np.arange(2), "size": np.arange(3), "side": np.arange(2)}, constants=("floor",))


def test_the_last_factor_varies_fastest(grid: FactorGrid) -> None:
    assert (len(grid), grid.names, grid.sizes, grid.strides) == (
        12,
        ("hue", "size", "side"),
        (2, 3, 2),
        (6, 2, 1),
    )
    rows = grid.rows(torch.arange(12))
    assert rows.tolist() == [[hue, size, side] for hue in range(2) for size in range(3) for side in range(2)]


def test_index_undoes_rows(grid: FactorGrid) -> None:
    everything = torch.arange(12)
    assert torch.equal(grid.index(grid.rows(everything)), everything)


def test_constants_may_stand_in_front_and_must_be_0(grid: FactorGrid) -> None:
    assert grid.index(torch.tensor([[0, 1, 2, 1]])).tolist() == [11]
    with pytest.raises(IndexError, match="floor has classes 0 to 0, got 1"):
        grid.index(torch.tensor([[1, 1, 2, 1]]))


def test_rows_of_another_width_are_refused(grid: FactorGrid) -> None:
    with pytest.raises(ValueError, match=r"rows \[B, 3\] of hue, size, side, got shape \[1, 2\]"):
        grid.index(torch.tensor([[0, 1]]))
