"""BetaVAE and FactorVAE scores: known limits, what each is blind to, and the draws they rest on."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

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


# -- against draws of new images ----------------------------------------------------------------------------

SIZES = (8, 9, 10)
MIXING = np.array([[1.0, 1.0, 0.0, 0.4], [0.9, -0.9, 0.0, 0.4], [0.0, 0.2, 1.0, 0.4]])


def encoded(factors: np.ndarray) -> np.ndarray:
    """Four codes of any factors, two of them turned: an encoder, for as many images as one likes."""
    return np.tanh((factors - FACTORS.mean(axis=0)) / FACTORS.std(axis=0) @ MIXING)


def factor_vae_by_images(points: int, seed: int) -> float:
    """Each vote draws factors afresh, sets one to the first row's, and encodes."""
    random = np.random.default_rng(seed)
    spread = encoded(random.integers(0, SIZES, size=(10_000, 3))).var(axis=0, ddof=1)
    votes = np.zeros((2, 3, 4))
    for vote in range(2 * points):
        held, factors = random.integers(3), random.integers(0, SIZES, size=(32, 3))
        factors[:, held] = factors[0, held]
        votes[vote % 2, held, np.argmin(encoded(factors).var(axis=0, ddof=1) / spread)] += 1
    return float(votes[1][votes[0].argmax(axis=0), np.arange(4)].sum() / points)


def beta_vae_by_images(points: int, seed: int) -> float:
    """Each point draws two batches of factors afresh, that share one, and encodes both."""
    random = np.random.default_rng(seed)
    features, labels = np.empty((2 * points, 4)), random.integers(3, size=2 * points)
    for point, shared in enumerate(labels):
        left, right = random.integers(0, SIZES, size=(2, 32, 3))
        right[:, shared] = left[:, shared]
        features[point] = np.abs(encoded(left) - encoded(right)).mean(axis=0)
    model = LogisticRegression().fit(features[:points], labels[:points])
    return float(model.score(features[points:], labels[points:]))


@pytest.mark.parametrize(
    ("score", "by_images"),
    [(FACTOR, factor_vae_by_images), (BETA, beta_vae_by_images)],
    ids=["factor_vae", "beta_vae"],
)
@pytest.mark.parametrize("rows", [None, 4_000], ids=["all_images", "a_draw"])
def test_a_table_scores_what_new_images_score(score, by_images, rows):
    """As the reference library draws them; within what seeds move either."""
    factors = FACTORS if rows is None else np.random.default_rng(9).integers(0, SIZES, size=(rows, 3))
    ours = [score(encoded(factors), factors, seed=seed) for seed in range(4)]
    theirs = [by_images(1_500, seed) for seed in range(4)]
    assert 0.4 < np.mean(theirs) < 0.99
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.02)


# -- by hand ------------------------------------------------------------------------------------------------


def test_one_code_gets_every_vote():
    """And stands for the factor that was held most often: about half of two."""
    factors = grid(6, 6)
    codes = factors.sum(axis=1, keepdims=True) + 0.0
    assert FACTOR(codes, factors) == pytest.approx(0.5, abs=0.04)


def test_two_factors_in_one_code_cost_one_of_three():
    """Whichever of the two is held, the merged code moves less than over all rows, and stands for one of them alone."""
    factors = grid(5, 5, 5)
    merged = np.column_stack([factors[:, 0] * 5 + factors[:, 1], factors[:, 2]]) + 0.0
    assert FACTOR(merged, factors) == pytest.approx(2 / 3, abs=0.04)


def test_one_factor_is_always_told():
    assert FACTOR(PERFECT[:, :1], FACTORS[:, :1]) == 1
    assert BETA(PERFECT[:, :1], FACTORS[:, :1]) == 1


# -- what must not matter -----------------------------------------------------------------------------------


@BOTH
def test_order_and_sign_of_codes(score):
    codes = encoded(FACTORS)
    plain = score(codes, FACTORS)
    assert score(-codes, FACTORS) == plain
    assert score(codes[:, [3, 1, 0, 2]], FACTORS) == pytest.approx(plain, abs=0.003)
    assert score(codes + 100, FACTORS) == pytest.approx(plain, abs=0.003)


@BOTH
def test_order_of_rows_moves_no_more_than_seeds_do(score):
    codes, order = encoded(FACTORS), np.random.default_rng(0).permutation(len(FACTORS))
    assert score(codes[order], FACTORS[order]) == pytest.approx(score(codes, FACTORS), abs=0.04)


@BOTH
def test_labels_constant_factors_and_tensors(score):
    codes = encoded(FACTORS)
    plain = score(codes, FACTORS)
    assert score(codes, 10 * FACTORS - 7) == plain
    assert score(codes, np.insert(FACTORS, 1, 4, axis=1)) == plain
    assert score(torch.tensor(codes), torch.tensor(FACTORS)) == plain


# -- what is wrong ------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("what", ["constant", "unequal"])
def test_what_is_wrong_is_named(score: object, what: str) -> None:
    if what == "constant":
        with pytest.raises(ValueError, match="at least one must vary"):
            score(PERFECT, np.ones_like(FACTORS))
    else:
        with pytest.raises(ValueError, match="same number of rows"):
            score(PERFECT[:5], FACTORS)


@pytest.mark.parametrize(("score", "keywords", "message"), [
    (FACTOR, {"votes": 0}, "votes: expected a whole number >= 1, got 0"),
    (FACTOR, {"test_votes": 0}, "test_votes: expected a whole number >= 1, got 0"),
    (FACTOR, {"batch_size": 1}, "batch_size: expected a whole number >= 2, got 1"),
    (FACTOR, {"threshold": -1}, "threshold: expected a number >= 0, got -1"),
    (BETA, {"points": 0}, "points: expected a whole number >= 1, got 0"),
    (BETA, {"test_points": 0}, "test_points: expected a whole number >= 1, got 0"),
    (BETA, {"batch_size": 0}, "batch_size: expected a whole number >= 1, got 0"),
])  # fmt: skip
def test_bad_arguments_are_refused_in_one_line(score, keywords, message):
    with pytest.raises(ValueError, match=message) as raised:
        score(PERFECT, FACTORS, **keywords)
    assert "\n" not in str(raised.value)
