"""Cross-validated logistic regression against scikit-learn's, which it follows step by step."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from disbench.metrics.logistic_regression import STRENGTHS, _fit, cross_validated_logistic


def made(classes: int, rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = random.integers(classes, size=rows)
    targets[:classes] = np.arange(classes)
    places = random.normal(size=(classes, 4))
    return 0.3 * (places[targets] + random.normal(scale=0.7, size=(rows, 4))), targets


def scikit_learns(codes: np.ndarray, targets: np.ndarray, folds: int) -> np.ndarray:
    """Predictions of a regression whose strength wins over folds that are runs of rows."""
    train = len(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        right = [
            np.mean([
                LogisticRegression(C=strength).fit(codes[rest], targets[rest]).score(codes[test], targets[test])
                for rest, test in KFold(folds).split(targets)
            ])
            for strength in STRENGTHS
        ]  # fmt: skip
        best = STRENGTHS[int(np.argmax(right))]
        return LogisticRegression(C=best).fit(codes[:train], targets).predict(codes)


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_is_scikit_learns(classes):
    codes, targets = made(classes)
    ours = cross_validated_logistic(codes, targets[:400], folds=5)
    assert np.mean(ours == scikit_learns(codes, targets[:400], 5)) > 0.98


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_weights_are_those_of_least_loss(classes, strength):
    """Probabilities of scikit-learn's Newton method; two classes have one row of weights, as there."""
    codes, targets = made(classes)
    design = np.hstack([codes, np.ones((len(codes), 1))])
    start = np.zeros((classes if classes > 2 else 1, 5))
    weights = _fit(design, targets, classes, strength, start)
    exact = LogisticRegression(C=strength, solver="newton-cg", tol=1e-8).fit(codes, targets)
    scores = design @ weights.T
    if classes == 2:
        scores = np.hstack([np.zeros_like(scores), scores])
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    assert_allclose(shares, exact.predict_proba(codes), atol=0.01)


def test_noise_is_told_apart_by_the_strongest_penalty():
    """Every strength is at chance; ties go to the lowest C, so that the majority of the labels is always said."""
    codes = np.zeros((60, 3))
    targets = np.repeat([0, 1, 2], [10, 30, 10])
    assert_array_equal(cross_validated_logistic(codes, targets, folds=5), np.ones(60))


def test_classes_that_a_fold_does_not_hold_and_fewer_rows_than_folds():
    codes, targets = made(4)
    few = np.array([0, 0, 1, 1, 2, 2, 3, 3])  # each run of two is one class
    ordered = np.vstack(
        [codes[[np.flatnonzero(targets == label)[take] for label in range(4) for take in (0, 1)]], codes]
    )
    for folds in (4, 50):
        predicted = cross_validated_logistic(ordered, few, folds=folds)
        assert predicted.shape == (608,)
        assert set(predicted) <= {0, 1, 2, 3}
    assert np.mean(predicted[8:] == targets) > 0.4


def test_one_class_is_always_said():
    assert_array_equal(
        cross_validated_logistic(made(3)[0], np.zeros(10, dtype=np.int64), folds=5), np.zeros(600)
    )


def test_where_codes_lie_changes_nothing():
    """The intercept takes up any shift; uncentred fits in single precision would end far from the optimum."""
    codes, targets = made(3)
    near = cross_validated_logistic(codes, targets[:400], folds=5)
    assert np.mean(cross_validated_logistic(codes + 1_000, targets[:400], folds=5) == near) > 0.99
