"""Downstream accuracies against scikit-learn's own regression, known limits, and unfairness by hand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import KFold

from disbench.metrics import Downstream, dci, downstream
from disbench.metrics.downstream import _distance, _unfairness

TRAIN = 600
QUICK = {"train": TRAIN, "rounds": 5}


def noisy(rows: int = 900, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three codes of two factors (3 and 5 classes): one clean, one mixed, one of noise alone."""
    random = np.random.default_rng(seed)
    factors = random.integers(0, [3, 5], size=(rows, 2))
    codes = np.stack([factors[:, 0], factors.sum(axis=1), 0 * factors[:, 0]], axis=1)
    return codes + 0.3 * random.normal(size=codes.shape), factors


@pytest.fixture(scope="module")
def plain() -> Downstream:
    """What the noisy codes score."""
    return downstream(*noisy(), **QUICK)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_regressions_are_scikit_learns(plain):
    """Five folds of rows in their order, ten strengths, accuracy; on codes as they are."""
    codes, factors = noisy()
    for size in (100, TRAIN):
        right = []
        for labels in factors.T:
            model = LogisticRegressionCV(Cs=10, cv=KFold(5), scoring="accuracy").fit(
                codes[:size], labels[:size]
            )
            right.append(np.mean(model.predict(codes[TRAIN:]) == labels[TRAIN:]))
        ours = plain.logistic_100 if size == 100 else plain.logistic_1000
        assert ours == pytest.approx(np.mean(right), abs=0.004)


def test_trees_are_those_of_dci(plain):
    codes, factors = noisy()
    assert plain.trees_10000 == dci(codes, factors, **QUICK).informativeness
    few = np.concatenate([np.arange(100), np.arange(TRAIN, len(codes))])
    assert plain.trees_100 == dci(codes[few], factors[few], train=100, rounds=5).informativeness


def test_perfect_codes_are_read_from_few_labels():
    random = np.random.default_rng(0)
    factors = random.integers(0, [2, 3], size=(900, 2))
    result = downstream(factors[:, ::-1] * 2.0, factors, train=600, rounds=20)
    for name in ("logistic_100", "logistic_1000", "trees_100", "trees_1000", "trees_efficiency"):
        assert getattr(result, name) == 1
    assert result.logistic_efficiency == 1
    assert result.logistic_10 > 0.7
    assert result.unfairness == pytest.approx(0, abs=0.02)


def test_noise_is_guessed_from_any_number_of_labels():
    random = np.random.default_rng(0)
    factors = random.integers(0, 4, size=(1_800, 2))
    result = downstream(random.normal(size=(1_800, 3)), factors, train=1_000, rounds=5)
    for name, value in asdict(result).items():
        if "0" in name:
            assert value == pytest.approx(0.25, abs=0.05), name
    assert result.unfairness < 0.02


def test_rotated_codes_cost_trees_and_no_regression():
    random = np.random.default_rng(0)
    factors = random.integers(0, 2, size=(1_200, 2))
    codes = factors + 0.2 * random.normal(size=(1_200, 2))
    turned = codes @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    plain, rotated = (downstream(table, factors, train=TRAIN, rounds=10) for table in (codes, turned))
    assert rotated.logistic_1000 == pytest.approx(plain.logistic_1000, abs=0.01)
    assert rotated.trees_100 < plain.trees_100 - 0.02


def test_copied_and_dead_codes_change_little(plain):
    codes, factors = noisy()
    more = downstream(np.hstack([codes, codes, np.full((len(codes), 2), 3.0)]), factors, **QUICK)
    for name, value in asdict(plain).items():
        assert getattr(more, name) == pytest.approx(value, abs=0.03), name


def test_order_and_sign_of_codes(plain):
    """Beyond ties of trees, which many cuts of ten rows are."""
    codes, factors = noisy()
    moved = downstream(-codes[:, [2, 0, 1]], factors, **QUICK)
    for name, value in asdict(plain).items():
        assert getattr(moved, name) == pytest.approx(value, abs=0.1 if name == "trees_10" else 0.02), name


def test_more_labels_than_rows_are_all_rows():
    codes, factors = noisy()
    result = downstream(codes, factors, train=100, rounds=5)
    assert result.logistic_100 == result.logistic_1000 == result.logistic_10000
    assert result.trees_100 == result.trees_10000
    assert result.logistic_efficiency == 1


def test_a_class_without_a_label_is_never_predicted():
    """The first ten rows hold one class of the first factor: it is right as often as that class occurs."""
    codes, factors = noisy()
    order = np.concatenate([np.flatnonzero(factors[:TRAIN, 0] == 1), np.flatnonzero(factors[:TRAIN, 0] != 1)])
    order = np.concatenate([order, np.arange(TRAIN, len(codes))])
    result = downstream(codes[order], factors[order][:, :1], **QUICK)
    assert result.logistic_10 == result.trees_10 == np.mean(factors[TRAIN:, 0] == 1)


# -- unfairness ---------------------------------------------------------------------------------------------


def test_distance_by_hand():
    """Of 4 rows of one class 3 are predicted 0, of 4 of the other 1: 1/4 from the 4 of 8 over all."""
    labels = np.repeat([0, 1], 4)
    assert _distance(np.array([0, 0, 0, 1, 1, 1, 1, 0]), labels) == pytest.approx(0.25)
    assert _distance(labels, labels) == pytest.approx(0.5)
    assert _distance(np.array([3, 7] * 4), labels) == 0


def test_distances_are_means_over_classes_whatever_their_sizes():
    """A class of two rows, both predicted 1, and one of six, all 0: 3/4 and 1/4 from 2 of 8."""
    assert _distance(np.repeat([1, 0], [2, 6]), np.repeat([0, 1], [2, 6])) == pytest.approx(0.5)


def test_predictions_that_follow_another_factor_are_unfair():
    """All of one factor's predictions are those of another of four classes: 3/4 less chance, in one pair of two."""
    random = np.random.default_rng(0)
    factors = random.integers(0, 4, size=(4_000, 2))
    assert _unfairness({0: factors[:, 1], 1: factors[:, 1]}, factors, 0) == pytest.approx(0.75 / 2, abs=0.02)
    assert _unfairness({0: factors[:, 0], 1: factors[:, 1]}, factors, 0) == pytest.approx(0, abs=0.01)
    assert _unfairness({0: factors[:, 0]}, factors[:, :1], 0) == 0


def test_entangled_codes_are_unfair():
    """One code holds the sum of two factors, one of them again by itself but faintly."""
    random = np.random.default_rng(0)
    factors = random.integers(0, 3, size=(3_000, 2))
    sums = factors.sum(axis=1, keepdims=True) + 0.1 * random.normal(size=(3_000, 1))
    assert downstream(sums, factors, train=2_000, rounds=10).unfairness > 0.2
    assert downstream(factors + 0.0, factors, train=2_000, rounds=10).unfairness < 0.02


# -- what must not matter -----------------------------------------------------------------------------------


def test_threads_repetition_and_tensors_change_nothing(plain):
    codes, factors = noisy()
    assert downstream(codes, factors, threads=1, **QUICK) == plain
    assert downstream(torch.tensor(codes), torch.tensor(factors), threads=3, **QUICK) == plain


def test_seeds_move_unfairness_and_ties_alone(plain):
    other = downstream(*noisy(), seed=1, **QUICK)
    assert other.logistic_1000 == plain.logistic_1000
    assert other.trees_1000 == pytest.approx(plain.trees_1000, abs=0.01)
    assert 0 < abs(other.unfairness - plain.unfairness) < 0.02


def test_constant_factors_are_left_out_and_labels_are_names(plain):
    codes, factors = noisy()
    assert downstream(codes, np.insert(10 * factors - 3, 1, 7, axis=1), **QUICK) == plain
    with pytest.raises(ValueError, match="at least one must vary"):
        downstream(codes, np.ones_like(factors), **QUICK)


@pytest.mark.parametrize(("change", "message"), [
    ({"train": 900}, "train: expected a whole number of rows in 1 .. 899 of 900, got 900"),
    ({"rounds": 0}, "rounds: expected a whole number >= 1, got 0"),
    ({"folds": 1}, "folds: expected a whole number >= 2, got 1"),
])  # fmt: skip
def test_bad_arguments_are_refused_in_one_line(change, message):
    codes, factors = noisy()
    with pytest.raises(ValueError, match=message) as raised:
        downstream(codes, factors, **{**QUICK, **change})
    assert "\n" not in str(raised.value)
