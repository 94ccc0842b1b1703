"""Mutual information of Gaussian posteriors with factors, from their densities instead of codes, in nats."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

from ..aggregate_posterior import log_marginal_sum
from ..arrays import (
    Array,
    Floats,
    Integers,
    as_factors,
    as_logvar,
    as_matrix,
    ranks,
    require_at_least,
    require_equal_rows,
)
from .binned import joint_information

WIDTH = 2**12
"""Rows in work at once."""


def posterior_information(
    mean: Array, logvar: Array, factors: Array, *, samples: int = 10_000, seed: int = 0
) -> NDArray[np.float64]:
    """I(z_j; v_k) with z_j ~ q(z_j | x), the aggregate and each class's aggregate as mixtures over all rows.

    E[log q(z_j | v_k) - log q(z_j)] over posterior samples: q(z_j) is the mean of q(z_j | x_n) over all N rows,
    q(z_j | v_k) over those of the class. Exact densities, no bins; the expectation alone is sampled.

    Rows that are a sample of a data set bias it upwards where posteriors are narrower than the distance between
    neighbouring means: each sample then knows its own row, hence the class. A deterministic code of a whole data set,
    all of whose values differ, truly has I = H(v_k) for every factor.

    Args:
        mean: [N, D] posterior means.
        logvar: [N, D] logarithms of posterior variances.
        factors: [N, K], whole-number classes.
        samples: rows drawn without replacement, one posterior sample each, at most N. Standard error: about
            1 / sqrt(samples) nats.
        seed: of rows and samples.

    Returns:
        [D, K] in nats, at least 0.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, or factors that are no whole numbers.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", section 4 and appendix. Their code draws
        10,000 samples for the aggregate and for each class; here the same samples serve both, so that their noise
        largely cancels.
    """
    means, logvars, classes = as_posterior(mean, logvar, factors)
    rows, dimensions = means.shape
    samples = min(require_at_least("samples", samples, 1), rows)
    random = np.random.Generator(np.random.Philox(seed))
    selected = random.permutation(rows)[:samples]
    noise = random.standard_normal((samples, dimensions))
    means = means - means.mean(axis=0)
    z = means[selected] + np.exp(0.5 * logvars[selected]) * noise
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        latents = pool.map(
            partial(_of_latent, own=classes[selected], classes=classes), z.T, means.T, logvars.T
        )
        return np.maximum(np.stack(list(latents)), 0.0)


def _of_latent(z: Floats, mean: Floats, logvar: Floats, *, own: Integers, classes: Integers) -> Floats:
    """I(z_j; v_k) of one latent, [K]: codes [S] of classes `own` [S, K], posteriors [N] of `classes` [N, K]."""
    aggregate = log_marginal_sum(z, mean, logvar, np.float64) - np.log(len(mean))
    conditional = np.empty(own.shape)
    for k, labels in enumerate(classes.T):
        for label in np.unique(own[:, k]):
            drawn, members = own[:, k] == label, labels == label
            summed = log_marginal_sum(z[drawn], mean[members], logvar[members], np.float64)
            conditional[drawn, k] = summed - np.log(members.sum())
    nats: Floats = (conditional - aggregate[:, None]).mean(axis=0)
    return nats


def posterior_bin_information(
    mean: Array, logvar: Array, factors: Array, *, bins: int = 100, limit: float = 4.0
) -> NDArray[np.float64]:
    """I(bin of z_j; v_k) with z_j ~ q(z_j | x), the posterior's mass of each bin in closed form.

    Args:
        mean: [N, D] posterior means.
        logvar: [N, D] logarithms of posterior variances.
        factors: [N, K], whole-number classes.
        bins: equal-width bins between -limit and limit, fixed by the prior and not by the codes; what lies outside
            falls into the outermost two.
        limit: in standard deviations of the prior.

    Returns:
        [D, K] in nats, at least 0. No sampling of codes; rows that are a sample of a data set bias it upwards as any
        plug-in estimate, less so the wider the posteriors.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, fewer than
            2 bins, or a limit that is not above 0.

    Reference:
        Do and Tran 2020, "Theory and Evaluation Metrics for Learning Disentangled Representations", appendix. Their
        code takes the density at a bin's centre for its mass and scales the masses of a row to 1, which differs where
        posteriors are not wider than bins (0.08 by default) or reach beyond the limits.
    """
    means, logvars, classes = as_posterior(mean, logvar, factors)
    if not limit > 0:
        raise ValueError(f"limit: expected a number above 0, got {limit}")
    edges = np.linspace(-limit, limit, require_at_least("bins", bins, 2) + 1)[1:-1]
    sizes = classes.max(axis=0) + 1
    joint = np.zeros(
        (means.shape[1], sizes.sum(), bins)
    )  # of a bin and a class, for every class of every factor
    for start in range(0, len(means), WIDTH):
        block = slice(start, start + WIDTH)
        members = np.hstack(
            [np.eye(size)[labels] for size, labels in zip(sizes, classes[block].T, strict=True)]
        )
        for j, (centre, width) in enumerate(
            zip(means[block].T, np.exp(-0.5 * logvars[block]).T, strict=True)
        ):
            below = ndtr((edges - centre[:, None]) * width[:, None])
            joint[j] += members.T @ np.diff(below, axis=1, prepend=0.0, append=1.0)
    joint /= len(means)
    ends = itertools.pairwise(np.concatenate(([0], np.cumsum(sizes))))
    return np.stack(
        [[joint_information(table[first:last]) for table in joint] for first, last in ends], axis=1
    )


def as_posterior(mean: Array, logvar: Array, factors: Array) -> tuple[Floats, Floats, Integers]:
    """Checked posterior means, log variances and classes from 0; ValueError where they do not fit."""
    means, logvars, classes = as_matrix(mean, "mean"), as_logvar(logvar), as_factors(factors)
    if means.shape != logvars.shape:
        raise ValueError(
            f"logvar: expected the shape of mean, {list(means.shape)}, got {list(logvars.shape)}"
        )
    require_equal_rows(mean=means, factors=classes)
    return means, logvars, ranks(classes)
