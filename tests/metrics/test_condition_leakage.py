"""Leakage of the condition: none, all, and what only several codes together show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import mutual_info_score

from disbench.metrics import condition_leakage, equal_width_bins


def labelled(rows: int = 3_000, classes: int = 4) -> tuple[np.random.Generator, np.ndarray]:
    random = np.random.default_rng(0)
    return random, random.integers(0, classes, rows)


def test_independent_codes_leak_nothing() -> None:
    random, condition = labelled()
    result = condition_leakage(random.normal(size=(3_000, 5)), condition)
    assert result.joint_nats == result.joint_fraction == 0
    assert result.max_code_nats < 0.005


def test_shuffles_take_the_bias_of_the_plug_in_estimate() -> None:
    """About (bins - 1)(classes - 1) / (2 N) of nothing."""
    random, condition = labelled(classes=10)
    codes = random.uniform(size=(3_000, 5))
    result = condition_leakage(codes, condition)
    assert result.mutual_information_nats.mean() == pytest.approx(19 * 9 / 6_000, rel=0.2)
    assert result.corrected_nats.mean() < 0.004
    uncorrected = condition_leakage(codes, condition, shuffles=0)
    assert_allclose(uncorrected.corrected_nats, result.mutual_information_nats)


def test_codes_that_tell_the_condition_leak_all_of_it() -> None:
    random, condition = labelled()
    codes = np.stack([random.normal(size=3_000), condition + 0.01 * random.normal(size=3_000)], axis=1)
    result = condition_leakage(codes, condition)
    assert result.joint_fraction == pytest.approx(1, abs=0.01)
    assert result.joint_nats == pytest.approx(math.log(4), abs=0.02)
    assert result.max_code_fraction == pytest.approx(1, abs=0.02)
    assert result.condition_entropy_nats == pytest.approx(math.log(4), abs=0.01)


def test_per_code_values_are_scikit_learns() -> None:
    random, condition = labelled()
    codes = random.normal(size=(3_000, 3)) + condition[:, None] * [0, 0.3, 1]
    oracle = [mutual_info_score(condition, column) for column in equal_width_bins(codes).T]
    assert_allclose(condition_leakage(codes, condition).mutual_information_nats, oracle, atol=1e-12)


def test_gaussian_classes_by_numerical_integration() -> None:
    """Two classes at +1 and -1 with unit variance: I(z; y) is that of the mixture."""
    random, condition = labelled(20_000, classes=2)
    grid = np.linspace(-9, 9, 2_001)
    bumps = [np.exp(-0.5 * (grid - m) ** 2) / math.sqrt(2 * math.pi) for m in (-1, 1)]
    mixture = sum(bumps) / 2
    exact = -(mixture * np.log(mixture)).sum() * (grid[1] - grid[0]) - 0.5 * math.log(2 * math.pi * math.e)
    codes = (2 * condition - 1 + random.normal(size=20_000))[:, None]
    assert condition_leakage(codes, condition).joint_nats == pytest.approx(exact, abs=0.015)


def test_what_only_two_codes_together_show() -> None:
    """The condition is whether two signs agree: neither code knows it, both do."""
    random, _ = labelled()
    codes = random.normal(size=(3_000, 2))
    condition = (codes.prod(axis=1) > 0).astype(int)
    result = condition_leakage(codes, condition)
    assert result.max_code_nats < 0.01
    assert result.joint_fraction > 0.8


def test_means_of_a_collapsed_posterior_tell_what_its_samples_do_not() -> None:
    random, condition = labelled()
    mean = 1e-4 * condition[:, None] + 1e-6 * random.normal(size=(3_000, 2))
    assert condition_leakage(mean, condition).joint_fraction > 0.99
    assert condition_leakage(mean, condition, logvar=np.zeros_like(mean)).joint_fraction < 0.01


def test_samples_are_drawn_around_the_mean_where_codes_are_something_else() -> None:
    random, condition = labelled()
    mean = condition[:, None] + random.normal(size=(3_000, 2))
    codes, logvar = random.normal(size=(3_000, 2)), np.zeros((3_000, 2))
    around_mean = condition_leakage(codes, condition, mean=mean, logvar=logvar)
    assert around_mean.joint_nats == condition_leakage(mean, condition, logvar=logvar).joint_nats > 0.1


def test_constant_condition_and_dead_codes() -> None:
    random, condition = labelled()
    assert condition_leakage(random.normal(size=(3_000, 2)), np.ones(3_000)).joint_nats == 0
    dead = condition_leakage(np.zeros((3_000, 2)), condition)
    assert dead.joint_nats == dead.max_code_nats == 0


def test_a_class_of_the_test_rows_alone_is_no_infinity() -> None:
    random, condition = labelled()
    condition[2_900:] = 9
    assert math.isfinite(condition_leakage(random.normal(size=(3_000, 2)), condition).joint_nats)


def test_labels_may_be_a_column_and_any_whole_numbers() -> None:
    random, condition = labelled()
    codes = random.normal(size=(3_000, 2)) + condition[:, None]
    named = condition_leakage(codes, condition[:, None] * 10.0 - 3)
    assert named.joint_nats == condition_leakage(codes, condition).joint_nats


def test_bad_arguments_are_refused() -> None:
    random, condition = labelled()
    codes = random.normal(size=(3_000, 2))
    with pytest.raises(
        ValueError, match=r"condition: expected one label a row, shape \[N\], got \[3000, 2\]"
    ):
        condition_leakage(codes, codes)
    with pytest.raises(ValueError, match="codes 3000, condition 2999"):
        condition_leakage(codes, condition[1:])
    with pytest.raises(ValueError, match="logvar: expected the shape of codes"):
        condition_leakage(codes, condition, logvar=codes[:, :1])
