"""One gap a code, then the best code a factor: modularity and compactness in one number."""

from __future__ import annotations

import numpy as np

from .arrays import Array, as_factors, require_varying
from .information import factor_entropy, mutual_information_matrix


def dcimig(codes: Array, factors: Array, *, bins: int = 20) -> float:
    """What the purest code of each factor knows of it beyond its second factor, over the entropy of all factors.

    A code belongs to the factor that it knows best, with the gap to the second; a factor scores the largest gap of the
    codes that belong to it, 0 if none does; the sum is divided by the sum of H(v_k).

    Args:
        codes: [N, D], posterior means. Dead and copied codes change nothing.
        factors: [N, K], whole-number classes. A constant factor adds nothing; a single factor is compared with 0.
        bins: equal-width bins a code dimension.

    Returns:
        0 .. 1; higher is better.

    Raises:
        ValueError: as `mutual_information_matrix`, or every factor is constant.

    Reference:
        Sepliarskaia, Kiseleva and de Rijke 2019, "How to Not Measure Disentanglement" (DCIMIG), with the
        study's 20 bins.
    """
    varies = require_varying(as_factors(factors))
    known = mutual_information_matrix(codes, factors, bins=bins)[:, varies]
    runner_up, best = np.sort(np.hstack([np.zeros((len(known), 1)), known]), axis=1)[:, -2:].T
    purest = np.zeros(len(varies))
    np.maximum.at(purest, known.argmax(axis=1), best - runner_up)
    return float(purest.sum() / factor_entropy(factors)[varies].sum())
