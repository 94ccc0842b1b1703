"""Explicitness: factors can be read off all codes by a linear classifier."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import (
    Array,
    Floats,
    as_factors,
    as_matrix,
    require_equal_rows,
    require_train_rows,
    require_varying,
)


@dataclass(frozen=True)
class Explicitness:
    """Areas under the ROC curve, 0 .. 1, 0.5 by chance; higher is better.

    Attributes:
        test: on the test rows.
        train: on the training rows.
    """

    test: float
    train: float


def explicitness(codes: Array, factors: Array, *, train: int) -> Explicitness:
    """One-against-the-rest ROC area of a logistic regression on standardised codes, mean over classes and factors.

    Args:
        codes: [N, D], posterior means; standardised by mean and deviation of the training rows.
        factors: [N, K], whole-number classes. A factor that is constant in the training rows is left out.
        train: the first `train` rows train, the rest test; 10,000 and 5,000 in the study.

    Returns:
        Areas on both parts. A class that one part lacks, or has alone, has no area there and is left out of its
        mean (the reference's code stops at such a class).

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, `train`
            that leaves no rows on one side, every factor constant, or test rows that allow no area at all.

    Reference:
        Ridgeway and Mozer 2018, "Learning Deep Disentangled Embeddings with the F-Statistic Loss", section 3.3, as
        computed by Locatello et al. 2019. The regression is scikit-learn's at its defaults, a hundred iterations:
        values move by some 1e-5 with its version. The paper takes one mean over all classes of all factors, this one
        the mean of factors' means. The review of Carbonneau et al. 2022 rescales the area so that chance is 0
        (2 a - 1), weighs classes evenly in the regression and judges it on the rows that it was fitted to. Not the
        explicitness of DCI-ES (`dci_es`) nor InfoMEC's (`infomec`).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    train = require_train_rows(train, require_equal_rows(codes=values, factors=classes))
    mean, deviation = values[:train].mean(axis=0), values[:train].std(axis=0)
    standard = (values - mean) / np.where(deviation > 0, deviation, 1.0)
    areas_train, areas_test = [], []
    for factor in require_varying(classes[:train]):
        labels = classes[:, factor]
        with warnings.catch_warnings(), threadpool_limits(1):  # products this small wait for second threads
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression().fit(standard[:train], labels[:train])
            share = model.predict_proba(standard)
        belongs = labels[:, None] == model.classes_
        areas_train.append(_areas(share[:train], belongs[:train]))
        areas_test.append(_areas(share[train:], belongs[train:]))
    test = [areas.mean() for areas in areas_test if areas.size]
    if not test:
        raise ValueError(
            "factors: no class both occurs and is absent in the test rows, so there is no ROC curve"
        )
    return Explicitness(
        test=float(np.mean(test)), train=float(np.mean([areas.mean() for areas in areas_train]))
    )


def _areas(scores: Floats, belongs: NDArray[np.bool_]) -> Floats:
    """Area under the ROC curve of every column that has rows of both kinds."""
    from scipy.stats import rankdata

    inside = belongs.sum(axis=0)
    outside = len(belongs) - inside
    defined = (inside > 0) & (outside > 0)
    ranks = (rankdata(scores, axis=0) * belongs).sum(axis=0)
    areas = (ranks - inside * (inside + 1) / 2)[defined] / (inside * outside)[defined]
    return np.asarray(areas, dtype=np.float64)
