"""Interventional robustness score."""

from __future__ import annotations

import numpy as np

from .arrays import Array, Floats, Integers, as_factors, as_matrix, require_at_least, require_equal_rows
from .information import equal_width_bins


def irs(codes: Array, factors: Array, *, quantile: float = 0.99, factor_bins: int | None = 20) -> float:
    """How little a code moves while its factor stands still, for the best factor of each code.

    1 - (a high quantile of |z_j - mean of z_j given v_k|, mean over values of v_k) / (largest |z_j - mean|), the
    largest over factors, averaged over codes with those largest deviations as weights.

    Args:
        codes: [N, D], posterior means. Constant codes are left out; when all are, the score is 0.
        factors: [N, K], whole-number classes.
        quantile: 0.99 in the study; the paper takes the maximum, 1.0.
        factor_bins: equal-width bins that factors are cut into before grouping, as in the study, where 40
            orientations become 20; None keeps the classes, as the paper means it.

    Returns:
        0 .. 1; higher is better. It compares with the largest deviation there is, so that one outlier, or heavy tails,
        raise it. Codes that know nothing are not at 0 but where the quantile of their own distribution lies, and a
        constant factor, which is kept as in the study, is held by every code as well as any.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, or a
            quantile outside 0 .. 1.

    Reference:
        Suter et al. 2019, "Robustly Disentangled Causal Mechanisms", section 4, as computed by Locatello et al. 2019.
        The library's "number of active dimensions" beside it is a sum of values; see `active_units` instead.
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    require_equal_rows(codes=values, factors=classes)
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile: expected a number in 0 .. 1, got {quantile}")
    if factor_bins is not None:
        classes = equal_width_bins(classes, bins=require_at_least("factor_bins", factor_bins, 1))
    active = values[:, np.ptp(values, axis=0) > 0]  # the variance of equal numbers rounds to more than 0
    if not active.size:
        return 0.0
    largest = np.abs(active - active.mean(axis=0)).max(axis=0)
    moved = np.stack([_movement(active, column, quantile) for column in classes.T], axis=1)
    robustness = (1.0 - moved / largest[:, None]).max(axis=1)
    return float(np.average(robustness, weights=largest))


def _movement(codes: Floats, labels: Integers, quantile: float) -> Floats:
    """Quantile of |z - mean| within each class, mean over classes: [D]."""
    groups = (codes[labels == label] for label in np.unique(labels))
    return np.mean([np.quantile(np.abs(z - z.mean(axis=0)), quantile, axis=0) for z in groups], axis=0)
