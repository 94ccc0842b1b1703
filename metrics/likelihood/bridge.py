"""The densities between a Gaussian that can be sampled and a model's joint density, and moves that keep them.

f_b(z) = q(z)^(1 - b) p(x, z)^b for b from 0 to 1: the geometric path of annealed importance sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..kl_decomposition import log_gaussian
from .density import Density, values_and_gradients


class Place(NamedTuple):
    """Codes of B chains and what both ends of the path say of them."""

    codes: Tensor
    """[B, D]."""
    log_start: Tensor
    """[B], log q(z), in double precision."""
    log_joint: Tensor
    """[B], log p(x, z), in double precision."""
    joint_gradient: Tensor
    """[B, D], of log p(x, z)."""

    def log_density(self, beta: float) -> Tensor:
        """Log f_beta [B]."""
        return (1.0 - beta) * self.log_start + beta * self.log_joint


@dataclass(frozen=True)
class Bridge:
    """The path for B chains, each with its row's Gaussian."""

    log_joint: Density
    rows: Tensor
    """[B], int64."""
    mean: Tensor
    """[B, D] of the Gaussian at the start."""
    deviation: Tensor
    """[B, D]."""
    at_once: int
    """Codes decoded together."""

    def place(self, codes: Tensor) -> Place:
        """Evaluate both ends at codes [B, D]."""
        log_joint, gradient = values_and_gradients(self.log_joint, codes, self.rows, self.at_once)
        log_start = log_gaussian(codes.double(), self.mean.double(), 2.0 * self.deviation.double().log())
        return Place(codes, log_start.sum(dim=1), log_joint, gradient)

    def gradient(self, place: Place, beta: float) -> Tensor:
        """Of log f_beta with respect to codes in units of the start's deviation, [B, D]."""
        start_gradient = (self.mean - place.codes) / self.deviation.square()
        return self.deviation * ((1.0 - beta) * start_gradient + beta * place.joint_gradient)

    def move(
        self, place: Place, beta: float, step: Tensor, leapfrogs: int, momentum: Tensor, chance: Tensor
    ) -> tuple[Place, Tensor]:
        """One Hamiltonian Monte Carlo transition that leaves f_beta as it is (Neal 2011, section 5.2).

        Args:
            place: where the chains are.
            beta: of the density, 0 .. 1.
            step: [B, 1], length of a leapfrog step in units of the start's deviation.
            leapfrogs: steps of a trajectory.
            momentum: [B, D], standard normal.
            chance: [B], uniform in 0 .. 1.

        Returns:
            Where the chains are then, and the probability [B] with which each was to move. A trajectory that leaves
            the finite numbers is refused.
        """
        before = place.log_density(beta) - 0.5 * momentum.double().square().sum(dim=1)
        ahead, gradient = place, self.gradient(place, beta)
        for _ in range(leapfrogs):
            momentum = momentum + 0.5 * step * gradient
            ahead = self.place(ahead.codes + step * self.deviation * momentum)
            gradient = self.gradient(ahead, beta)
            momentum = momentum + 0.5 * step * gradient
        after = ahead.log_density(beta) - 0.5 * momentum.double().square().sum(dim=1)
        accepted = torch.nan_to_num((after - before).clamp(max=0.0).exp(), nan=0.0)
        moved = chance < accepted
        kept = (
            torch.where(moved if new.ndim == 1 else moved[:, None], new, old)
            for new, old in zip(ahead, place, strict=True)
        )
        return Place(*kept), accepted
