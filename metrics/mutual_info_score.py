"""Mutual information among codes."""

from __future__ import annotations

import numpy as np

from .arrays import Array
from .information import binned_mutual_information, equal_width_bins


def mutual_info_score(codes: Array, *, bins: int = 20) -> float:
    """Mutual information between two binned code dimensions, mean over all pairs.

    The plug-in estimate: independent codes read about (bins - 1)^2 / (2 N) nats, 0.02 at 10,000 rows.

    Args:
        codes: [N, D], posterior means. A single code has no pair and scores 0.
        bins: equal-width bins a code dimension; 20 in the study.

    Returns:
        At least 0, in nats.

    Raises:
        ValueError: not [N, D], NaN, infinite, or fewer than one bin.

    Reference:
        Locatello et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations", section 5.2.
    """
    binned = equal_width_bins(codes, bins=bins)
    information = binned_mutual_information(binned, binned)
    dimensions = len(information)
    return float((information.sum() - np.trace(information)) / max(dimensions * (dimensions - 1), 1))
