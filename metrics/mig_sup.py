"""The mutual information gap turned round: each code serves one factor."""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_factors, require_varying
from .information import factor_entropy, mutual_information_matrix


def mig_sup(codes: Array, factors: Array, *, bins: int = 20) -> float:
    """How far, on average over codes, the factor that a code knows best leads the second.

    Mean over j of the gap between the two largest I(z_j; v_k) / H(v_k). MIG asks whether a factor is in one code, this
    whether a code holds one factor: copies of a code lower MIG and not this, a code of two factors lowers this most.

    Args:
        codes: [N, D], posterior means. A dead code counts 0, since the mean is over all D.
        factors: [N, K], whole-number classes. A constant factor is left out; a single factor is compared with 0.
        bins: equal-width bins a code dimension.

    Returns:
        0 .. 1; higher is better.

    Raises:
        ValueError: as `mutual_information_matrix`, or every factor is constant.

    Reference:
        Li, Murkute, Gyawali and Wang 2020, "Progressive Learning and Disentanglement of Hierarchical Representations"
        (MIG-sup), here with the study's 20 bins and empirical entropy.
    """
    varies = require_varying(as_factors(factors))
    known = mutual_information_matrix(codes, factors, bins=bins)[:, varies] / factor_entropy(factors)[varies]
    runner_up, best = np.sort(np.hstack([np.zeros((len(known), 1)), known]), axis=1)[:, -2:].T
    return float(np.mean(best - runner_up))
