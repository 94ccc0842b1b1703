"""Modularity: each code knows of one factor."""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_factors, require_varying
from .information import mutual_information_matrix


def modularity(codes: Array, factors: Array, *, bins: int = 20) -> float:
    """One minus what a code knows of all factors but its best one, squared and relative, mean over codes.

    With m the squared mutual information of a code: 1 - (sum m - max m) / (max m (K - 1)).

    Args:
        codes: [N, D], posterior means. A dead code counts 0.
        factors: [N, K], whole-number classes. A constant factor is left out; a single factor has nothing to
            be mixed with, every code that knows of it counts 1.
        bins: equal-width bins a code dimension; 20 in the study.

    Returns:
        0 .. 1; higher is better. Codes of noise alone do not score 0: the estimate's bias is larger for factors
        of many classes, so each seems to know of one.

    Raises:
        ValueError: as `mutual_information_matrix`, or every factor is constant.

    Reference:
        Ridgeway and Mozer 2018, "Learning Deep Disentangled Embeddings with the F-Statistic Loss", section 3.3, as
        computed by Locatello et al. 2019 (mean over all codes, dead ones as 0).
    """
    information = mutual_information_matrix(codes, factors, bins=bins)
    squared = information[:, require_varying(as_factors(factors))] ** 2
    best = squared.max(axis=1)
    rest = squared.sum(axis=1) - best
    alive = best > 0
    mixed = np.divide(rest, best * max(squared.shape[1] - 1, 1), out=np.ones_like(best), where=alive)
    return float(np.mean(1.0 - mixed))
