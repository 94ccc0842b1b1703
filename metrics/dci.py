"""Disentanglement, completeness and informativeness, from boosted trees."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .arrays import (
    Array,
    Floats,
    Integers,
    as_factors,
    as_matrix,
    require_at_least,
    require_equal_rows,
    require_train_rows,
    require_varying,
)
from .boosted_trees import boosted_trees

Fit: TypeAlias = Callable[[Floats, Integers], tuple[NDArray[np.float64], Integers]]


@dataclass(frozen=True)
class DCI:
    """All between 0 and 1, higher is better; `informativeness` is an accuracy, not an error.

    Attributes:
        disentanglement: how far each code serves one factor alone, weighted by the importance of codes.
        completeness: how far each factor is served by one code alone, weighted by the importance of factors.
        informativeness: accuracy of predicted factors on the test rows, mean over factors.
        informativeness_train: the same on the training rows.
        importance: [D, K], share of code j in predicting factor k. Columns add up to 1; that of a constant
            factor, and the row of a code that no tree uses, are 0.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    informativeness_train: float
    importance: NDArray[np.float64]


def dci(
    codes: Array,
    factors: Array,
    *,
    train: int,
    seed: int = 0,
    estimator: Literal["lightgbm", "sklearn"] = "lightgbm",
    rounds: int = 100,
    bins: int = 96,
    fit_rows: int | None = None,
    threads: int | None = None,
) -> DCI:
    """Predict every factor from all codes by gradient boosting and read who serves whom off the trees.

    A factor that is constant in the training rows has nothing to be predicted and is left out. A class that is
    absent from the training rows is never predicted and counts as an error in the test rows.

    Args:
        codes: [N, D], posterior means.
        factors: [N, K], whole-number classes.
        train: the first `train` rows train, the rest test; 10,000 and 5,000 in the study.
        seed: of the choice between codes that part rows equally well, such as copies.
        estimator: "sklearn" is the study's `GradientBoostingClassifier()`: parity, at minutes a model. "lightgbm" is
            the same algorithm (trees of depth 3 on the residuals, gains of squared error, Newton leaves,
            learning rate 0.1) with splits of a class's trees taken next to each row of that class and at `bins`
            quantiles of each code instead of between any two rows: some twenty times faster. On three reference
            models and seven tables of other codes D, C and both accuracies are within 0.006 of "sklearn", whose own
            seeds move them by up to 0.003.
        rounds: boosting rounds, one tree a class each; 100 in the study. Fewer rounds see less noise: D and C
            read 0.04 to 0.07 higher at 50 and 0.2 higher at 10.
        bins: quantiles that "lightgbm" may split at beside; from 16 to 96 nothing moves by more than 0.004.
        fit_rows: trees are fitted to this many of the training rows, from the first; all when left out. Fewer rows
            bring more noise: with `rounds=20, fit_rows=2000`, an eighth of the time, D and C stay within 0.04 of
            the study's on the three reference models and test accuracy within 0.08. For a look, not for a table.
        threads: factors that are fitted at the same time; all processors when left out. Never changes a number.

    Returns:
        The scores and the importance matrix.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, `train`
            that leaves no rows on one side, every factor constant, or an unknown estimator.

    Reference:
        Eastwood and Williams 2018, "A Framework for the Quantitative Evaluation of Disentangled Representations",
        as computed by Locatello et al. 2019: boosted trees, importance by gain, 1e-11 added before the entropies,
        accuracy as informativeness (the paper fits lasso and random forests and reports errors).
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    train = require_train_rows(train, require_equal_rows(codes=values, factors=classes))
    rounds, bins = require_at_least("rounds", rounds, 1), require_at_least("bins", bins, 2)
    if fit_rows is not None and require_at_least("fit_rows", fit_rows, 2) < train:
        values, classes = (np.concatenate([table[:fit_rows], table[train:]]) for table in (values, classes))
        train = fit_rows
    fits: dict[str, Fit] = {
        "lightgbm": partial(boosted_trees, rounds=rounds, bins=bins, seed=seed),
        "sklearn": partial(_sklearn, rounds=rounds, seed=seed),
    }
    if estimator not in fits:
        raise ValueError(f'estimator: expected "lightgbm" or "sklearn", got {estimator!r}')
    varying = require_varying(classes[:train])
    slowest_first = sorted(varying, key=lambda factor: -len(np.unique(classes[:train, factor])))

    def fit(factor: int) -> tuple[NDArray[np.float64], float, float]:
        seen, targets = np.unique(classes[:train, factor], return_inverse=True)
        importance, predicted = fits[estimator](values, targets)
        right = seen[predicted] == classes[:, factor]
        return importance, float(right[:train].mean()), float(right[train:].mean())

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        columns, accuracy_train, accuracy_test = zip(*pool.map(fit, slowest_first), strict=True)

    importance = np.zeros((values.shape[1], classes.shape[1]))
    importance[:, slowest_first] = np.stack(columns, axis=1)
    return DCI(
        disentanglement=concentration(importance[:, varying]),
        completeness=concentration(importance[:, varying].T),
        informativeness=float(np.mean(accuracy_test)),
        informativeness_train=float(np.mean(accuracy_train)),
        importance=importance,
    )


def concentration(importance: NDArray[np.float64]) -> float:
    """One minus the entropy of each row (base: number of columns), weighted by the rows' sums.

    Disentanglement of an importance matrix [D, K], completeness of its transpose.

    Args:
        importance: [rows, columns], not negative.

    Returns:
        0 (rows spread evenly) .. 1 (each row has one entry). One single column is 1; an all-zero matrix is 0.
    """
    weights = importance.sum(axis=1)
    if not weights.any():
        return 0.0
    if importance.shape[1] == 1:
        return 1.0
    share = importance + 1e-11
    share /= share.sum(axis=1, keepdims=True)
    rows = 1.0 + (share * np.log(share)).sum(axis=1) / np.log(importance.shape[1])
    return float(rows @ weights / weights.sum())


def _sklearn(
    codes: Floats, targets: Integers, *, rounds: int, seed: int
) -> tuple[NDArray[np.float64], Integers]:
    """Importance [D] and predicted classes of all rows [N]; the first len(targets) rows train."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(n_estimators=rounds, random_state=seed)
    model.fit(codes[: len(targets)], targets)
    return model.feature_importances_, model.predict(codes)
