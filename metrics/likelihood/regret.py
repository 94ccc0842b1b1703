"""Likelihood regret: how many nats the best posterior of an input gains over the encoder's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..arrays import require_at_least
from ..kl_decomposition import gaussian_kl
from .density import Density, require_gaussians
from .row_noise import RowNoise, require_seed


@dataclass(frozen=True)
class LikelihoodRegret:
    """What optimising q(z | x) for one input at a time gains; N inputs, D latents."""

    rows_nats: NDArray[np.float64]
    """[N], at least 0: the best ELBO found less the encoder's."""
    rows_elbo_nats: NDArray[np.float64]
    """[N], the encoder's."""
    mean: Tensor
    """[N, D], of the best posterior found."""
    logvar: Tensor
    """[N, D]."""


def likelihood_regret(
    log_likelihood: Density,
    mean: Tensor,
    logvar: Tensor,
    *,
    steps: int = 100,
    learning_rate: float = 0.1,
    draws: int = 16,
    seed: int = 0,
    batch_size: int = 1_024,
) -> LikelihoodRegret:
    """ELBO of the best Gaussian posterior of each input, less that of the encoder's: max_tau L(x; tau) - L(x; phi).

    The decoder stays as it is; mean and log-variance of one input's q(z | x) are free and climb the ELBO by Adam from
    what the encoder says. Inputs that the encoder has learnt to infer leave little to gain; on others it is wrong.

    The expectation of log p(x | z) is over fixed draws in antithetic pairs, the same for every posterior that is
    tried, so that the gain is that of one function, and never negative: the encoder's own posterior is among those
    tried. Where there are as many pairs as latents their second moments are made exactly those of N(0, I), and the
    average is exact for every quadratic log p(x | z), a linear decoder's among them.

    Args:
        log_likelihood: (codes [B, D], rows [B]) to log p(x_row | z) [B] in nats, differentiable in codes, on the
            device of `mean`.
        mean: [N, D] of the encoder's q(z | x); the prior is N(0, I).
        logvar: [N, D], logarithms of its variances.
        steps: of Adam, from 0; its step length falls to nothing along half a cosine.
        learning_rate: of its first step, in units of codes and of logarithms of variances; above 0.
        draws: codes an input behind each ELBO, an even number.
        seed: of the draws. An input's are the same whatever stands beside it.
        batch_size: codes decoded at once; changes no number beyond rounding.

    Returns:
        The gain by row in nats, from 0; higher is farther from what the encoder was trained on.

    Raises:
        ValueError: tensors that do not fit, numbers out of range, or a density without a gradient.

    Reference:
        Xiao et al. 2020, "Likelihood Regret: An Out-of-Distribution Detection Score For Variational Auto-encoder",
        with the mean and variance themselves for what is optimised. The authors' code tunes a copy of the whole
        encoder for each image instead, draws anew at every step, and takes the gain of the importance-weighted bound
        and not of the ELBO, so that it may be negative.
    """
    require_gaussians(mean, logvar)
    require_at_least("steps", steps, 0)
    pairs, odd = divmod(require_at_least("draws", draws, 2), 2)
    if odd:
        raise ValueError(f"draws: expected an even number, got {draws}")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate: expected a number above 0, got {learning_rate}")
    at_once = max(1, require_at_least("batch_size", batch_size, 1) // draws)
    rows = torch.arange(len(mean), device=mean.device)
    parts = []
    for some in rows.split(at_once):
        noise = RowNoise(require_seed(seed), "regret", 0, some.tolist(), mean).normal(pairs, mean.shape[1])
        climb = _Climb(log_likelihood, some, _matched(noise), mean[some], logvar[some])
        parts.append(climb.best(steps, learning_rate))
    first, last, best_mean, best_logvar = (torch.cat(part) for part in zip(*parts, strict=True))
    return LikelihoodRegret((last - first).cpu().numpy(), first.cpu().numpy(), best_mean, best_logvar)


def _matched(noise: Tensor) -> Tensor:
    """Normal numbers [n, P, D] with their negatives, [n, 2 P, D], of unit second moments where P >= D."""
    pairs, latents = noise.shape[1:]
    if pairs >= latents:
        exact = noise.double()
        factor = torch.linalg.cholesky(
            exact.mT @ exact / pairs
        )  # M = L L^T, and noise L^-T has the moments I
        exact = torch.linalg.solve_triangular(factor, exact.mT, upper=False).mT
        noise = exact.to(noise.dtype)
    return torch.cat([noise, -noise], dim=1)


class _Climb:
    """Gradient ascent on the ELBO of some rows, each by itself: Adam acts on every number alone."""

    def __init__(
        self, log_likelihood: Density, rows: Tensor, noise: Tensor, mean: Tensor, logvar: Tensor
    ) -> None:
        self.log_likelihood, self.noise, self.start = log_likelihood, noise, (mean, logvar)
        self.rows = rows.repeat_interleave(noise.shape[1])

    def elbo(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """[n], in double precision."""
        codes = mean[:, None] + torch.exp(0.5 * logvar)[:, None] * self.noise
        values = self.log_likelihood(codes.flatten(0, 1), self.rows)
        if mean.requires_grad and not values.requires_grad:
            raise ValueError("log_likelihood: must be differentiable in codes, got values without a gradient")
        return values.double().unflatten(0, (len(mean), -1)).mean(dim=1) - gaussian_kl(mean, logvar).sum(
            dim=1
        )

    def best(self, steps: int, learning_rate: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ELBO at the start [n] and at the best place [n], and that place's mean and log-variance [n, D]."""
        place = best = [part.detach() for part in self.start]
        moments = [(torch.zeros_like(part), torch.zeros_like(part)) for part in place]
        first = highest = torch.full_like(place[0][:, 0], -math.inf, dtype=torch.float64)
        for step in range(steps + 1):
            with torch.enable_grad():
                leaves = [part.detach().requires_grad_() for part in place]
                live = self.elbo(*leaves)
            values = live.detach()
            first = values if step == 0 else first
            better = values > highest  # never where the ELBO is no number
            highest = torch.where(better, values, highest)
            best = [torch.where(better[:, None], new, old) for new, old in zip(place, best, strict=True)]
            if step == steps:
                break
            gradients = torch.autograd.grad(live, leaves, torch.ones_like(live))
            moments = [_moved(pair, gradient) for pair, gradient in zip(moments, gradients, strict=True)]
            rate = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            place = [
                part + rate * _direction(pair, step + 1) for part, pair in zip(place, moments, strict=True)
            ]
        return first, highest, best[0], best[1]


Moments: TypeAlias = tuple[Tensor, Tensor]
"""Running means of gradients and of their squares."""

BETAS, EPSILON = (0.9, 0.999), 1e-8


def _moved(moments: Moments, gradient: Tensor) -> Moments:
    """Adam's moments after one more gradient."""
    first, second = moments
    return torch.lerp(gradient, first, BETAS[0]), torch.lerp(gradient.square(), second, BETAS[1])


def _direction(moments: Moments, step: int) -> Tensor:
    """Where Adam goes at its step, counted from 1 (Kingma and Ba 2015, algorithm 1)."""
    first, second = (part / (1 - beta**step) for part, beta in zip(moments, BETAS, strict=True))
    return first / (second.sqrt() + EPSILON)
