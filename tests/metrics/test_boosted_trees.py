"""The boosting behind DCI and downstream: scikit-learn's where every split is allowed, and what it does not see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import GradientBoostingClassifier

from disbench.metrics.boosted_trees import boosted_trees

TRAIN = 500


def made(classes: int, *, skew: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Five codes of few values each, and classes 0 .. classes - 1 that three of them tell, `skew` < 1 unevenly."""
    random = np.random.default_rng(seed)
    share = skew ** np.arange(classes)
    targets = random.choice(classes, size=800, p=share / share.sum())
    turned = np.stack([targets, np.cos(targets), targets % 2, 0 * targets, 0 * targets], axis=1)
    return np.round(2 * (turned + random.normal(scale=[1, 0.5, 0.7, 1, 3], size=turned.shape))), targets


@pytest.mark.parametrize(("classes", "skew"), [(2, 1.0), (2, 0.2), (3, 1.0), (7, 0.6)])
def test_is_scikit_learns_where_every_split_is_allowed(classes, skew):
    """Two classes grow one tree a round there and two mirrored ones here: the same predictions and importances."""
    codes, targets = made(classes, skew=skew)
    importance, predicted = boosted_trees(codes, targets[:TRAIN], rounds=25, bins=255)
    model = GradientBoostingClassifier(n_estimators=25, random_state=0).fit(codes[:TRAIN], targets[:TRAIN])
    assert_allclose(importance, model.feature_importances_, atol=0.01)
    assert np.mean(predicted == model.predict(codes)) > 0.98


def test_one_round_by_hand():
    """A code of two values, three quarters of each with its own class: one split, each side says its majority."""
    codes = np.repeat([[0.0, 5.0], [1.0, 5.0]], 8, axis=0)
    targets = np.repeat([0, 1, 1, 0], [6, 2, 6, 2])
    importance, predicted = boosted_trees(codes, targets, rounds=1, bins=8)
    assert_array_equal(importance, [1, 0])
    assert_array_equal(predicted, np.repeat([0, 1], 8))


def test_importance_is_of_the_rows_that_train():
    codes, targets = made(3)
    other = codes.copy()
    other[TRAIN:] = 0
    for first, second in zip(
        boosted_trees(codes, targets[:TRAIN], rounds=5, bins=32),
        boosted_trees(other, targets[:TRAIN], rounds=5, bins=32),
        strict=True,
    ):
        assert_array_equal(first[:TRAIN], second[:TRAIN])


def test_monotone_maps_shifts_and_scales_change_nothing():
    """Trees see the order of codes. Tiny codes too: LightGBM by itself takes what is below 1e-35 for 0."""
    codes, targets = made(3)
    plain = boosted_trees(codes, targets[:TRAIN], rounds=5, bins=255)
    for changed in (np.exp(codes / 4), codes * 1e-40, codes * 1e306, codes * [1, 3, 1e6, 1e-6, 2] + 1000):
        importance, predicted = boosted_trees(changed, targets[:TRAIN], rounds=5, bins=255)
        assert_allclose(importance, plain[0], atol=1e-6)
        assert_array_equal(predicted, plain[1])


def test_order_and_sign_of_codes():
    codes, targets = made(4)
    order = [3, 0, 4, 2, 1]
    plain = boosted_trees(codes, targets[:TRAIN], rounds=10, bins=255)
    moved = boosted_trees(codes[:, order], targets[:TRAIN], rounds=10, bins=255)
    flipped = boosted_trees(-codes, targets[:TRAIN], rounds=10, bins=255)
    assert_allclose(moved[0], plain[0][order], atol=0.01)
    assert_allclose(flipped[0], plain[0], atol=0.01)
    assert np.mean(moved[1] == plain[1]) > 0.99


def test_nothing_to_split_leaves_the_majority():
    targets = np.array([0, 1, 1, 2, 1, 0])
    importance, predicted = boosted_trees(np.full((9, 2), 4.0), targets, rounds=3, bins=8)
    assert_array_equal(importance, [0, 0])
    assert_array_equal(predicted, np.ones(9))


def test_one_class_is_always_said():
    """Nine labels of ten of one factor may be the same."""
    importance, predicted = boosted_trees(made(3)[0], np.zeros(20, dtype=np.int64), rounds=3, bins=8)
    assert_array_equal(importance, np.zeros(5))
    assert_array_equal(predicted, np.zeros(800))


def test_no_cut_that_gains_is_no_tree():
    """Exclusive or, evenly: each code alone halves both classes."""
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 5, dtype=float)
    importance, predicted = boosted_trees(codes, np.array([0, 1, 1, 0] * 5), rounds=3, bins=4)
    assert_array_equal(importance, [0, 0])
    assert len(set(predicted)) == 1


def test_repetition_changes_nothing():
    codes, targets = made(5)
    first, second = (boosted_trees(codes, targets[:TRAIN], rounds=10, bins=20) for _ in range(2))
    assert_array_equal(first[0], second[0])
    assert_array_equal(first[1], second[1])
