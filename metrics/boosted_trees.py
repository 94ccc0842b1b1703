"""Gradient boosting as in the study's trees, on LightGBM's histograms, for every score that asks a classifier."""

from __future__ import annotations

import lightgbm
import numpy as np
from numpy.typing import NDArray

from .arrays import Floats, Integers

DEPTH = 3
LEARNING_RATE = 0.1


def boosted_trees(
    codes: Floats, targets: Integers, *, rounds: int, bins: int
) -> tuple[NDArray[np.float64], Integers]:
    """Importance [D] and predicted classes of all rows [N]; the first len(targets) rows train.

    Classes are numbers from 0 and each occurs in `targets`. Trees of depth 3 on the residuals, gains of squared error,
    Newton leaves, splits at `bins` quantiles of each code.

    LightGBM's own multi-class objective splits by gradient^2 / curvature and reads D and C 0.02 to 0.06 higher.
    Here the curvature handed to it is 1, so that it splits by squared error, and the Newton step of each leaf
    is taken outside.
    """
    train, classes, leaves = len(targets), int(targets.max()) + 1, 2**DEPTH
    quiet = {"verbosity": -1, "num_threads": 1}
    cuts = {"max_bin": bins, "min_data_in_bin": 1, "feature_pre_filter": False}
    trees = {
        "objective": "none",
        "num_class": classes,
        "num_leaves": leaves,
        "max_depth": DEPTH,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 0.0,
        "deterministic": True,
        "force_col_wise": True,
    }
    low, spread = codes[:train].min(axis=0), np.ptp(codes[:train], axis=0)
    if not spread.any():
        return np.zeros(codes.shape[1]), np.full(len(codes), np.bincount(targets).argmax())
    rescaled = (codes - low) / np.where(spread > 0, spread, 1)  # LightGBM takes 1e-35 for 0
    data = lightgbm.Dataset(rescaled[:train], targets, params=quiet | cuts)
    booster = lightgbm.Booster(quiet | cuts | trees, data)

    scores = np.tile(np.log(np.bincount(targets) / train), (len(codes), 1))
    one_hot, ones = np.eye(classes)[targets], np.ones((train, classes), dtype=np.float32)
    first_leaf = np.arange(classes) * leaves
    for iteration in range(rounds):
        odds = np.exp(scores[:train] - scores[:train].max(axis=1, keepdims=True))
        share = odds / odds.sum(axis=1, keepdims=True)
        residual = one_hot - share
        gradient = -residual.astype(np.float32)
        if booster.update(fobj=lambda *_, gradient=gradient: (gradient, ones)):
            break  # no code can be split
        reached = booster.predict(
            rescaled, start_iteration=iteration, num_iteration=1, pred_leaf=True, num_threads=1, verbosity=-1
        )
        leaf = np.asarray(reached, dtype=np.int64) + first_leaf
        fitted = leaf[:train].ravel()
        rise = np.bincount(fitted, residual.ravel(), classes * leaves)
        curvature = np.bincount(fitted, (share - share * share).ravel(), classes * leaves)
        step = np.divide(rise, curvature, out=np.zeros_like(rise), where=curvature > 1e-150)
        scores += LEARNING_RATE * (classes - 1) / classes * step[leaf]

    gain = booster.feature_importance("gain")
    return gain / gain.sum() if gain.any() else gain, scores.argmax(axis=1)
