"""Likelihood regret: how many nats the best posterior of an input gains over the encoder's."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

JUDGING = 4
"""Codes an ELBO is judged on, for each that posteriors are fitted to."""


@dataclass(frozen=True)
class LikelihoodRegret:
    """What optimising q(z | x) for one input at a time gains; N inputs, D latents."""

    rows_nats: NDArray[np.float64]
    """[N]: the ELBO of the posterior found less the encoder's, both on draws that it was not fitted to."""
    rows_elbo_nats: NDArray[np.float64]
    """[N], the encoder's, on those draws."""
    mean: Tensor
    """[N, D], of the posterior found."""
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

    Posteriors are fitted to fixed draws in antithetic pairs, as many pairs as latents at least, whose second moments
    are made exactly those of N(0, I): their average is exact for every quadratic log p(x | z), a linear decoder's
    among them. (With fewer a posterior fits the draws: it widens along the codes that none of them tries.) The gain is
    then measured on other draws, four times as many, the same ones for both posteriors: what the posterior found gains
    in truth, within the error of those draws. It falls below 0 where that posterior is worse than the encoder's.

    Args:
        log_likelihood: (codes [B, D], rows [B]) to log p(x_row | z) [B] in nats, differentiable in codes, on the
            device of `mean`.
        mean: [N, D] of the encoder's q(z | x); the prior is N(0, I).
        logvar: [N, D], logarithms of its variances.
        steps: of Adam, from 0; its step length falls to nothing along half a cosine.
        learning_rate: of its first step, in units of codes and of logarithms of variances; above 0.
        draws: codes an input that posteriors are fitted to, an even number: at least; 2 D where that is more.
        seed: of the draws. An input's are the same whatever stands beside it.
        batch_size: codes decoded at once; changes no number beyond rounding.

    Returns:
        The gain by row in nats, about 0 and more; higher is farther from what the encoder was trained on.

    Raises:
        ValueError: tensors that do not fit, numbers out of range, or a density without a gradient.

    Reference:
        Xiao et al. 2020, "Likelihood Regret: An Out-of-Distribution Detection Score For Variational Auto-encoder",
        with the mean and variance themselves for what is optimised. The authors' code tunes a copy of the whole
        encoder for each image instead, draws anew at every step, and takes the gain of the importance-weighted bound
        and not of the ELBO.
    """
    require_gaussians(mean, logvar)
    require_at_least("steps", steps, 0)
    if require_at_least("draws", draws, 2) % 2:
        raise ValueError(f"draws: expected an even number, got {draws}")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate: expected a number above 0, got {learning_rate}")
    draws = max(draws, 2 * mean.shape[1])
    at_once = max(1, require_at_least("batch_size", batch_size, 1) // draws)
    rows = torch.arange(len(mean), device=mean.device)
    parts = []
    for some in rows.split(at_once):
        encoder = mean[some], logvar[some]
        fitted_to, *others = (
            _matched_draws(draws, require_seed(seed), number, some, mean) for number in range(1 + JUDGING)
        )
        found = _Climb(log_likelihood, some, fitted_to, *encoder).best(steps, learning_rate)
        first, last = (_judged(log_likelihood, some, others, *posterior) for posterior in (encoder, found))
        parts.append((first, last, *found))
    first, last, best_mean, best_logvar = (torch.cat(part) for part in zip(*parts, strict=True))
    return LikelihoodRegret((last - first).cpu().numpy(), first.cpu().numpy(), best_mean, best_logvar)


def _matched_draws(draws: int, seed: int, number: int, rows: Tensor, like: Tensor) -> Tensor:
    """Normal numbers of each row, [n, draws, D]: D pairs z, -z or more, with the second moments of N(0, I)."""
    pairs = draws // 2
    noise = RowNoise(seed, "regret", number, rows.tolist(), like).normal(pairs, like.shape[1]).double()
    factor = torch.linalg.cholesky(noise.mT @ noise / pairs)  # M = L L^T, and noise L^-T has the moments I
    exact = torch.linalg.solve_triangular(factor, noise.mT, upper=False).mT.to(like.dtype)
    return torch.cat([exact, -exact], dim=1)


@torch.no_grad()
def _judged(
    log_likelihood: Density, rows: Tensor, noises: Sequence[Tensor], mean: Tensor, logvar: Tensor
) -> Tensor:
    """The ELBO [n] over several sets of draws."""
    each = [_Climb(log_likelihood, rows, noise, mean, logvar).elbo(mean, logvar) for noise in noises]
    return torch.stack(each).mean(dim=0)


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

    def best(self, steps: int, learning_rate: float) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [n, D] of the highest ELBO on the way."""
        place = best = [part.detach() for part in self.start]
        moments = [(torch.zeros_like(part), torch.zeros_like(part)) for part in place]
        highest = torch.full_like(place[0][:, 0], -math.inf, dtype=torch.float64)
        for step in range(steps + 1):
            with torch.enable_grad():
                leaves = [part.detach().requires_grad_() for part in place]
                live = self.elbo(*leaves)
            values = live.detach()
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
        return best[0], best[1]


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
