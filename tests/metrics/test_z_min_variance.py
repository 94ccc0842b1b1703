"""Z-min variance: the FactorVAE vote with guessing moved to 0."""

from __future__ import annotations

import numpy as np
import pytest

from disbench.metrics import factor_vae_score, z_min_variance

FACTORS = np.stack(np.meshgrid(np.arange(6), np.arange(7), np.arange(8), indexing="ij"), -1).reshape(-1, 3)
PERFECT = FACTORS / FACTORS.std(axis=0)


def test_perfect_copied_and_dead_codes_score_one():
    assert z_min_variance(PERFECT, FACTORS) == 1
    assert (
        z_min_variance(np.hstack([-2 * PERFECT[:, ::-1], PERFECT, np.zeros((len(FACTORS), 2))]), FACTORS) == 1
    )


def test_guessing_is_nothing():
    """Cut off at 0, where half of all seeds would fall below."""
    random = np.random.default_rng(0)
    factors = random.integers(0, [6, 7, 8], size=(6_000, 3))
    noise = random.normal(size=factors.shape)
    values = [z_min_variance(noise, factors, batch_size=20, seed=seed) for seed in range(6)]
    assert min(values) == 0
    assert max(values) < 0.1


def test_a_factor_in_no_code_by_hand():
    """Two of three are told: (2 / 3 - 1 / 3) / (1 - 1 / 3)."""
    assert z_min_variance(PERFECT[:, :2], FACTORS) == pytest.approx(0.5, abs=0.06)


def test_is_the_rescaled_vote():
    codes = PERFECT @ np.array([[1, 0.8, 0.2], [0.3, 1, 0.9], [0.7, 0.1, 1]])
    drawn = {"votes": 500, "test_votes": 500, "batch_size": 20, "seed": 4}
    vote = factor_vae_score(codes, FACTORS, **drawn)
    assert 1 / 3 < vote < 1
    assert z_min_variance(codes, FACTORS, **drawn) == pytest.approx((vote - 1 / 3) / (2 / 3))


def test_constant_factors_are_no_part_of_chance():
    codes = PERFECT[:, :2]
    constant = np.insert(FACTORS, 0, 3, axis=1)
    assert z_min_variance(codes, constant) == z_min_variance(codes, FACTORS)


def test_one_factor_cannot_be_told_from_another():
    assert z_min_variance(PERFECT[:, :1], FACTORS[:, :1]) == 0


def test_codes_that_hardly_move_get_no_vote():
    assert z_min_variance(0.01 * PERFECT, FACTORS) == 0
    assert z_min_variance(0.01 * PERFECT, FACTORS, threshold=0.001) == 1


def test_seeds():
    codes = PERFECT @ np.array([[1, 1, 0], [0.9, -0.9, 0], [0, 0, 1]])
    values = [z_min_variance(codes, FACTORS, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert values[0] == values[1]
    assert 0 < np.std(values[1:]) < 0.04


@pytest.mark.parametrize(("arrays", "keywords", "message"), [
    ((PERFECT[:9], FACTORS), {}, "same number of rows"),
    ((PERFECT, np.ones_like(FACTORS)), {}, "at least one must vary"),
    ((PERFECT * np.nan, FACTORS), {}, "codes: every value must be finite"),
    ((PERFECT, FACTORS), {"batch_size": 1}, "batch_size: expected a whole number >= 2, got 1"),
])  # fmt: skip
def test_what_is_wrong_is_named_in_one_line(arrays, keywords, message):
    with pytest.raises(ValueError, match=message) as raised:
        z_min_variance(*arrays, **keywords)
    assert "\n" not in str(raised.value)
