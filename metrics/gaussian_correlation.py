"""How dependent codes are, were they Gaussian: from their covariance alone, without factors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, as_matrix


def gaussian_total_correlation(codes: Array) -> float:
    """Total correlation of a Gaussian with the codes' covariance: KL(N(0, C) || N(0, diag C)).

    Args:
        codes: [N, D]. A constant code depends on nothing and is left out.

    Returns:
        At least 0 in nats, infinite for codes that determine one another exactly.

    Raises:
        ValueError: not [N, D], NaN, infinite.

    Reference:
        Watanabe 1960 (total correlation); as computed by Locatello et al. 2019.
    """
    covariance = _covariance(codes)
    alive = np.diag(covariance) > 0
    deviation = np.sqrt(np.diag(covariance)[alive])
    spectrum = np.linalg.eigvalsh(covariance[np.ix_(alive, alive)] / np.outer(deviation, deviation))
    if not spectrum.size:
        return 0.0
    if spectrum[0] <= spectrum.size * np.finfo(np.float64).eps * spectrum[-1]:  # 0 up to rounding
        return math.inf
    return max(0.0, -0.5 * float(np.log(spectrum).sum()))


def gaussian_wasserstein_correlation(codes: Array, *, normalised: bool = False) -> float:
    """Squared 2-Wasserstein distance between N(0, C) and N(0, diag C), C the codes' covariance.

    Args:
        codes: [N, D].
        normalised: divide by the total variance, so that the scale of codes cancels.

    Returns:
        At least 0, in squared units of the codes, or a share when normalised. Constant codes have 0.

    Raises:
        ValueError: not [N, D], NaN, infinite.

    Reference:
        Xiao and Wang 2019, "Disentangled Representation Learning with Wasserstein Total Correlation"; as computed by
        Locatello et al. 2019.
    """
    covariance = _covariance(codes)
    deviation = np.sqrt(np.diag(covariance))
    between = np.linalg.eigvalsh(deviation[:, None] * covariance * deviation)
    total = float(np.trace(covariance))
    distance = max(0.0, 2.0 * (total - float(np.sqrt(np.maximum(between, 0.0)).sum())))
    return (distance / total if total else 0.0) if normalised else distance


def _covariance(codes: Array) -> NDArray[np.float64]:
    """[D, D], dividing by N - 1."""
    values = as_matrix(codes, "codes")
    if len(values) < 2:
        raise ValueError("codes: a covariance needs at least 2 rows, got 1")
    shifted = values - values[0]  # so that equal numbers vary by 0, not by rounding
    return np.atleast_2d(np.cov(shifted, rowvar=False))
