"""The robust mutual information gap: of posteriors in fixed bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Array, as_factors, require_varying
from .information import factor_entropy, posterior_bin_information


@dataclass(frozen=True)
class RMIG:
    """Means over factors.

    Attributes:
        nats: I_1 - I_2, as the paper has it.
        normalised: the same over H(v), 0 .. 1.
    """

    nats: float
    normalised: float


def rmig(mean: Array, logvar: Array, factors: Array, *, bins: int = 100, limit: float = 4.0) -> RMIG:
    """How far each factor's best latent leads the second, of posteriors in bins that the prior fixes.

    The mass of q(z_j | x) in each bin is taken in closed form. Neither a latent's range nor an outlier moves the bins,
    and a latent that is noise has no information, however its mean wanders by less than that noise.

    Args:
        mean: [N, D] posterior means. A single latent is compared with 0.
        logvar: [N, D] logarithms of posterior variances.
        factors: [N, K], whole-number classes. A constant factor is left out.
        bins: equal-width bins between -limit and limit; 100 in the paper.
        limit: in standard deviations of the prior; 4 in the paper.

    Returns:
        The gap in nats and over the factor's entropy; higher is better.

    Raises:
        ValueError: as `posterior_bin_information`, or every factor is constant.

    Reference:
        Do and Tran 2020, "Theory and Evaluation Metrics for Learning Disentangled Representations" (RMIG).
    """
    classes = as_factors(factors)
    varying = classes[:, require_varying(classes)]
    information = posterior_bin_information(mean, logvar, varying, bins=bins, limit=limit)
    runner_up, best = np.sort(np.vstack([np.zeros(varying.shape[1]), information]), axis=0)[-2:]
    gap = best - runner_up
    return RMIG(nats=float(gap.mean()), normalised=float((gap / factor_entropy(varying)).mean()))
