"""The evidence lower bound, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Array, as_logvar, as_matrix
from ..kl_decomposition import gaussian_kl
from .estimate import LogLikelihood


@dataclass(frozen=True)
class ElboTerms:
    """ELBO = -reconstruction - KL, by row and on average, in nats."""

    elbo: LogLikelihood
    """Higher is better; its error is that of the reconstruction, since the KL has none."""
    rows_reconstruction_nats: NDArray[np.float64]
    """[N], -E log p(x | z) under q(z | x), by samples."""
    rows_kl_nats: NDArray[np.float64]
    """[N], KL(q(z | x) || N(0, I)), in closed form."""
    kl_per_dimension_nats: NDArray[np.float64]
    """[D], its parts, mean over rows."""

    @property
    def elbo_nats(self) -> float:
        """Mean over rows."""
        return self.elbo.nats

    @property
    def reconstruction_nats(self) -> float:
        """Mean over rows."""
        return float(self.rows_reconstruction_nats.mean())

    @property
    def kl_nats(self) -> float:
        """Mean over rows."""
        return float(self.rows_kl_nats.mean())


def elbo_terms(log_likelihoods: Array, mean: Array, logvar: Array) -> ElboTerms:
    """The evidence lower bound with its KL in closed form.

    Its expectation is that of the importance-weighted bound at K = 1, its error smaller: there the KL is sampled too.

    Args:
        log_likelihoods: [N, S], log p(x | z) with z ~ q(z | x): a field of `ImportanceSamples`.
        mean: [N, D] of q(z | x); the prior is N(0, I).
        logvar: [N, D], logarithms of its variances.

    Returns:
        The bound and its terms.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN or infinite.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes", eq. 7.
    """
    logs = as_matrix(log_likelihoods, "log_likelihoods")
    means, logvars = as_matrix(mean, "mean"), as_logvar(logvar)
    if means.shape != logvars.shape:
        raise ValueError(
            f"logvar: expected the shape of mean, {list(means.shape)}, got {list(logvars.shape)}"
        )
    if len(logs) != len(means):
        raise ValueError(f"log_likelihoods: expected the {len(means)} rows of mean, got {len(logs)}")
    divergences = gaussian_kl(torch.tensor(means), torch.tensor(logvars)).numpy()
    reconstruction, kl = -logs.mean(axis=1), divergences.sum(axis=1)
    samples = logs.shape[1]
    error = logs.std(axis=1, ddof=1) / np.sqrt(samples) if samples > 1 else np.full(len(logs), np.nan)
    return ElboTerms(LogLikelihood(-reconstruction - kl, error), reconstruction, kl, divergences.mean(axis=0))
