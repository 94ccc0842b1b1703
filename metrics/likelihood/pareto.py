"""How heavy the tail of importance weights is: whether their mean can be trusted at all."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, Floats
from .weights import as_log_weights

PRIOR_WEIGHT, PRIOR_SHAPE = 10.0, 0.5
"""The tail's shape is drawn towards a half as if ten more weights had said so (Vehtari et al. 2024)."""

FEWEST = 25
"""Weights of a row below which there is no tail to speak of."""


def pareto_k(log_weights: Array) -> NDArray[np.float64]:
    """Shape k of the generalised Pareto distribution of a row's largest weights.

    The min(S / 5, 3 sqrt S) largest weights are fitted, over the largest of the others. Weights have a variance where
    k < 1/2, a mean where k < 1. The logarithm of the mean of S weights is usable below `pareto_k_limit(S)`; above it
    the importance-weighted bound has not met the weights that decide it, and its error is not to be believed either.

    Args:
        log_weights: [N, S], logarithms of importance weights, S at least 25.

    Returns:
        [N], lower is better; -infinity where the largest weights are all equal.

    Raises:
        ValueError: not [N, S], fewer than 25 weights, NaN or infinite.

    Reference:
        Vehtari et al. 2024, "Pareto Smoothed Importance Sampling"; the fit is Zhang and Stephens 2009, "A New and
        Efficient Estimation Method for the Generalized Pareto Distribution".
    """
    weights = as_log_weights(log_weights)
    samples = weights.shape[1]
    if samples < FEWEST:
        raise ValueError(f"log_weights: expected {FEWEST} weights a row or more, got {samples}")
    tail = math.ceil(min(0.2 * samples, 3.0 * math.sqrt(samples)))
    ordered = np.partition(weights, samples - tail - 1, axis=1)
    largest = np.sort(ordered[:, samples - tail :], axis=1)
    ratios = np.exp(largest - largest[:, -1:])
    excess = ratios - np.exp(ordered[:, [samples - tail - 1]] - largest[:, -1:])
    shape = np.full(len(weights), -np.inf)
    spread = excess[:, -1] > np.finfo(np.float64).eps * tail
    if spread.any():
        shape[spread] = _fitted_shape(excess[spread])
    return shape


def pareto_k_limit(samples: int) -> float:
    """The largest k at which the mean of S weights is usable: 1 - 1 / log10(S), at most 0.7 (Vehtari et al. 2024)."""
    return min(1.0 - 1.0 / math.log10(samples), 0.7)


def _fitted_shape(excess: Floats) -> Floats:
    """Shape of a generalised Pareto distribution of values [n, M] above 0, ascending; [n].

    With 1 - theta x = (1 - k x / sigma) for theta = -k / sigma, the profile likelihood of theta is averaged over a
    grid that a weak prior places by the first quartile.
    """
    count = excess.shape[1]
    points = 30 + int(math.sqrt(count))
    quartile = np.maximum(excess[:, int(count / 4 + 0.5) - 1], np.finfo(np.float64).tiny)
    grid = 1.0 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    theta = 1.0 / excess[:, -1:] + grid / (3.0 * quartile[:, None])  # [n, points], below 1 / max
    shapes = np.stack([np.log1p(-column[:, None] * excess).mean(axis=1) for column in theta.T], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = count * (np.log(-theta / shapes) - shapes - 1.0)
    profile = np.where(np.isfinite(profile), profile, -np.inf)
    weights = np.exp(profile - profile.max(axis=1, keepdims=True))
    best = (theta * weights).sum(axis=1) / weights.sum(axis=1)
    shape = np.log1p(-best[:, None] * excess).mean(axis=1)
    return np.asarray((count * shape + PRIOR_WEIGHT * PRIOR_SHAPE) / (count + PRIOR_WEIGHT))
