"""Weights in logarithms: their mean, its error, and how many of them count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, Floats, as_matrix


def log_sum_exp(values: NDArray[np.float64]) -> Floats:
    """Over the last axis."""
    peak = values.max(axis=-1, keepdims=True)
    total: Floats = np.log(np.exp(values - peak).sum(axis=-1)) + peak[..., 0]
    return total


def log_mean(log_weights: NDArray[np.float64]) -> Floats:
    """Logarithm of the mean weight over the last axis."""
    return log_sum_exp(log_weights) - np.log(log_weights.shape[-1])


def log_mean_error(log_weights: NDArray[np.float64]) -> Floats:
    """Standard error of `log_mean`, [N], by the delta method: deviation of the mean weight over the mean weight.

    With S weights of which E are effective it is sqrt((S / E - 1) / (S - 1)). NaN for a single weight. It takes the
    variance from the same weights: where the largest ones have not been met yet, it reads low.
    """
    samples = log_weights.shape[-1]
    if samples < 2:
        return np.full(log_weights.shape[:-1], np.nan)
    spread = samples / effective_samples(log_weights) - 1.0
    return np.asarray(np.sqrt(np.maximum(spread, 0.0) / (samples - 1)))


def effective_samples(log_weights: NDArray[np.float64]) -> Floats:
    """(sum w)^2 / sum w^2 over the last axis."""
    return np.asarray(np.exp(2.0 * log_sum_exp(log_weights) - log_sum_exp(2.0 * log_weights)))


def effective_sample_size(log_weights: Array) -> NDArray[np.float64]:
    """How many equal weights would estimate their mean as well: (sum w)^2 / sum w^2.

    Args:
        log_weights: [N, S], logarithms of importance or annealing weights.

    Returns:
        [N], 1 .. S, higher is better: S where the proposal is the posterior, 1 where a single weight outweighs all
        others. The weights that were never drawn are not in it, so a large value is no proof of a good proposal.

    Raises:
        ValueError: not [N, S], NaN or infinite.

    Reference:
        Kong 1992, "A note on importance sampling using standardized weights".
    """
    return np.clip(effective_samples(as_log_weights(log_weights)), 1.0, np.shape(log_weights)[1])


def as_log_weights(values: Any) -> Floats:
    """Checked logarithms of weights [N, S] in double precision; ValueError where they cannot be used."""
    return as_matrix(values, "log_weights")
