"""Modularity: each code knows of one factor."""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_factors, require_varying
from .information import mutual_information_matrix
from .posterior_collapse import mean_variance


def modularity(
    codes: Array, factors: Array, *, bins: int = 20, active_variance: float | None = None
) -> float:
    """One minus what a code knows of all factors but its best one, squared and relative, mean over codes.

    With m the squared mutual information of a code: 1 - (sum m - max m) / (max m (K - 1)).

    Args:
        codes: [N, D], posterior means.
        factors: [N, K], whole-number classes. A constant factor is left out; a single factor has nothing to
            be mixed with, every code that knows of it counts 1.
        bins: equal-width bins a code dimension; 20 in the study.
        active_variance: None takes the mean over all codes, dead ones as 0, as in the study: a model that uses half of
            its latents, each for one factor, then scores 0.5. A number leaves out codes whose variance is not above
            it: 0 constant ones, 0.01 all that are no active units.

    Returns:
        0 .. 1; higher is better, 0 where no code counts. Codes of noise alone do not score 0: the estimate's bias is
        larger for factors of many classes, so each seems to know of one.

    Raises:
        ValueError: as `mutual_information_matrix`, or every factor is constant.

    Reference:
        Ridgeway and Mozer 2018, "Learning Deep Disentangled Embeddings with the F-Statistic Loss", section 3, as
        computed by Locatello et al. 2019. Carbonneau et al. 2022 cut codes into 10 bins and, unless told otherwise,
        factors too.
    """
    information = mutual_information_matrix(codes, factors, bins=bins)
    squared = information[:, require_varying(as_factors(factors))] ** 2
    best = squared.max(axis=1)
    rest = squared.sum(axis=1) - best
    alive = best > 0
    mixed = np.divide(rest, best * max(squared.shape[1] - 1, 1), out=np.ones_like(best), where=alive)
    counts = np.full(len(best), True) if active_variance is None else mean_variance(codes) > active_variance
    return float(np.mean(1.0 - mixed[counts])) if counts.any() else 0.0
