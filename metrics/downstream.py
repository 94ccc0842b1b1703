"""Downstream: what a few labels buy when factors are predicted from codes, and how fair the predictions are."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import (
    Array,
    Floats,
    Integers,
    as_factors,
    as_matrix,
    ranks,
    require_at_least,
    require_equal_rows,
    require_train_rows,
    require_varying,
)
from .boosted_trees import boosted_trees

SIZES = (10, 100, 1_000, 10_000)
"""Labels; those of the study."""

SHUFFLES = 3
"""Of the sensitive factor, whose mean distance is what finite rows alone make."""


@dataclass(frozen=True)
class Downstream:
    """Test accuracies, means over factors, 0 .. 1; higher is better.

    Attributes:
        logistic_10, logistic_100, logistic_1000, logistic_10000: of logistic regression from so many labels.
        trees_10, trees_100, trees_1000, trees_10000: of boosted trees.
        logistic_efficiency, trees_efficiency: accuracy from 100 labels over that from 10,000 (Locatello et al. 2019).
        unfairness: how far the trees' predictions of one factor (from 10,000 labels) move with another: total
            variation between their distribution within a class of the other and over all rows, mean over classes and
            pairs of factors, less that of shuffled classes; 0 .. 1, lower is better.
    """

    logistic_10: float
    logistic_100: float
    logistic_1000: float
    logistic_10000: float
    trees_10: float
    trees_100: float
    trees_1000: float
    trees_10000: float
    logistic_efficiency: float
    trees_efficiency: float
    unfairness: float


def downstream(
    codes: Array,
    factors: Array,
    *,
    train: int,
    rounds: int = 100,
    folds: int = 0,
    seed: int = 0,
    threads: int | None = None,
) -> Downstream:
    """Predict every factor from 10, 100, 1,000 and 10,000 labelled codes and judge on the test rows.

    A size beyond the training rows takes all of them. A class without a label is never predicted.

    Args:
        codes: [N, D], posterior means; the regression sees them standardised by the labelled rows.
        factors: [N, K], whole-number classes. A factor that is constant in the training rows is left out.
        train: the first `train` rows train, each size its first rows; the rest test.
        rounds: of boosting, see `dci`; 100 in the study.
        folds: 0 takes the regression at scikit-learn's defaults (C = 1). With 10, its strength is chosen by
            cross-validation over ten values as in the study, at a hundred times the time; sizes that cannot be
            folded (a class has fewer rows) keep C = 1.
        seed: of the shuffles that unfairness is measured against.
        threads: factors that are fitted at the same time; all processors when left out. Never changes a number.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, `train`
            that leaves no rows on one side, or every factor constant.

    Reference:
        Locatello et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations", section 5.5; Locatello et al. 2019, "On the Fairness of Disentangled Representations".
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    train = require_train_rows(train, require_equal_rows(codes=values, factors=classes))
    require_at_least("rounds", rounds, 1)
    require_at_least("folds", folds, 0)
    varying = require_varying(classes[:train])
    test = classes[train:]

    def accuracies(factor: int) -> tuple[list[float], list[float], Integers]:
        logistic, trees, predicted = [], [], test[:, factor]
        for size in SIZES:
            labels = classes[: min(size, train), factor]
            linear = _logistic(values, labels, train, folds)
            seen, targets = np.unique(labels, return_inverse=True)
            boosted = boosted_trees(
                np.vstack([values[: len(labels)], values[train:]]), targets, rounds=rounds, bins=96
            )[1]
            predicted = seen[boosted[len(labels) :]]
            logistic.append(float(np.mean(linear == test[:, factor])))
            trees.append(float(np.mean(predicted == test[:, factor])))
        return logistic, trees, predicted

    slowest_first = sorted(varying, key=lambda factor: -len(np.unique(classes[:train, factor])))
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool, threadpool_limits(1):
        found = list(pool.map(accuracies, slowest_first))
    logistic = np.mean([first for first, _, _ in found], axis=0)
    trees = np.mean([second for _, second, _ in found], axis=0)
    predictions = {factor: one[2] for factor, one in zip(slowest_first, found, strict=True)}
    return Downstream(
        *map(float, logistic),
        *map(float, trees),
        logistic_efficiency=float(logistic[1] / logistic[3]) if logistic[3] else 0.0,
        trees_efficiency=float(trees[1] / trees[3]) if trees[3] else 0.0,
        unfairness=_unfairness(predictions, test, seed),
    )


def _logistic(values: Floats, labels: Integers, train: int, folds: int) -> NDArray[np.int64]:
    """Predicted classes of the test rows."""
    rows = values[: len(labels)]
    if (labels == labels[0]).all():
        return np.full(len(values) - train, labels[0])
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    standard = (values - mean) / np.where(deviation > 0, deviation, 1.0)
    folded = folds >= 2 and np.unique(labels, return_counts=True)[1].min() >= folds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if folded:
            warnings.simplefilter("ignore", FutureWarning)
            model = LogisticRegressionCV(cv=folds).fit(standard[: len(labels)], labels)
        else:
            model = LogisticRegression().fit(standard[: len(labels)], labels)
    predicted: NDArray[np.int64] = model.predict(standard[train:])
    return predicted


def _unfairness(predictions: dict[int, Integers], factors: Integers, seed: int) -> float:
    """Mean over pairs of factors of the distance above chance, each at least 0."""
    random = np.random.Generator(np.random.Philox(seed))
    classes = ranks(factors)
    distances = []
    for target, predicted in predictions.items():
        for sensitive in predictions:
            labels = classes[:, sensitive]
            if sensitive == target or not labels.any():
                continue
            chance = np.mean([_distance(predicted, random.permutation(labels)) for _ in range(SHUFFLES)])
            distances.append(max(0.0, _distance(predicted, labels) - float(chance)))
    return float(np.mean(distances)) if distances else 0.0


def _distance(predicted: Integers, labels: Integers) -> float:
    """Total variation between predictions within a class and over all rows, mean over classes."""
    guesses = np.unique(predicted, return_inverse=True)[1]
    width = int(guesses.max()) + 1
    counts = np.bincount(labels * width + guesses, minlength=(int(labels.max()) + 1) * width).reshape(
        -1, width
    )
    within = counts / counts.sum(axis=1, keepdims=True)
    return float(0.5 * np.abs(within - counts.sum(axis=0) / len(labels)).sum(axis=1).mean())
