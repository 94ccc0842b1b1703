"""Downstream: what a few labels buy when factors are predicted from codes, and how fair the predictions are."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import (
    Array,
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
from .logistic_regression import cross_validated_logistic

SIZES = (10, 100, 1_000, 10_000)
"""Labels; those of the study."""

BINS = 96
"""Quantiles that trees may split at, the default of `dci`."""

SHUFFLES = 3
"""Of the sensitive factor, whose mean distance is what finite rows alone make."""


@dataclass(frozen=True)
class Downstream:
    """Test accuracies, means over factors, 0 .. 1; higher is better.

    Attributes:
        logistic_10, logistic_100, logistic_1000, logistic_10000: of logistic regression from so many labels.
        trees_10, trees_100, trees_1000, trees_10000: of boosted trees.
        logistic_efficiency, trees_efficiency: accuracy from 100 labels over that from 10,000; 1 where 100 do.
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
    folds: int = 5,
    seed: int = 0,
    threads: int | None = None,
) -> Downstream:
    """Predict every factor from 10, 100, 1,000 and 10,000 labelled codes and judge on the test rows.

    A size beyond the training rows takes all of them. A class without a label is never predicted.

    Args:
        codes: [N, D], posterior means, as they are: the penalty of the regression feels their scale, so that codes
            that hardly move hardly matter.
        factors: [N, K], whole-number classes. A factor that is constant in the training rows is left out.
        train: the first `train` rows train, each size its first rows; the rest test. 10,000 and 5,000 in the study,
            which draws new rows for each size.
        rounds: of boosting, see `dci`; 100 in the study.
        folds: of the cross-validation that chooses the strength of the regression's penalty out of ten (C from 1e-4 to
            1e4); 5 in the study, at least 2. It matters: C = 1 loses up to 0.2 of a factor's accuracy from 100 labels
            and 0.06 from 10,000.
        seed: of equal splits of trees, and of the shuffles that unfairness is measured against.
        threads: factors that are fitted at the same time; all processors when left out. Never changes a number.

    Returns:
        Accuracies, efficiencies, unfairness.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, `train`
            that leaves no rows on one side, every factor constant, no rounds, or fewer than 2 folds.

    Reference:
        Locatello et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations", section 5.5. The study's regressions were one against the rest, with a strength for each
        class, the default of scikit-learn then; these are multinomial, the default now. The trees are those of
        `dci(estimator="lightgbm")`.
        Unfairness: Locatello et al. 2019, "On the Fairness of Disentangled Representations", section 4. There the
        other factor of the same 100 images is set to each class and encoded anew; here rows that are of the class are
        taken, the same where factors are independent, and what finite rows make by chance is taken off.
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    train = require_train_rows(train, require_equal_rows(codes=values, factors=classes))
    require_at_least("rounds", rounds, 1)
    require_at_least("folds", folds, 2)
    varying = require_varying(classes[:train])
    test = classes[train:]
    sizes = [min(size, train) for size in SIZES]

    def accuracies(factor: int) -> tuple[list[float], list[float], Integers]:
        """By regression and by trees from each of SIZES, and the trees' predictions from the last."""
        logistic, trees, predicted = {}, {}, test[:, factor]
        for size in sorted(set(sizes)):
            seen, targets = np.unique(classes[:size, factor], return_inverse=True)
            rows = np.vstack([values[:size], values[train:]])
            linear = seen[cross_validated_logistic(rows, targets, folds=folds)[size:]]
            predicted = seen[boosted_trees(rows, targets, rounds=rounds, bins=BINS, seed=seed)[1][size:]]
            logistic[size] = float(np.mean(linear == test[:, factor]))
            trees[size] = float(np.mean(predicted == test[:, factor]))
        return [logistic[size] for size in sizes], [trees[size] for size in sizes], predicted

    slowest_first = sorted(varying, key=lambda factor: -len(np.unique(classes[:train, factor])))
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool, threadpool_limits(1):
        found = list(pool.map(accuracies, slowest_first))
    means = {
        f"{model}_{size}": float(np.mean([one[kind][index] for one in found]))
        for kind, model in enumerate(("logistic", "trees"))
        for index, size in enumerate(SIZES)
    }
    efficiency = {
        f"{model}_efficiency": means[f"{model}_100"] / means[f"{model}_10000"]
        if means[f"{model}_10000"]
        else 0.0
        for model in ("logistic", "trees")
    }
    predictions = {factor: one[2] for factor, one in zip(slowest_first, found, strict=True)}
    return Downstream(**means, **efficiency, unfairness=_unfairness(predictions, test, seed))


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
