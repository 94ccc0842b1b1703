"""The importance-weighted bound on log p(x), for any number of samples, from one set of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..arrays import Array, Floats, require_at_least
from ..kl_decomposition import log_gaussian
from .density import Density, require_gaussians, standard_normal, values_of
from .estimate import Convergence, LogLikelihood, require_ascending
from .row_noise import RowNoise, require_seed
from .weights import as_log_weights, log_mean, log_mean_error

CELLS = 2**22
"""Numbers in memory at once, beside those handed in or returned."""


def importance_weighted_bound(log_weights: Array, samples: int | None = None) -> LogLikelihood:
    """E log 1/K sum_k w_k, a lower bound on log p(x): the ELBO at K = 1, log p(x) itself as K grows.

    The S weights of a row are cut into groups of K, and the bound is the mean over groups of the logarithm of the
    group's mean weight: the unbiased estimate of the K-sample bound that uses them all. (Estimates from the first K
    weights alone have as many times the variance as there are groups.) Where K does not divide S the last S mod K
    weights are in no group.

    Args:
        log_weights: [N, S], log p(x | z) + log p(z) - log q(z | x) with z ~ q(z | x).
        samples: K, 1 .. S; S when left out.

    Returns:
        log p(x) by row, in nats; higher is better, since in expectation it never exceeds the truth. Errors by row are
        those of the mean over groups; with a single group, by the delta method, which reads low where
        `pareto_k` is high.

    Raises:
        ValueError: not [N, S], NaN or infinite, or K out of range.

    Reference:
        Burda et al. 2016, "Importance Weighted Autoencoders", eq. 8. Their code evaluates K = 5000 in one group.
    """
    weights = as_log_weights(log_weights)
    available = weights.shape[1]
    size = available if samples is None else require_at_least("samples", samples, 1)
    if size > available:
        raise ValueError(f"samples: expected at most the {available} weights of a row, got {size}")
    parts = [_grouped(some, size) for some in _blocks(weights)]
    nats, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return LogLikelihood(nats, errors)


def importance_weighted_curve(
    log_weights: Array, samples: Sequence[int] | None = None
) -> Convergence[LogLikelihood]:
    """The bound over the number of samples: flat where more samples change nothing.

    Args:
        log_weights: [N, S], as of `importance_weighted_bound`.
        samples: the K, ascending; 1, 2, 5, 10, 20, ... up to S, and S, when left out.

    Returns:
        The bound at each K. It rises with K in expectation. Where weights have a variance the gap to log p(x) falls
        as 1/K (Nowozin 2018): what the last doubling of K gained is then about what is left to gain.

    Raises:
        ValueError: not [N, S], NaN or infinite, or numbers of samples that are not ascending in 1 .. S.

    Reference:
        Burda et al. 2016, "Importance Weighted Autoencoders", theorem 1 (monotone in K, and the limit).
    """
    available = as_log_weights(log_weights).shape[1]
    sizes = default_sizes(available) if samples is None else require_ascending("samples", samples)
    bounds = tuple(importance_weighted_bound(log_weights, size) for size in sizes)
    return Convergence("importance samples", sizes, bounds)


def default_sizes(most: int) -> tuple[int, ...]:
    """1, 2, 5, 10, 20, 50, ... and `most`."""
    steps = (digit * 10**power for power in range(len(str(most))) for digit in (1, 2, 5))
    return (*(size for size in steps if size < most), most)


@dataclass(frozen=True)
class ImportanceSamples:
    """What S draws of z ~ q(z | x) say of each of N rows, [N, S] each, in nats."""

    log_likelihoods: NDArray[np.float64]
    """Log p(x | z)."""
    log_priors: NDArray[np.float64]
    """Log p(z)."""
    log_posteriors: NDArray[np.float64]
    """Log q(z | x)."""

    @property
    def log_weights(self) -> NDArray[np.float64]:
        """Log p(x | z) + log p(z) - log q(z | x)."""
        return self.log_likelihoods + self.log_priors - self.log_posteriors


def draw_importance_samples(
    log_likelihood: Density,
    mean: Tensor,
    logvar: Tensor,
    *,
    samples: int = 1_000,
    log_prior: Density = standard_normal,
    seed: int = 0,
    batch_size: int = 1_024,
) -> ImportanceSamples:
    """Draw codes from Gaussian posteriors and weigh them: the input of everything in this file.

    Args:
        log_likelihood: (codes [B, D], rows [B]) to log p(x_row | z) [B] in nats, on the device of `mean`.
        mean: [N, D] of q(z | x).
        logvar: [N, D], logarithms of its variances.
        samples: S.
        log_prior: (codes, rows) to log p(z) [B]; N(0, I) when left out.
        seed: of the draws. A row's first samples are the same whatever their number and the other rows.
        batch_size: codes decoded at once; changes no number beyond rounding.

    Returns:
        The three terms of the weights, each [N, S]. Sums are taken in double precision.

    Raises:
        ValueError: tensors that do not fit, or a density that returns something else than one number a code.
    """
    require_gaussians(mean, logvar)
    samples, at_once = require_at_least("samples", samples, 1), require_at_least("batch_size", batch_size, 1)
    noise = RowNoise(require_seed(seed), "importance", 0, range(len(mean)), mean)
    terms: list[tuple[Tensor, ...]] = []
    together = max(1, CELLS // mean.numel())
    for start in range(0, samples, together):
        drawn = noise.normal(min(together, samples - start), mean.shape[1])
        terms.append(_weighed(drawn, log_likelihood, log_prior, mean, logvar, at_once))
    columns = (torch.cat(part, dim=1).cpu().numpy() for part in zip(*terms, strict=True))
    return ImportanceSamples(*columns)


def _weighed(
    noise: Tensor, log_likelihood: Density, log_prior: Density, mean: Tensor, logvar: Tensor, at_once: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The three terms, each [N, s], of standard normal noise [N, s, D]."""
    count = noise.shape[1]
    codes = (mean[:, None] + torch.exp(0.5 * logvar)[:, None] * noise).flatten(0, 1)
    rows = torch.arange(len(mean), device=mean.device).repeat_interleave(count)
    standard = noise.double()
    log_noise = log_gaussian(standard, torch.zeros_like(standard), torch.zeros_like(standard))
    return (
        values_of(log_likelihood, codes, rows, at_once, "log_likelihood").unflatten(0, (-1, count)),
        values_of(log_prior, codes, rows, at_once, "log_prior").unflatten(0, (-1, count)),
        (log_noise - 0.5 * logvar.double()[:, None]).sum(dim=2),
    )


def _grouped(weights: Floats, size: int) -> tuple[Floats, Floats]:
    """Mean over groups of their log mean weight, and its standard error; each [n]."""
    groups = weights.shape[1] // size
    logs = log_mean(weights[:, : groups * size].reshape(-1, groups, size))
    if groups == 1:
        return logs[:, 0], log_mean_error(weights[:, :size])
    return logs.mean(axis=1), logs.std(axis=1, ddof=1) / np.sqrt(groups)


def _blocks(weights: Floats) -> list[Floats]:
    """Rows in parts of at most `CELLS` weights."""
    rows = max(1, CELLS // weights.shape[1])
    return [weights[start : start + rows] for start in range(0, len(weights), rows)]
