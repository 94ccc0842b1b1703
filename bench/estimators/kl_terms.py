"""The terms of the KL as batches of several sizes estimate them, against the exact ones, code by code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from disbench.metrics import log_gaussian, minibatch_log_densities
from disbench.metrics.aggregate_posterior import LOG_2PI, aggregate_log_densities

from .posteriors import GaussianPosteriors

LogDensities: TypeAlias = Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""(codes [M, D], means, log-variances, N) to log q(z) [M] and sum_j log q(z_j) [M]."""

TERMS = ("mutual_information", "total_correlation", "dimensionwise_kl")


def _weighted(z: Tensor, mean: Tensor, logvar: Tensor, size: int) -> tuple[Tensor, Tensor]:
    return minibatch_log_densities(z, mean, logvar, dataset_size=size, estimator="mws")


def _stratified(z: Tensor, mean: Tensor, logvar: Tensor, size: int) -> tuple[Tensor, Tensor]:
    return minibatch_log_densities(z, mean, logvar, dataset_size=size, estimator="mss")


def _mixture(z: Tensor, mean: Tensor, logvar: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The average over the batch, as if it were the data set: weighted sampling without its log N."""
    return minibatch_log_densities(z, mean, logvar, dataset_size=1, estimator="mws")


def _first_column(z: Tensor, mean: Tensor, logvar: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """1/N to the first row of the batch for every code, not to its own; what is left to the second."""
    rows = len(z)
    log_weights = torch.full((rows, rows), -math.log(rows - 1))
    log_weights[:, 0] = -math.log(size)
    log_weights[:, 1] = math.log((size - rows + 1) / (size * (rows - 1)))
    return _with_weights(z, mean, logvar, log_weights, in_joint=1)


def _every_dimension(z: Tensor, mean: Tensor, logvar: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Right weights, added to each dimension's log densities before the joint's sum: there they count D times."""
    rows = len(z)
    log_weights = torch.full((rows, rows), math.log((size - 1) / (size * (rows - 1))))
    log_weights.fill_diagonal_(-math.log(size))
    return _with_weights(z, mean, logvar, log_weights, in_joint=z.shape[1])


def _with_weights(
    z: Tensor, mean: Tensor, logvar: Tensor, log_weights: Tensor, *, in_joint: int
) -> tuple[Tensor, Tensor]:
    """A row of weights for each code, counted `in_joint` times in the joint; one dimension after another."""
    joint, product = in_joint * log_weights, torch.zeros(len(z))
    for j in range(z.shape[1]):
        densities = log_gaussian(z[:, j, None], mean[:, j], logvar[:, j])
        joint = joint + densities
        product += torch.logsumexp(densities + log_weights, dim=1)
    return torch.logsumexp(joint, dim=1), product


ESTIMATORS: Mapping[str, LogDensities] = {
    "mws": _weighted,
    "mss": _stratified,
    "mixture over the batch": _mixture,
    "mistake: 1/N in column 0": _first_column,
    "mistake: weight in every dimension": _every_dimension,
}
"""By name. The mistakes are those of public copies of stratified sampling, here for comparison alone."""


def kl_terms_bias(
    posteriors: GaussianPosteriors,
    batch_sizes: Sequence[int],
    samples: int,
    seed: int,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """The exact terms of some posteriors, and how far estimates from batches of each size are from them.

    The rows of a draw without replacement, one code each, are cut into batches; a code's exact log densities are
    those under the mixture over all N rows. So errors are differences at the same codes: the choice of codes, the
    largest part of an estimate's spread, is not in them.

    Args:
        posteriors: of the whole data set.
        batch_sizes: each at least 2 and at most half of `samples`.
        samples: codes, at most N; whole batches of them are used.
        seed: of rows and codes.
        say: called with a line after each batch size.

    Returns:
        `name`, `meaning`, `rows`, `latents`, `samples`, `exact` (terms in nats) and `biases`: a mapping for each
        estimator, batch size and term with the mean error and its standard error over batches, in nats.
    """
    mean, logvar = posteriors.mean, posteriors.logvar
    rows, latents = mean.shape
    random = np.random.Generator(np.random.Philox(seed))
    selected = random.permutation(rows)[:samples]
    noise = random.standard_normal((len(selected), latents))
    z = mean[selected] + np.exp(0.5 * logvar[selected]) * noise
    own = -0.5 * (noise**2 + logvar[selected] + LOG_2PI).sum(axis=1)
    joint, marginals = aggregate_log_densities(z, mean, logvar, floor=own, threads=torch.get_num_threads())
    product, prior = marginals.sum(axis=0), -0.5 * (z**2 + LOG_2PI).sum(axis=1)
    exact = _terms(own, joint, product, prior)
    say(f"{posteriors.name}: exact over {rows:,} rows: I(x; z) {exact[0]:.3f} nats")

    centre = mean.mean(axis=0)
    drawn = [
        torch.from_numpy(part).float() for part in (z - centre, mean[selected] - centre, logvar[selected])
    ]
    biases: list[dict[str, Any]] = []
    for size in batch_sizes:
        batches = [slice(start, start + size) for start in range(0, len(z) - size + 1, size)]
        for name, estimator in ESTIMATORS.items():
            errors = np.empty((len(batches), len(TERMS)))
            for number, batch in enumerate(batches):
                here, means, spreads = (part[batch] for part in drawn)
                estimated = [part.double().numpy() for part in estimator(here, means, spreads, rows)]
                truth = _terms(own[batch], joint[batch], product[batch], prior[batch])
                errors[number] = _terms(own[batch], estimated[0], estimated[1], prior[batch]) - truth
            spread = errors.std(axis=0, ddof=1) / math.sqrt(len(batches))
            for number, term in enumerate(TERMS):
                bias = {
                    "bias_nats": float(errors[:, number].mean()),
                    "standard_error_nats": float(spread[number]),
                }
                biases.append({"estimator": name, "batch_size": size, "term": term, **bias})
        say(f"{posteriors.name}: batches of {size}")
    return {
        "name": posteriors.name,
        "meaning": posteriors.meaning,
        "rows": rows,
        "latents": latents,
        "samples": len(z),
        "exact": dict(zip(TERMS, exact.tolist(), strict=True)),
        "biases": biases,
    }


def _terms(own: Any, joint: Any, product: Any, prior: Any) -> Any:
    """I(x; z), total correlation and dimension-wise KL, from log densities of the same codes."""
    return np.array([(own - joint).mean(), (joint - product).mean(), (product - prior).mean()])
