"""Splits: what is held out is what the rule says, and both sides are data sets."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from disbench.datasets import DataSet, compositional, extrapolation, held_out, load, random_share
from disbench.datasets.factored_images import FactoredImages
from disbench.datasets.factors import FactorGrid
from disbench.datasets.pixels import Levels


@pytest.fixture
def data() -> DataSet:
    """A grid of 2 x 3 x 10 images, each of which has its index as its level."""
    grid = FactorGrid({"side": np.arange(2), "hue": np.arange(3), "size": np.arange(10)})
    levels = torch.arange(60, dtype=torch.uint8).view(60, 1, 1, 1).expand(60, 1, 4, 4).contiguous()
    return FactoredImages("grid", "embedded", grid, Levels(levels, white=255))


def indices_in(part: DataSet) -> list[int]:
    return (part.images(range(len(part)))[:, 0, 0, 0] * 255).round().long().tolist()


def test_a_random_share_of_digits_is_of_images_not_of_classes():
    """A digit is hundreds of images; all ten are on both sides."""
    data = load("digits")
    train, test = held_out(data, random_share(data, 1 / 7))
    assert len(test) == pytest.approx(len(data) / 7, rel=0.15)
    for side in (train, test):
        assert side.factors(torch.arange(len(side)))[:, 0].unique().tolist() == list(range(10))


def test_a_compositional_split_holds_out_combinations_and_no_class(data: DataSet) -> None:
    train, test = held_out(data, compositional(data, {"side": [1], "size": range(5, 10)}))
    rows = test.factors(range(len(test)))
    assert len(test) == 15
    assert bool(((rows[:, 0] == 1) & (rows[:, 2] >= 5)).all())
    seen = train.factors(range(len(train)))
    assert [len(column.unique()) for column in seen.unbind(1)] == [2, 3, 10]


def test_a_compositional_split_that_would_drop_a_class_is_refused(data: DataSet) -> None:
    """Side 1 with every hue is all of side 1; with a third factor that does not choose all, it is not."""
    with pytest.raises(ValueError, match="all are chosen of hue"):
        compositional(data, {"side": [1], "hue": range(3)})
    train, _ = held_out(data, compositional(data, {"side": [1], "hue": range(3), "size": [0]}))
    assert [len(column.unique()) for column in train.factors(range(len(train))).unbind(1)] == [2, 3, 10]


def test_an_extrapolation_split_holds_out_classes(data: DataSet) -> None:
    train, test = held_out(data, extrapolation(data, {"size": 0.8}))
    assert train.factors(range(len(train)))[:, 2].unique().tolist() == list(range(8))
    assert test.factors(range(len(test)))[:, 2].unique().tolist() == [8, 9]


def test_a_random_split_is_a_function_of_its_seed(data: DataSet) -> None:
    first, again, other = (held_out(data, random_share(data, 0.3, seed))[1] for seed in (0, 0, 1))
    assert indices_in(first) == indices_in(again)
    assert indices_in(first) != indices_in(other)
    assert 8 <= len(first) <= 30


def test_seeds_of_a_random_split_are_independent() -> None:
    """Of two seeds' shares of a half, a quarter of a large grid is in both: 3 standard deviations of that."""
    rows = torch.cartesian_prod(torch.arange(64), torch.arange(64))
    data = SimpleNamespace(is_full_grid=True, factor_sizes=(64, 64))
    sides = [random_share(data, 0.5, seed)(rows, torch.arange(len(rows))) for seed in range(12)]  # type: ignore[arg-type]
    spread = 3 * (4096 * 3 / 16) ** 0.5
    for a, b in itertools.combinations(sides, 2):
        assert abs(int((a & b).sum()) - 1024) < 1.5 * spread
        assert abs(int((a[1:] & b[:-1]).sum()) - 1024) < 1.5 * spread


def test_both_sides_share_out_the_whole(data: DataSet) -> None:
    train, test = held_out(data, random_share(data, 0.5))
    assert sorted(indices_in(train) + indices_in(test)) == list(range(60))
    assert indices_in(train) == train.in_whole(range(len(train))).tolist()


def test_a_side_is_a_data_set(data: DataSet) -> None:
    train, _ = held_out(data, extrapolation(data, {"size": 0.5}))
    assert (train.factor_names, train.factor_sizes, train.image_shape) == (
        ("side", "hue", "size"),
        (2, 3, 10),
        (1, 4, 4),
    )
    assert (train.source, train.is_full_grid, len(train)) == ("embedded", False, 30)
    assert train.factors([29]).tolist() == [[1, 2, 4]]
    with pytest.raises(IndexError, match="grid, not held out has images 0 to 29, got index 30"):
        train.images([30])
    with pytest.raises(ValueError, match="no full grid"):
        train.index([[0, 0, 0]])
    there = train.to("meta")
    some = torch.zeros(5, dtype=torch.int64, device="meta")
    assert there.images(some).shape == (5, 1, 4, 4)
    assert there.factors(some).shape == (5, 3)


def test_any_rule_will_do(data: DataSet) -> None:
    _, test = held_out(data, lambda rows, indices: rows.sum(dim=1) == 12)
    assert indices_in(test) == [59]


def test_dsprites_splits_whole() -> None:
    data = load("dsprites")
    train, test = held_out(data, compositional(data, {"shape": [2], "posX": range(16, 32)}))
    assert (len(train), len(test)) == (614_400, 122_880)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda d: compositional(d, {"side": [1]}), "combines two factors or more"),
        (lambda d: compositional(d, {"side": [1], "hue": [3]}), r"hue has classes 0 to 2, got \[3\]"),
        (lambda d: compositional(d, {"side": [1], "hue": []}), "hue has classes 0 to 2, got none"),
        (
            lambda d: compositional(d, {"side": [1], "shade": [0]}),
            "no factor 'shade'; it has side, hue, size",
        ),
        (lambda d: extrapolation(d, {"size": 8}), "a share of its 10 classes"),
        (lambda d: extrapolation(d, {"side": 0.1}), "a share of its 2 classes with some on each side"),
        (lambda d: extrapolation(d, {}), "needs a factor and its bound"),
        (lambda d: random_share(d, 1.0), "between 0 and 1"),
        (lambda d: held_out(d, lambda rows, indices: rows[:, 0] < 0), "needs images on both sides"),
    ],
)
def test_what_makes_no_split_is_one_clear_line(data: DataSet, make: object, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        make(data)
    assert "\n" not in str(caught.value)
