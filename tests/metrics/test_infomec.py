"""InfoMEC: worked by hand with few rows, the published formulas, and which codes count under both conventions."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mutual_info_score
from sklearn.preprocessing import scale

from disbench.metrics import infomec


def grid(*sizes: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


def noisy(rows: int = 1_500) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    factors = random.integers(0, [3, 5, 8], size=(rows, 3))
    codes = factors @ np.array([[1.0, 0.0, 0.3, 0.1], [0.2, 1.0, 0.0, 0.1], [0.0, 0.1, 0.5, 0.1]])
    return codes + 0.5 * random.standard_normal(codes.shape), factors


# -- ratios, by hand ----------------------------------------------------------------------------------------


def test_two_codes_of_one_factor_by_hand():
    """The first factor is in two codes: its share is 1/2, the other's 1; (3/4 - 1/3) / (1 - 1/3)."""
    factors = grid(2, 2)
    codes = np.column_stack([factors[:, 0], factors[:, 0], factors[:, 1]]).astype(float)
    score = infomec(codes, factors, convention="range", discrete=True)
    assert_allclose(score.information, [[1, 0], [1, 0], [0, 1]], atol=1e-12)
    assert score.modularity == pytest.approx(1)
    assert score.compactness == pytest.approx((3 / 4 - 1 / 3) / (1 - 1 / 3))
    assert score.explicitness == pytest.approx(1, abs=0.01)


def test_a_code_of_two_factors_by_hand():
    """One code tells all four cells: its share is 1/2, moved to 0. It alone is active, which is compact."""
    factors = grid(2, 2)
    codes = np.column_stack([2 * factors[:, 0] + factors[:, 1], np.zeros(4)]).astype(float)
    score = infomec(codes, factors, convention="range", discrete=True)
    assert score.active.tolist() == [True, False]
    assert score.modularity == pytest.approx(0)
    assert score.compactness == 1
    assert score.explicitness == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("discrete", [True, False])
def test_explicitness_by_hand(discrete):
    """Three of four rows of each value are of its class: the classifier's best is to say so, 1 - H(1/4) / ln 2."""
    codes = np.repeat([-1.0, 1.0], 4)[:, None]
    factors = np.array([0, 0, 0, 1, 1, 1, 1, 0])[:, None]
    noise = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    score = infomec(codes, factors, discrete=discrete, neighbours=3)
    assert score.explicitness == pytest.approx(1 - noise / math.log(2), abs=1e-4)


def test_one_indicator_a_value_sees_what_a_line_does_not():
    """The middle one of three values is a class of its own."""
    codes = np.tile([-1.0, 0.0, 1.0], 200)[:, None]
    factors = (codes == 0).astype(int)
    assert infomec(codes, factors, discrete=True).explicitness > 0.99
    assert infomec(codes, factors).explicitness == pytest.approx(0, abs=0.1)


def test_explicitness_is_scored_on_the_rows_that_it_was_fitted_to():
    """A limit: ten codes of noise tell a few rows apart."""
    random = np.random.default_rng(0)
    few, many = (
        infomec(random.standard_normal((n, 10)), np.arange(n)[:, None] % 2).explicitness for n in (40, 4_000)
    )
    assert few > 0.1
    assert many == pytest.approx(0, abs=0.01)


# -- the published formulas ---------------------------------------------------------------------------------


def published(
    codes: np.ndarray, factors: np.ndarray, active: np.ndarray, *, discrete: bool
) -> tuple[float, float, float]:
    """Hsu et al.'s three numbers from scikit-learn's parts, one pair at a time."""
    ratios = np.zeros((codes.shape[1], factors.shape[1]))
    for j, k in np.ndindex(ratios.shape):
        if discrete:
            nats = mutual_info_score(factors[:, k], codes[:, j])
        else:
            nats = mutual_info_classif(scale(codes[:, [j]]), factors[:, k], n_neighbors=10, random_state=0)[0]
        ratios[j, k] = nats / mutual_info_score(factors[:, k], factors[:, k])
    ratios = ratios[active]

    def concentrated(rows: np.ndarray) -> float:
        even = 1 / rows.shape[1]
        return float(((rows.max(axis=1) / rows.sum(axis=1)).mean() - even) / (1 - even))

    values = [np.unique(z, return_inverse=True)[1] for z in codes.T]
    features = np.hstack([np.eye(v.max() + 1)[v] for v in values]) if discrete else scale(codes)
    known = []
    for labels in factors.T:
        left = []
        for given in (features, np.zeros(codes.shape)):
            model = LogisticRegression(C=np.inf, class_weight="balanced", tol=1e-4, max_iter=100)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                left.append(log_loss(labels, model.fit(given, labels).predict_proba(given)))
        known.append(1 - left[0] / left[1])
    return concentrated(ratios), float(np.mean(known)), concentrated(ratios.T)


def test_is_the_published_one_for_continuous_codes():
    """The fourth code is small: out by its quartiles and its range."""
    codes, factors = noisy()
    codes[:, 3] *= 0.01
    active = np.array([True, True, True, False])
    for convention in ("range", "quartiles"):
        score = infomec(codes, factors, convention=convention)
        assert score.active.tolist() == active.tolist()
        expected = published(codes, factors, active, discrete=False)
        assert (score.modularity, score.explicitness, score.compactness) == pytest.approx(expected, abs=1e-6)


def test_is_the_published_one_for_discrete_codes():
    codes, factors = noisy()
    codes = np.round(codes)
    score = infomec(codes, factors, discrete=True)
    expected = published(codes, factors, np.full(4, True), discrete=True)
    assert score.active.all()
    assert (score.modularity, score.explicitness, score.compactness) == pytest.approx(expected, abs=1e-6)


# -- which codes count --------------------------------------------------------------------------------------


def test_an_outlier_keeps_a_dead_code_by_its_range_alone():
    factors = np.random.default_rng(0).integers(0, 4, size=(500, 1))
    dead = 1e-3 * np.random.default_rng(1).standard_normal(500)
    dead[17] = 3.0
    codes = np.column_stack([factors[:, 0], dead]).astype(float)
    assert infomec(codes, factors, convention="range").active.tolist() == [True, True]
    assert infomec(codes, factors, convention="quartiles").active.tolist() == [True, False]


def test_thresholds_are_a_twentieth_and_a_tenth_of_the_largest():
    line = np.linspace(0, 1, 401)
    factors = (line > 0.5).astype(int)[:, None]
    for convention, share in (("range", 1 / 20), ("quartiles", 1 / 10)):
        codes = np.column_stack([line, 1.01 * share * line, 0.99 * share * line])
        assert infomec(codes, factors, convention=convention).active.tolist() == [True, True, False]


def test_thresholds_of_discrete_codes():
    """Any range above 0; quartiles more than 0.1 apart, whatever the others are."""
    factors = np.tile(np.arange(4), 50)[:, None]
    codes = np.column_stack([factors[:, 0], 0.05 * factors[:, 0], np.zeros(200)]).astype(float)
    assert infomec(codes, factors, convention="range", discrete=True).active.tolist() == [True, True, False]
    assert infomec(codes, factors, convention="quartiles", discrete=True).active.tolist() == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("convention", ["range", "quartiles"])
@pytest.mark.parametrize("dead", [0.0, 0.1])
def test_dead_codes_change_nothing_and_alone_know_nothing(discrete, convention, dead):
    factors = np.tile(grid(3, 4), (20, 1))
    codes = factors.astype(float)
    options = {"discrete": discrete, "convention": convention}
    alive, with_dead = (
        infomec(codes, factors, **options),
        infomec(np.insert(codes, 1, dead, axis=1), factors, **options),
    )
    assert with_dead.active.tolist() == [True, False, True]
    assert with_dead.modularity == pytest.approx(alive.modularity)
    assert with_dead.compactness == pytest.approx(alive.compactness)
    assert with_dead.explicitness == pytest.approx(alive.explicitness, abs=1e-3)
    nothing = infomec(np.full((240, 2), dead), factors, **options)
    assert (nothing.modularity, nothing.explicitness, nothing.compactness) == (0, 0, 0)
    assert not nothing.active.any()


# -- factors and units --------------------------------------------------------------------------------------


def test_constant_factors_are_left_out_and_a_single_one_is_modular():
    codes, factors = noisy(400)
    score, wider = infomec(codes, factors), infomec(codes, np.insert(factors, 1, 5, axis=1))
    assert (wider.modularity, wider.explicitness, wider.compactness) == pytest.approx(
        (score.modularity, score.explicitness, score.compactness)
    )
    assert wider.information.shape == (4, 4)
    assert (wider.information[:, 1] == 0).all()
    assert infomec(codes[:, [0, 2]], factors[:, :1]).modularity == 1


def test_order_and_units_of_codes_do_not_matter():
    """All scaled alike, since activity is relative to the largest."""
    codes, factors = noisy(400)
    score, moved = infomec(codes, factors), infomec(-3 * codes[:, ::-1] + 2, factors)
    assert (moved.modularity, moved.compactness) == pytest.approx((score.modularity, score.compactness))
    assert moved.explicitness == pytest.approx(score.explicitness, abs=1e-3)
    assert_allclose(moved.information[::-1], score.information, atol=1e-9)


def test_what_is_wrong_is_named():
    codes, factors = noisy(50)
    with pytest.raises(ValueError, match='convention: expected "range" or "quartiles"'):
        infomec(codes, factors, convention="iqr")
    with pytest.raises(ValueError, match="at least one must vary"):
        infomec(codes, np.ones_like(factors))
    with pytest.raises(ValueError, match="the same number of rows"):
        infomec(codes, factors[1:])
