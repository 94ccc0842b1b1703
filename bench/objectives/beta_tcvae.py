"""The evidence bound with a weight on its total correlation alone."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from disbench.metrics import minibatch_log_densities

from ..models import ForwardPass
from .setting import Setting
from .terms import kl, reconstruction


def beta_tcvae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, estimator: Literal["mws", "mss"]
) -> Tensor:
    """-log p(x | z) + KL(q(z | x) || p(z)) + (beta - 1) TC(z); strength is beta (Chen et al. 2018, eq. 4).

    The KL is analytic and only the total correlation is estimated from the minibatch, as in the unsupervised study,
    so beta = 1 is exactly the VAE. `estimator`: minibatch weighted or (correct) stratified sampling.
    """
    log_joint, log_marginals = minibatch_log_densities(
        outcome.codes, outcome.mean, outcome.logvar, dataset_size=setting.dataset_size, estimator=estimator
    )
    total_correlation = (log_joint - log_marginals).mean()
    return reconstruction(outcome) + kl(outcome).sum() + (strength - 1) * total_correlation
