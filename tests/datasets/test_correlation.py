"""Correlated sampling: the joint of the pair is the stated one, everything else stays uniform."""

import math

import numpy as np
import pytest
import torch

from disbench.datasets import DataSet, correlated, load
from disbench.datasets.factored_images import FactoredImages
from disbench.datasets.factors import FactorGrid
from disbench.datasets.pixels import Levels

DRAWS = 200_000


@pytest.fixture
def data() -> DataSet:
    grid = FactorGrid({"hue": np.arange(4), "side": np.arange(2), "size": np.arange(6), "one": np.arange(1)})
    return FactoredImages(
        "grid", "embedded", grid, Levels(torch.zeros(48, 1, 2, 2, dtype=torch.uint8), white=1)
    )


def drawn(data: DataSet, pair: tuple[str, str], sigma: float) -> torch.Tensor:
    uniforms = torch.rand(DRAWS, 2, generator=torch.Generator().manual_seed(0))
    return data.factors(correlated(data, pair, sigma).indices(uniforms))


@pytest.mark.parametrize("pair", [("hue", "size"), ("size", "hue"), ("side", "size")])
def test_the_pair_has_the_stated_joint(data: DataSet, pair: tuple[str, str]) -> None:
    rows = drawn(data, pair, 0.3)
    first, second = (data.factor_names.index(name) for name in pair)
    n, m = data.factor_sizes[first], data.factor_sizes[second]
    counts = torch.bincount(rows[:, first] * m + rows[:, second], minlength=n * m).view(n, m) / DRAWS
    a, b = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, m), indexing="ij")
    joint = np.exp(-((a - b) ** 2) / (2 * 0.3**2))
    joint /= joint.sum()
    assert np.abs(counts.numpy() - joint).max() < 0.004
    assert np.allclose(correlated(data, pair, 0.3).probabilities(), joint)


def test_the_other_factors_stay_uniform_and_independent(data: DataSet) -> None:
    rows = drawn(data, ("hue", "size"), 0.1).double()
    assert rows[:, 1].mean() == pytest.approx(0.5, abs=0.01)
    correlations = np.corrcoef(rows[:, :3].T.numpy())
    assert correlations[0, 2] > 0.9
    assert abs(correlations[0, 1]) < 0.02
    assert abs(correlations[1, 2]) < 0.02


def test_a_smaller_sigma_correlates_more_and_an_infinite_one_not_at_all(data: DataSet) -> None:
    strength = [
        np.corrcoef(drawn(data, ("hue", "size"), sigma)[:, [0, 2]].T.numpy())[0, 1]
        for sigma in (0.1, 0.2, 0.4, 0.7, math.inf)
    ]
    assert strength == sorted(strength, reverse=True)
    assert abs(strength[-1]) < 0.01


def test_a_large_grid_is_covered_evenly() -> None:
    data = load("dsprites")
    uniforms = torch.rand(DRAWS, 2, generator=torch.Generator().manual_seed(0))
    rows = data.factors(correlated(data, ("shape", "scale"), 0.2).indices(uniforms))
    for column in (2, 3, 4):
        counts = torch.bincount(rows[:, column], minlength=data.factor_sizes[column]).double() / DRAWS
        assert counts.numpy() == pytest.approx(1 / data.factor_sizes[column], rel=0.1)


def test_the_largest_number_below_one_is_an_image(data: DataSet) -> None:
    nearly = torch.tensor([[1 - 2**-24, 1 - 2**-24], [0.0, 0.0]])
    assert correlated(data, ("hue", "size"), 0.3).indices(nearly).tolist() == [47, 0]


def test_nothing_is_read_back_from_a_device(data: DataSet) -> None:
    sampler = correlated(data, ("hue", "size"), 0.3).to("meta")
    assert sampler.indices(torch.zeros(5, 2, device="meta")).shape == (5,)


@pytest.mark.parametrize(
    ("pair", "sigma", "why"),
    [
        (("hue", "shade"), 0.2, "no factor 'shade'; it has hue, side, size, one"),
        (("hue", "hue"), 0.2, "two different factors"),
        (("hue", "size"), 0.0, "sigma is above 0"),
        (("hue", "size"), math.nan, "sigma is above 0"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    data: DataSet, pair: tuple[str, str], sigma: float, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        correlated(data, pair, sigma)


def test_a_full_grid_is_needed() -> None:
    with pytest.raises(ValueError, match="needs a full grid; digits is none"):
        correlated(load("digits"), ("digit", "digit"), 0.2)
