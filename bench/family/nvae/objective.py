"""What NVAE minimises."""

from __future__ import annotations

import torch
from torch import Tensor

from ...models import KL_NATS, ForwardPass
from ...objectives import Setting, reconstruction
from .balancing import balancing_coefficients, warm_up


def nvae(
    outcome: ForwardPass,
    strength: Tensor,
    setting: Setting,
    *,
    warm_up_share: float,
    spectral: float,
    balancing: str,
) -> Tensor:
    """-log p(x | z) + w sum_l gamma_l KL_l + lambda (spectral norms + scales of norms); it has no strength.

    Vahdat and Kautz 2020, equation 1 with section 3.2 and appendix A. When the warm-up is over w and all gamma are 1,
    and what is left is the evidence bound and the penalty.

    Args:
        outcome: of `NVAE`.
        strength: none.
        setting: the step, and all of them.
        warm_up_share: of the steps in which w grows to 1; the paper's is 0.3.
        spectral: lambda, of the sum over kernels of the largest singular value and over batch normalisations of the
            largest |gamma|.
        balancing: whether the gamma balance the groups during the warm-up, "on" or "off".
    """
    kl = outcome.extra[KL_NATS].mean(dim=0)
    weight = warm_up(setting.step, setting.steps, warm_up_share)
    gamma = torch.ones_like(kl)
    if balancing == "on":
        balanced = balancing_coefficients(kl, outcome.extra["group_shares"])
        gamma = torch.where(weight < 1, balanced, gamma)
    penalty = outcome.extra["spectral_norms"] + outcome.extra["largest_scales"]
    return reconstruction(outcome) + weight * (gamma * kl).sum() + spectral * penalty
