"""KL terms of a hierarchy while they are warmed up: first small, and each group's weighted by what it spends."""

from __future__ import annotations

from torch import Tensor

SHORTFALL = 0.01
"""Nats added to the KL of a group, so that one that is silent still has some weight."""

LEAST = 1e-4
"""Smallest weight of the KL, and the share of the steps for which it stays there."""


def warm_up(step: Tensor, steps: int, share: float) -> Tensor:
    """Weight of the KL at a step, in [1e-4, 1], which grows linearly to 1 over a share of all steps (appendix A)."""
    return ((step - LEAST * steps) / (share * steps)).clamp(LEAST, 1)


def balancing_coefficients(kl: Tensor, sizes: Tensor) -> Tensor:
    """Weights of the groups' KL terms, [L], with mean 1.

    In proportion to a group's KL over its size: who spends more for a code than others pays more, so that no group
    falls silent while another speaks for it (Vahdat and Kautz 2020, appendix A; Vahdat et al. 2018, appendix H).

    Args:
        kl: [L], nats, mean over the batch.
        sizes: [L], codes of each group over the number of groups of its scale, as in the paper's code. (Its text says
            proportional to the size, which its author has called a misprint of inversely proportional.)

    Returns:
        [L] without a gradient, units of 1, higher where the KL term will be reduced.
    """
    weights = (kl.detach().abs() + SHORTFALL) / sizes
    return weights / weights.mean()
