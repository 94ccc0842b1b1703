"""BetaVAE and FactorVAE scores: known limits, what each is blind to, and the draws they rest on."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from disbench.metrics import beta_vae_score, factor_vae_score
from disbench.metrics.fixed_factor import FixedFactor

FEW = {"batch_size": 32}
FACTOR = partial(factor_vae_score, votes=1500, test_votes=1500, **FEW)
BETA = partial(beta_vae_score, points=1500, test_points=1500, **FEW)
BOTH = pytest.mark.parametrize("score", [FACTOR, BETA], ids=["factor_vae", "beta_vae"])


def grid(*sizes: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


FACTORS = grid(8, 9, 10)
PERFECT = FACTORS / FACTORS.std(axis=0)


def test_partners_share_the_class_and_cover_it() -> None:
    factors = np.random.default_rng(0).integers(0, [3, 5], size=(200, 2))
    table, random = FixedFactor(factors), np.random.default_rng(1)
    assert table.columns == [0, 1]
    for which in (0, 1):
        anchors = table.anchors(which, random.random((50, 1)))
        partners = table.partners(which, anchors, random.random((50, 400)))
        assert (factors[partners, which] == factors[anchors, which]).all()
        same = np.flatnonzero(factors[:, which] == factors[anchors[0, 0], which])
        assert set(partners[0]) <= set(same)
        assert len(set(partners[0])) > 0.9 * len(same)


def test_rows_alone_and_constant_factors_are_not_drawn() -> None:
    factors = np.array([[0, 0, 5], [1, 0, 5], [2, 1, 5], [3, 1, 5], [4, 2, 5]])
    table = FixedFactor(factors)
    assert table.columns == [1]
    assert set(table.anchors(0, np.linspace(0, 0.999, 100))) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="no two rows share the class"):
        FixedFactor(factors[:, :1])


@BOTH
def test_one_code_a_factor_is_perfect(score: object) -> None:
    assert score(PERFECT, FACTORS) == 1
    assert score(np.hstack([PERFECT, -2 * PERFECT]), FACTORS) == 1  # and copies cost nothing


@BOTH
def test_noise_is_at_chance(score: object) -> None:
    assert score(np.random.default_rng(0).normal(size=PERFECT.shape), FACTORS) == pytest.approx(
        1 / 3, abs=0.1
    )


def test_a_factor_in_no_code_costs_its_share_of_one_and_nothing_of_the_other() -> None:
    """Kim and Mnih's reason for a new score: that nothing is alike tells the absent factor as well."""
    assert BETA(PERFECT[:, :2], FACTORS) > 0.98
    assert FACTOR(PERFECT[:, :2], FACTORS) == pytest.approx(2 / 3, abs=0.05)


def test_codes_of_two_factors_each_are_told_apart_by_neither_axis() -> None:
    turned = PERFECT @ np.linalg.qr(np.ones((3, 3)) + np.diag([1.0, -2.0, 0.5]))[0]
    assert FACTOR(turned, FACTORS) < FACTOR(PERFECT, FACTORS)


def test_factor_vae_prunes_what_hardly_moves() -> None:
    """A code of deviation 0.01 that is constant in every batch would win each vote."""
    faint = 0.01 * np.random.default_rng(0).normal(size=(len(FACTORS), 1))
    assert FACTOR(np.hstack([np.ones_like(faint), faint, PERFECT]), FACTORS) == 1
    assert FACTOR(faint, FACTORS) == 0
    assert FACTOR(np.ones((len(FACTORS), 2)), FACTORS, threshold=0.0) == 0


def test_factor_vae_does_not_see_the_scale_of_codes() -> None:
    mixed = PERFECT @ np.random.default_rng(3).normal(size=(3, 4))
    assert FACTOR(mixed, FACTORS) == FACTOR(mixed * [1, 8, 64, 2], FACTORS)


@BOTH
def test_a_seed_decides_every_draw(score: object) -> None:
    codes = PERFECT @ np.random.default_rng(3).normal(size=(3, 4)) + np.random.default_rng(4).normal(
        size=(720, 4)
    )
    assert score(codes, FACTORS, seed=5) == score(codes, FACTORS, seed=5)
    values = [score(codes, FACTORS, seed=seed) for seed in range(6)]
    assert len(set(values)) > 1
    assert np.std(values) < 0.03


@BOTH
@pytest.mark.parametrize("what", ["constant", "unequal"])
def test_what_is_wrong_is_named(score: object, what: str) -> None:
    if what == "constant":
        with pytest.raises(ValueError, match="at least one must vary"):
            score(PERFECT, np.ones_like(FACTORS))
    else:
        with pytest.raises(ValueError, match="same number of rows"):
            score(PERFECT[:5], FACTORS)
