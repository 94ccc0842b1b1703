"""Mutual information gap."""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_factors, require_varying
from .information import factor_entropy, mutual_information_matrix


def mig(codes: Array, factors: Array, *, bins: int = 20) -> float:
    """How far, on average over factors, the most informative code leads the second: (I_1 - I_2) / H(v).

    Args:
        codes: [N, D]; the study takes 10,000 posterior means. A single code is compared with 0.
        factors: [N, K], whole-number classes. A constant factor has no entropy to be explained and is left
            out of the mean (the study's code divides 0 by 0 there).
        bins: equal-width bins a code dimension; 20 in the study.

    Returns:
        0 (the two best codes know the same) .. 1 (one code knows the factor, no other anything); higher is
        better.

    Raises:
        ValueError: as `mutual_information_matrix`, or every factor is constant.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", eq. 6, as computed by Locatello et
        al. 2019: means, 20 bins, empirical entropy. Chen et al. themselves take posterior samples, the exact
        q(z_j) over the whole data set and log |V|, and leave dSprites' shape out: the two do not compare.
    """
    information = mutual_information_matrix(codes, factors, bins=bins)
    entropy = factor_entropy(factors)
    varies = require_varying(as_factors(factors))
    runner_up, best = np.sort(np.vstack([np.zeros(len(entropy)), information]), axis=0)[-2:]
    return float(np.mean((best - runner_up)[varies] / entropy[varies]))
