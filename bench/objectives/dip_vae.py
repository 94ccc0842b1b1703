"""The evidence bound with a penalty on the covariance of codes."""

from __future__ import annotations

import torch
from torch import Tensor

from ..models import ForwardPass
from .setting import Setting
from .terms import kl, reconstruction
from .warmup import warmth


def dip_vae_i(
    outcome: ForwardPass,
    strength: Tensor,
    setting: Setting,
    *,
    diagonal_ratio: float,
    warmup_steps: float | None = None,
) -> Tensor:
    """-log p(x | z) + KL + w times a penalty on Cov[mean(x)]; strength is lambda_od (Kumar et al. 2018, eq. 6).

    lambda_d is `diagonal_ratio` times lambda_od.

    `warmup_steps`: w grows from 0 to 1 over so many updates (`warmth`); off by default, w = 1.
    """
    penalty = distance_to_identity(covariance(outcome.mean), diagonal_ratio)
    return reconstruction(outcome) + kl(outcome).sum() + warmth(setting, warmup_steps) * strength * penalty


def dip_vae_ii(
    outcome: ForwardPass,
    strength: Tensor,
    setting: Setting,
    *,
    diagonal_ratio: float,
    warmup_steps: float | None = None,
) -> Tensor:
    """-log p(x | z) + KL + w times a penalty on Cov[z]; strength is lambda_od (Kumar et al. 2018, eq. 7).

    Cov[z] = Cov[mean(x)] + E[diag(variance(x))]; lambda_d is `diagonal_ratio` times lambda_od. `warmup_steps` as in
    `dip_vae_i`.
    """
    of_codes = covariance(outcome.mean) + torch.diag(outcome.logvar.exp().mean(dim=0))
    penalty = distance_to_identity(of_codes, diagonal_ratio)
    return reconstruction(outcome) + kl(outcome).sum() + warmth(setting, warmup_steps) * strength * penalty


def covariance(values: Tensor) -> Tensor:
    """Covariance over a batch [B, D] of its columns, [D, D], divided by B."""
    centred = values - values.mean(dim=0)
    return centred.T @ centred / len(values)


def distance_to_identity(matrix: Tensor, diagonal_ratio: float) -> Tensor:
    """Sum of squares off the diagonal of [D, D], plus `diagonal_ratio` times that of (diagonal - 1)."""
    diagonal = matrix.diagonal()
    off_diagonal = matrix.square().sum() - diagonal.square().sum()
    return off_diagonal + diagonal_ratio * (diagonal - 1).square().sum()
