"""Mutual information of Gaussian posteriors with factors, from their densities instead of codes, in nats."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from ..arrays import (
    Array,
    Floats,
    Integers,
    as_factors,
    as_matrix,
    ranks,
    require_at_least,
    require_equal_rows,
)
from .binned import joint_information

CELLS = 2**22
"""Densities in memory at once."""


def posterior_information(
    mean: Array, logvar: Array, factors: Array, *, samples: int = 2_000, seed: int = 0
) -> NDArray[np.float64]:
    """I(z_j; v_k) with z_j ~ q(z_j | x), the aggregate and each class's aggregate as mixtures over all rows.

    E[log q(z_j | v_k) - log q(z_j)] over posterior samples: q(z_j) is the mean of q(z_j | x_n) over all N rows,
    q(z_j | v_k) over those of the class. Exact densities, no bins; the expectation alone is sampled.

    Args:
        mean: [N, D] posterior means; on a CUDA device the work is done there.
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
        Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", section 4 and appendix.
    """
    means, logvars, classes = as_posterior(mean, logvar, factors)
    rows, dimensions = means.shape
    samples = min(require_at_least("samples", samples, 1), rows)
    random = np.random.Generator(np.random.Philox(seed))
    selected = random.permutation(rows)[:samples]
    noise = random.standard_normal((samples, dimensions))
    device = mean.device if isinstance(mean, Tensor) else torch.device("cpu")

    centred = means - means.mean(axis=0)
    widest = -0.5 * logvars
    widest -= widest.max(axis=0)  # a common factor of all densities cancels
    z = centred[selected] + np.exp(0.5 * logvars[selected]) * noise
    scale = np.sqrt(0.5) * np.exp(-0.5 * logvars)
    tables = [
        torch.from_numpy(table.T.astype(np.float32)).to(device) for table in (z, centred, scale, widest)
    ]
    members = _one_hot(classes).to(device)  # [N, classes of all factors]
    starts = np.concatenate(([0], np.cumsum(classes.max(axis=0) + 1)[:-1]))
    own = torch.from_numpy(classes[selected] + starts).to(device)
    logged = torch.from_numpy(np.log(rows / members.sum(dim=0).cpu().numpy().astype(np.float64))).to(device)

    information = np.empty((dimensions, classes.shape[1]))
    for j, (codes, centre, width, height) in enumerate(zip(*tables, strict=True)):
        terms = torch.zeros(classes.shape[1], dtype=torch.float64, device=device)
        for some in torch.arange(samples, device=device).split(max(1, CELLS // rows)):
            densities = codes[some, None] - centre
            densities.mul_(width).square_().neg_().add_(height).exp_()
            tiny = torch.finfo(densities.dtype).tiny
            whole = densities.sum(dim=1, keepdim=True).clamp_min(tiny).double()
            within = (densities @ members).gather(1, own[some]).clamp_min(tiny).double()
            terms += (within.log() - whole.log() + logged[own[some]]).sum(dim=0)
        information[j] = terms.cpu().numpy() / samples
    return np.maximum(information, 0.0)


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
        Do and Tran 2020, "Theory and Evaluation Metrics for Learning Disentangled Representations", appendix.
    """
    means, logvars, classes = as_posterior(mean, logvar, factors)
    if not limit > 0:
        raise ValueError(f"limit: expected a number above 0, got {limit}")
    edges = np.linspace(-limit, limit, require_at_least("bins", bins, 2) + 1)[1:-1]
    members = _one_hot(classes).numpy()
    starts = np.concatenate(([0], np.cumsum(classes.max(axis=0) + 1)))
    information = np.empty((means.shape[1], classes.shape[1]))
    for j, (centre, width) in enumerate(zip(means.T, np.exp(-0.5 * logvars).T, strict=True)):
        below = ndtr((edges - centre[:, None]) * width[:, None])
        masses = np.diff(below, axis=1, prepend=0.0, append=1.0)
        joint = members.T.astype(np.float64) @ masses / len(means)  # [classes of all factors, bins]
        information[j] = [joint_information(joint[start:end]) for start, end in itertools.pairwise(starts)]
    return information


def as_posterior(mean: Array, logvar: Array, factors: Array) -> tuple[Floats, Floats, Integers]:
    """Checked posterior means, log variances and classes from 0; ValueError where they do not fit."""
    means, logvars, classes = as_matrix(mean, "mean"), as_matrix(logvar, "logvar"), as_factors(factors)
    if means.shape != logvars.shape:
        raise ValueError(
            f"logvar: expected the shape of mean, {list(means.shape)}, got {list(logvars.shape)}"
        )
    require_equal_rows(mean=means, factors=classes)
    return means, logvars, ranks(classes)


def _one_hot(classes: Integers) -> Tensor:
    """Which class of which factor each row is in: [N, classes of all factors]."""
    parts = [np.eye(column.max() + 1, dtype=np.float32)[column] for column in classes.T]
    return torch.from_numpy(np.hstack(parts))
