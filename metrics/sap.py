"""Separated attribute predictability."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .arrays import (
    Array,
    Floats,
    Integers,
    as_factors,
    as_matrix,
    require_equal_rows,
    require_train_rows,
    require_varying,
)
from .thresholds import fit_thresholds


def sap(
    codes: Array,
    factors: Array,
    *,
    train: int,
    classifier: Literal["linear", "thresholds"] = "linear",
    regularisation: float = 0.01,
) -> float:
    """How far, on average over factors, the best code classifies ahead of the second best.

    Every code alone classifies every factor; the gap is between test accuracies.

    Args:
        codes: [N, D], posterior means. A single code is compared with an accuracy of 0.
        factors: [N, K], whole-number classes. A factor that is constant in the training rows is left out.
        train: the first `train` rows train, the rest test; 10,000 and 5,000 in the study.
        classifier: "linear" is the study's, a support vector machine (one class against the rest, classes weighted by
            inverse frequency). A straight cut through one code cannot single out a class in the middle: perfect codes
            of a factor with many classes score far below 1. "thresholds" cuts the code between classes in order, as
            the paper has it: the cuts of the highest balanced accuracy on the training rows, and balanced accuracy on
            the test rows. Perfect codes then score 1 less the accuracy of guessing, 1 / classes.
        regularisation: C of the machine; 0.01 in the study.

    Returns:
        0 .. 1; higher is better.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, `train`
            that leaves no rows on one side, every factor constant, or an unknown classifier.

    Reference:
        Kumar et al. 2018, "Variational Inference of Disentangled Latent Concepts from Unlabeled Observations",
        section 3, as computed by Locatello et al. 2019 for discrete factors. The machine is solved in the primal,
        which is deterministic; code under the same name may use the dual with an unseeded generator. The paper fits
        its thresholds to the test rows themselves.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    if classifier not in ("linear", "thresholds"):
        raise ValueError(f'classifier: expected "linear" or "thresholds", got {classifier!r}')
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    train = require_train_rows(train, require_equal_rows(codes=values, factors=classes))
    varying = classes[:, require_varying(classes[:train])]
    accuracy = np.zeros((values.shape[1], varying.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for j, k in np.ndindex(*accuracy.shape):
            if classifier == "thresholds":
                accuracy[j, k] = _balanced_accuracy(values[:, j], varying[:, k], train)
                continue
            machine = LinearSVC(C=regularisation, class_weight="balanced", dual=False)
            machine.fit(values[:train, [j]], varying[:train, k])
            accuracy[j, k] = machine.score(values[train:, [j]], varying[train:, k])
    return _mean_gap(accuracy)


def sap_continuous(codes: Array, factors: Array) -> float:
    """The gap between the two largest squared correlations of a code with a factor, mean over factors.

    Args:
        codes: [N, D], posterior means. A code whose variance is below 1e-12, or that is not there, has 0.
        factors: [N, K], whole numbers taken as quantities. A constant factor is left out.

    Returns:
        0 .. 1; higher is better.

    Raises:
        ValueError: as `sap`.

    Reference:
        Kumar et al. 2018, section 3, for continuous factors.
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    rows = require_equal_rows(codes=values, factors=classes)
    varying = classes[:, require_varying(classes)].astype(np.float64)
    z, v = values - values.mean(axis=0), varying - varying.mean(axis=0)
    code_variance, factor_variance = (z * z).sum(axis=0), (v * v).sum(axis=0)
    alive = code_variance > 1e-12 * (rows - 1)
    scale = np.outer(np.where(alive, code_variance, np.inf), factor_variance)
    return _mean_gap((z.T @ v) ** 2 / scale)


def _balanced_accuracy(values: Floats, labels: Integers, train: int) -> float:
    """Of thresholds, on the rows from `train` on: the mean over their classes of the share of rows that are right."""
    seen, numbered = np.unique(labels[:train], return_inverse=True)
    cuts, order = fit_thresholds(values[:train], numbered)
    right = seen[order][np.searchsorted(cuts, values[train:])] == labels[train:]
    classes, which = np.unique(labels[train:], return_inverse=True)
    return float(np.mean(np.bincount(which, weights=right) / np.bincount(which, minlength=len(classes))))


def _mean_gap(scores: NDArray[np.float64]) -> float:
    """Mean over columns of the largest less the second largest entry of [D, K]; one row alone is compared with 0."""
    runner_up, best = np.sort(np.vstack([np.zeros(scores.shape[1]), scores]), axis=0)[-2:]
    return float(np.mean(best - runner_up))
