"""ELBO, importance-weighted bound and annealing of a linear VAE, whose log p(x) and whose ELBO are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from disbench.metrics.likelihood import (
    Annealing,
    LinearVAE,
    LogLikelihood,
    bidirectional_monte_carlo,
    draw_importance_samples,
    importance_weighted_curve,
)

INPUTS, LATENTS, DEVIATION = 20, 5, 0.2
ROWS = 50
IMPORTANCE_SAMPLES = (1, 10, 100, 1_000)
DRAWS = 5_000
"""Weights a row: every K-sample bound is the mean over groups of them."""
ANNEALING_STEPS = (10, 100, 500)


def linear_vae_check(
    seed: int,
    *,
    rows: int = ROWS,
    importance_samples: Sequence[int] = IMPORTANCE_SAMPLES,
    draws: int = DRAWS,
    annealing_steps: Sequence[int] = ANNEALING_STEPS,
    chains: int = 16,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Estimates of log p(x) of rows that a linear VAE made itself, beside the exact one.

    Args:
        seed: of the model's weights and of all draws; the one after it, of the rows.
        rows: N.
        importance_samples: the K, ascending, at most `draws`; K = 1 is the ELBO.
        draws: importance weights a row.
        annealing_steps: the T, ascending.
        chains: of annealing, a row.
        say: called with a line after each group of estimates.

    Returns:
        `inputs`, `latents`, `deviation`, `rows`, `chains`, `draws`; `log_marginal_nats`, the exact mean log p(x);
        `elbo_nats`, the exact mean ELBO of the best diagonal posterior; and `estimates`: a mapping for each with
        `estimator`, `effort`, `nats`, `error_nats` (less the exact log p(x), mean over rows), `sampling_error_nats`
        and `side`, where the estimate is in expectation: "below" or "above" log p(x).
    """
    model = LinearVAE.random(inputs=INPUTS, latents=LATENTS, deviation=DEVIATION, seed=seed)
    # Another seed than the weights': codes from the same numbers would be no draw from the prior, given the model.
    codes, inputs = model.simulate(rows, seed + 1)
    mean, logvar = model.encode(inputs)
    likelihood, exact = model.likelihood(inputs), float(model.log_marginal(inputs).mean())
    estimates: list[dict[str, Any]] = []

    def keep(estimator: str, effort: int, estimate: LogLikelihood, side: str) -> None:
        error, sampling = estimate.nats - exact, estimate.sampling_error_nats
        estimates.append(
            {
                "estimator": estimator,
                "effort": effort,
                "nats": estimate.nats,
                "error_nats": error,
                "sampling_error_nats": sampling,
                "side": side,
            }
        )

    weights = draw_importance_samples(likelihood, mean, logvar, samples=draws, seed=seed).log_weights
    curve = importance_weighted_curve(weights, importance_samples)
    for size, estimate in zip(curve.efforts, curve.estimates, strict=True):
        keep("ELBO" if size == 1 else "IWAE", size, estimate, "below")
    say(f"linear VAE: importance weights, {curve.last.nats - exact:+.4f} nats of log p(x)")
    starts = {"prior": (torch.zeros_like(mean), torch.zeros_like(logvar)), "posterior": (mean, logvar)}
    for name, start in starts.items():
        sandwich = bidirectional_monte_carlo(
            likelihood, codes, *start, steps=annealing_steps, annealing=Annealing(chains=chains, seed=seed)
        )
        for side, kept in (("below", sandwich.lower), ("above", sandwich.upper)):
            way = "AIS from" if side == "below" else "AIS back to"
            for effort, annealed in zip(kept.efforts, kept.estimates, strict=True):
                keep(f"{way} the {name}", effort, annealed, side)
        say(f"linear VAE: annealing from the {name}, gap {sandwich.gap_nats[-1]:.4f} nats")
    return {
        "inputs": INPUTS,
        "latents": LATENTS,
        "deviation": DEVIATION,
        "rows": rows,
        "chains": chains,
        "draws": draws,
        "log_marginal_nats": exact,
        "elbo_nats": exact - posterior_divergence(model, inputs, logvar),
        "estimates": estimates,
    }


def posterior_divergence(model: LinearVAE, inputs: Tensor, logvar: Tensor) -> float:
    """KL(q(z | x) || p(z | x)) of a diagonal Gaussian with the posterior's own mean, the same for all x; in nats."""
    _, covariance = model.posterior(inputs)
    variance = logvar[0].exp()
    spread = (torch.linalg.inv(covariance).diagonal() * variance).sum() - len(variance)
    return 0.5 * float(spread + torch.logdet(covariance) - logvar[0].sum())
