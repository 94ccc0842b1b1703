"""MIG-sup, DCIMIG and JEMMIG: known limits, hand-worked values, and what tells them from MIG."""

from __future__ import annotations

import math

import numpy as np
import pytest

from disbench.metrics import dcimig, jemmig, mig, mig_sup

GAPS = [mig_sup, dcimig, jemmig]


def grid(*sizes: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


FACTORS = grid(4, 5, 20)
PERFECT = FACTORS.astype(float)


@pytest.mark.parametrize("metric", [mig_sup, dcimig])
def test_one_code_a_factor_is_perfect(metric: object) -> None:
    assert metric(PERFECT, FACTORS) == pytest.approx(1)


def test_jemmig_of_perfect_codes_by_hand() -> None:
    """H(z, v) = I = H(v) where each class has its own bin, so nothing is left: 1 for every factor."""
    assert jemmig(PERFECT, FACTORS) == pytest.approx(1)


def test_jemmig_counts_what_else_a_code_knows() -> None:
    """Each class of two spread evenly over two bins of four: H(z) = ln 4, I = ln 2, bound ln 2 + ln 4."""
    factors = np.repeat([0, 1], 4)[:, None]
    codes = np.tile([0.0, 1.0], 4)[:, None] + 2 * factors
    assert mig(codes, factors, bins=4) == pytest.approx(1)
    left = math.log(4) + math.log(2) - 2 * math.log(2)
    assert jemmig(codes, factors, bins=4) == pytest.approx(1 - left / (math.log(2) + math.log(4)))


@pytest.mark.parametrize("metric", GAPS)
def test_noise_scores_nothing_or_little(metric: object) -> None:
    noise = np.random.default_rng(0).uniform(size=(4000, 5))
    factors = np.random.default_rng(1).integers(0, [3, 4], size=(4000, 2))
    assert 0 <= metric(noise, factors) < 0.01 if metric is not jemmig else metric(noise, factors) < 0.15


@pytest.mark.parametrize("metric", GAPS)
def test_a_rotation_lowers_it(metric: object) -> None:
    factors = grid(10, 10)
    turned = factors @ [[1.0, 1.0], [1.0, -1.0]]
    assert metric(turned, factors) < 0.5 < metric(factors.astype(float), factors)


def test_copies_lower_what_asks_for_one_code_a_factor() -> None:
    twice = np.hstack([PERFECT, -PERFECT])
    assert mig(twice, FACTORS) == pytest.approx(0)
    assert mig_sup(twice, FACTORS) == pytest.approx(1)
    assert dcimig(twice, FACTORS) == pytest.approx(1)
    entropy = np.log([4, 5, 20])  # of a factor: what the copy knows is all that is lost
    assert jemmig(twice, FACTORS) == pytest.approx(np.mean(1 - entropy / (entropy + math.log(20))))


def test_dead_codes_lower_the_mean_over_codes_alone() -> None:
    with_dead = np.hstack([PERFECT, np.ones_like(PERFECT)])
    assert mig_sup(with_dead, FACTORS) == pytest.approx(0.5)
    assert dcimig(with_dead, FACTORS) == pytest.approx(1)
    assert jemmig(with_dead, FACTORS) == pytest.approx(1)


def test_the_mean_over_codes_can_be_that_over_active_ones():
    """As the authors of MIG-sup take it: units whose mean has a variance above 0.01."""
    unused = np.column_stack([PERFECT, np.full(len(PERFECT), 0.1), 1e-3 * PERFECT[:, 0]])
    assert mig_sup(unused, FACTORS) == pytest.approx(4 / 5)
    assert mig_sup(unused, FACTORS, active_variance=0) == pytest.approx(1)
    assert mig_sup(unused, FACTORS, active_variance=0.01) == pytest.approx(1)
    assert mig_sup(unused, FACTORS, active_variance=100) == 0


def test_a_code_of_two_factors_by_hand() -> None:
    """One code holds both factors of 2 and 3 classes apart, another the first alone: what belongs to whom."""
    factors = grid(2, 3)
    codes = np.column_stack([3 * factors[:, 0] + factors[:, 1], factors[:, 0]]).astype(float)
    two, three = math.log(2), math.log(3)
    assert mig_sup(codes, factors) == pytest.approx((0 + 1) / 2)  # the first code knows all of both
    assert dcimig(codes, factors) == pytest.approx((two + (three - two)) / (two + three))


@pytest.mark.parametrize("metric", GAPS)
def test_constant_factors_are_left_out_and_units_do_not_matter(metric: object) -> None:
    noisy = PERFECT + 0.3 * np.random.default_rng(0).normal(size=PERFECT.shape)
    value = metric(noisy, FACTORS)
    assert 0 < value < 1
    assert metric(noisy, np.insert(FACTORS, 1, 7, axis=1)) == pytest.approx(value)
    assert metric(8 * noisy[:, ::-1], FACTORS[:, ::-1]) == pytest.approx(value)
    with pytest.raises(ValueError, match="at least one must vary"):
        metric(noisy, np.ones_like(FACTORS))


def test_jemmig_needs_two_bins() -> None:
    with pytest.raises(ValueError, match="bins: at least 2"):
        jemmig(PERFECT, FACTORS, bins=1)
