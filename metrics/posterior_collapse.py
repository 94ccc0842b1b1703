"""Which latent dimensions a model uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, as_matrix


def mean_variance(mean: Array) -> NDArray[np.float64]:
    """Var_x(E_q[z_j | x]), the activity of every latent dimension (dividing by N).

    Args:
        mean: [N, D] posterior means.

    Returns:
        [D], at least 0; near 0 for a dimension that ignores its input.

    Reference:
        Burda et al. 2016, "Importance Weighted Autoencoders", section 5.2.
    """
    values = as_matrix(mean, "mean")
    return np.asarray(
        (values - values[0]).var(axis=0)
    )  # shifted, so that equal numbers vary by 0, not by rounding


def active_units(mean: Array, *, threshold: float = 0.01) -> int:
    """Number of latent dimensions whose posterior mean varies over the data: Var_x(E_q[z_j | x]) > threshold.

    A count of dimensions, never a sum of their values.

    Args:
        mean: [N, D] posterior means.
        threshold: variance above which a dimension is active; 0.01 in the paper.

    Returns:
        0 .. D; neither direction is better in itself.

    Reference:
        Burda et al. 2016, "Importance Weighted Autoencoders", section 5.2.
    """
    return int((mean_variance(mean) > threshold).sum())
