"""All of this room in one call: bound, annealing and sandwich of a VAE, each with its convergence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..arrays import require_at_least
from .annealing import AnnealedLikelihood, Annealing, Sandwich, annealing_curve, bidirectional_monte_carlo
from .density import Density, require_gaussians
from .elbo import ElboTerms, elbo_terms
from .estimate import Convergence, LogLikelihood
from .importance import draw_importance_samples, importance_weighted_curve
from .pareto import FEWEST, pareto_k, pareto_k_limit
from .row_noise import RowNoise, require_seed
from .weights import effective_sample_size

Start: TypeAlias = Literal["prior", "posterior"]

Simulate: TypeAlias = Callable[[Tensor], tuple[Density, Tensor, Tensor]]
"""Codes [M, D] to log p(x | z) of the rows x ~ p(x | codes) that they make, and mean and logvar [M, D] of q(z | x)."""


@dataclass(frozen=True)
class MeasuredLikelihood:
    """What is known of log p(x) of some rows, in nats; printing it shows all of it."""

    elbo: ElboTerms
    importance: Convergence[LogLikelihood]
    """The importance-weighted bound over numbers of samples."""
    effective_share: float
    """Effective samples over samples, mean over rows: 0 .. 1."""
    pareto_k: NDArray[np.float64] | None
    """[N]; None for fewer than 25 samples."""
    annealing: Convergence[AnnealedLikelihood] | None
    """Annealed importance sampling over numbers of steps."""
    sandwich: Sandwich | None
    """Both bounds for rows that the model made."""

    @property
    def inference_gap_nats(self) -> float:
        """Importance-weighted bound less ELBO, same rows: at least this much of log p(x) is lost to q(z | x)."""
        return self.importance.last.nats - self.elbo.elbo_nats

    @property
    def heavy_tailed_share(self) -> float | None:
        """Share of rows whose weights have too heavy a tail for their number: their bound has not converged."""
        if self.pareto_k is None:
            return None
        return float((self.pareto_k > pareto_k_limit(self.importance.efforts[-1])).mean())

    @property
    def acceptance(self) -> float | None:
        """Share of Hamiltonian proposals accepted at the largest number of steps, mean over rows."""
        return None if self.annealing is None else float(np.mean(self.annealing.last.acceptance))

    def __str__(self) -> str:
        """A page."""
        lines = [
            f"ELBO {self.elbo.elbo}",
            f"  reconstruction {self.elbo.reconstruction_nats:.3f}, KL {self.elbo.kl_nats:.3f}",
            f"importance-weighted bound {self.importance.last}",
            str(self.importance),
            f"  {self.effective_share:.1%} of the samples effective",
        ]
        if self.heavy_tailed_share is not None:
            lines += [f"  {self.heavy_tailed_share:.0%} of the rows with too heavy a tail"]
        if self.annealing is not None:
            lines += [f"annealed importance sampling {self.annealing.last}", str(self.annealing)]
            lines += [f"  {self.acceptance:.0%} of the proposals accepted"]
        if self.sandwich is not None:
            gap, error = self.sandwich.gap_nats[-1], self.sandwich.gap_error_nats[-1]
            lines += [f"between the bounds of simulated rows {gap:.3f} ± {error:.3f} nats"]
        return "\n".join(lines)


def measure_likelihood(
    log_likelihood: Density,
    mean: Tensor,
    logvar: Tensor,
    *,
    importance_samples: int = 1_000,
    annealing: Annealing | None = None,
    start: Start = "prior",
    simulate: Simulate | None = None,
    simulated_rows: int | None = None,
    seed: int = 0,
    batch_size: int = 1_024,
) -> MeasuredLikelihood:
    """ELBO, importance-weighted bound, annealed importance sampling and its sandwich of a VAE with prior N(0, I).

    Args:
        log_likelihood: (codes [B, D], rows [B]) to log p(x_row | z) [B] in nats, differentiable in codes, on the
            device of `mean`: `bernoulli_likelihood` and `gaussian_likelihood` make one of a decoder.
        mean: [N, D] of q(z | x).
        logvar: [N, D], logarithms of its variances.
        importance_samples: S, of the bound.
        annealing: its steps, chains, ...; None leaves annealing out. It is run at an eighth, a quarter, a half and all
            of its steps, 1.9 times the cost of the last; its seed is replaced by `seed`.
        start: of the chains, "prior" or the encoder's "posterior".
        simulate: codes drawn from the prior to rows that they make; None leaves the sandwich out. It costs twice as
            much a row as annealing.
        simulated_rows: M, how many; N when left out.
        seed: of all draws.
        batch_size: codes decoded at once; changes no number beyond rounding.

    Returns:
        Everything in one object.

    Raises:
        ValueError: tensors that do not fit, an unknown start, or what the functions behind it refuse.
    """
    require_gaussians(mean, logvar)
    seed = require_seed(seed)
    if start not in ("prior", "posterior"):
        raise ValueError(f'start: expected "prior" or "posterior", got {start!r}')
    drawn = draw_importance_samples(
        log_likelihood, mean, logvar, samples=importance_samples, seed=seed, batch_size=batch_size
    )
    weights = drawn.log_weights
    curve = sandwich = None
    if annealing is not None:
        plan, ladder = replace(annealing, seed=seed), ladder_of(annealing.steps)
        curve = annealing_curve(
            log_likelihood,
            *_start(start, mean, logvar),
            steps=ladder,
            annealing=plan,
            batch_size=batch_size,
        )
        if simulate is not None:
            count = (
                len(mean) if simulated_rows is None else require_at_least("simulated_rows", simulated_rows, 1)
            )
            codes = RowNoise(seed, "simulate", 0, range(count), mean).normal(mean.shape[1])
            made, made_mean, made_logvar = simulate(codes)
            sandwich = bidirectional_monte_carlo(
                made,
                codes,
                *_start(start, made_mean, made_logvar),
                steps=ladder,
                annealing=plan,
                batch_size=batch_size,
            )
    return MeasuredLikelihood(
        elbo=elbo_terms(drawn.log_likelihoods, mean, logvar),
        importance=importance_weighted_curve(weights),
        effective_share=float(effective_sample_size(weights).mean() / weights.shape[1]),
        pareto_k=pareto_k(weights) if weights.shape[1] >= FEWEST else None,
        annealing=curve,
        sandwich=sandwich,
    )


def ladder_of(steps: int) -> tuple[int, ...]:
    """An eighth, a quarter, a half and all of the steps, as far as those are different whole numbers from 1."""
    return tuple(sorted({max(1, steps // part) for part in (8, 4, 2, 1)}))


def _start(start: Start, mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """The Gaussian that chains start from."""
    return (torch.zeros_like(mean), torch.zeros_like(logvar)) if start == "prior" else (mean, logvar)
