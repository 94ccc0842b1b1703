"""The mutual information gap turned round: each code serves one factor."""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_factors, require_varying
from .information import factor_entropy, mutual_information_matrix
from .posterior_collapse import mean_variance


def mig_sup(codes: Array, factors: Array, *, bins: int = 20, active_variance: float | None = None) -> float:
    """How far, on average over codes, the factor that a code knows best leads the second.

    Mean over j of the gap between the two largest I(z_j; v_k) / H(v_k). MIG asks whether a factor is in one code, this
    whether a code holds one factor: copies of a code lower MIG and not this, a code of two factors lowers this most.

    Args:
        codes: [N, D], posterior means.
        factors: [N, K], whole-number classes. A constant factor is left out; a single factor is compared with 0.
        bins: equal-width bins a code dimension.
        active_variance: None takes the mean over all D codes, dead ones as 0. A number leaves out codes whose variance
            is not above it; 0.01, that of active units, is what the paper's code does.

    Returns:
        0 .. 1; higher is better, 0 where no code counts.

    Raises:
        ValueError: as `mutual_information_matrix`, or every factor is constant.

    Reference:
        Li, Murkute, Gyawali and Wang 2020, "Progressive Learning and Disentanglement of Hierarchical Representations"
        (MIG-sup), here with the study's 20 bins and empirical entropy. Their code takes posterior samples and exact
        densities as `mig_chen`, log |V|, dSprites' factors without shape, and the mean over active units. Other code
        takes the mean over all codes (Carbonneau et al. 2022) or divides by the entropy of the binned code.
    """
    varies = require_varying(as_factors(factors))
    known = mutual_information_matrix(codes, factors, bins=bins)[:, varies] / factor_entropy(factors)[varies]
    runner_up, best = np.sort(np.hstack([np.zeros((len(known), 1)), known]), axis=1)[:, -2:].T
    counts = np.full(len(best), True) if active_variance is None else mean_variance(codes) > active_variance
    return float(np.mean((best - runner_up)[counts])) if counts.any() else 0.0
