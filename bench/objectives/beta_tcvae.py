"""The evidence bound with a weight on its total correlation alone."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from disbench.metrics import log_gaussian, minibatch_log_densities

from ..models import ForwardPass
from .miscounted_mss import miscounted_log_densities
from .setting import Setting
from .terms import kl, reconstruction
from .warmup import warmth


def beta_tcvae(
    outcome: ForwardPass,
    strength: Tensor,
    setting: Setting,
    *,
    estimator: Literal["mws", "mss", "mss_public_copies"],
    warmup_steps: float | None = None,
) -> Tensor:
    """-log p(x | z) + KL(q(z | x) || p(z)) + (beta - 1) TC(z) - (1 - w) DWKL(z); strength is beta.

    The KL is analytic and only the total correlation is estimated from the minibatch, as in the unsupervised study,
    so beta = 1 is exactly the VAE.

    Args:
        outcome: forward pass of a batch.
        strength: beta.
        setting: N, the data set's size, and the step.
        estimator: minibatch weighted sampling, (correct) stratified sampling, or "mss_public_copies": stratified
            sampling with the two mistakes of public PyTorch copies (`miscounted_log_densities`), to make their numbers.
        warmup_steps: w grows from 0 to 1 over so many updates (`warmth`); off by default, w = 1, and then nothing is
            estimated but the total correlation. It is the weight of the dimension-wise KL alone, estimated likewise:
            mutual information counts in full from the first update and the total correlation with beta, as in
            disentangling-vae.

    Reference:
        Chen et al. 2018, eq. 4 with alpha = gamma = 1. Public code sums three estimates, MI + beta TC + w DWKL. As
        MI + TC + DWKL is log q(z | x) - log p(z) at the sample whatever stands for q(z), that sum less ours is this
        log ratio less its mean over noise, the KL: equal in expectation, and ours has the less noise.
    """
    sample = (outcome.codes, outcome.mean, outcome.logvar)
    if estimator == "mss_public_copies":
        log_joint, log_marginals = miscounted_log_densities(*sample, dataset_size=setting.dataset_size)
    else:
        log_joint, log_marginals = minibatch_log_densities(
            *sample, dataset_size=setting.dataset_size, estimator=estimator
        )
    total_correlation = (log_joint - log_marginals).mean()
    loss = reconstruction(outcome) + kl(outcome).sum() + (strength - 1) * total_correlation
    if warmup_steps is None:
        return loss
    nothing = torch.zeros_like(outcome.codes)
    prior = log_gaussian(outcome.codes, nothing, nothing).sum(dim=1)
    return loss - (1 - warmth(setting, warmup_steps)) * (log_marginals - prior).mean()
