"""Chains over (z, missing pixels): pseudo-Gibbs, and Metropolis-within-Gibbs whose limit is the exact conditional."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .chance import Chance
from .latent_model import LatentModel, log_posterior, log_prior


class Chains(NamedTuple):
    """Where B chains stand after their last step, and what they met on the way."""

    codes: Tensor
    """[B, D]."""
    x: Tensor
    """[B, ...], what is seen with what was drawn for the rest."""
    decoded: Tensor
    """[B, ...], the decoder's output at the codes."""
    mean: Tensor
    """[B, ...], E[x | z] averaged over the second half of the steps."""
    acceptance: Tensor
    """[B], share of the proposals that Metropolis accepted; NaN where none was put to it."""


class Start(NamedTuple):
    """Where chains begin, both together, so that a chain can begin in the distribution that it should keep."""

    codes: Tensor
    """[B, D]."""
    x: Tensor
    """[B, ...]; only what is missing is looked at."""


def run_chains(
    model: LatentModel,
    x: Tensor,
    observed: Tensor,
    rows: Tensor,
    *,
    steps: int,
    pseudo_steps: int,
    chance: Chance,
    start: Start | None = None,
) -> Chains:
    """Alternate a code given the pixels and the missing pixels given the code.

    Each step proposes z' ~ q(z | x_obs, x_mis) and then draws x_mis ~ p(x_mis | z). In the first `pseudo_steps` steps
    every proposal is taken: the pseudo-Gibbs sampler, whose limit is p(x_mis | x_obs) only where q(z | x) is the true
    posterior. In the others a proposal is taken with probability

        min(1, p(x | z') p(z') q(z | x) / (p(x | z) p(z) q(z' | x))),   x = (x_obs, x_mis),

    which leaves p(z, x_mis | x_obs) as it is, whatever q: Metropolis-within-Gibbs.

    Args:
        model: by its encoder, decoder and likelihood.
        x: [B, ...]; of a missing pixel the value is not looked at. Chains begin with 0 there.
        observed: bool [B, ...], of the shape of x or broadcast to it.
        rows: [B], whose condition a chain is told.
        steps: all of them, from 1.
        pseudo_steps: how many of them, at the beginning, take every proposal.
        chance: of B rows.
        start: where to begin; without it, with missing pixels of 0 and a code of q(z | x).

    Returns:
        The last state and averages.

    Reference:
        Rezende et al. 2014, "Stochastic Backpropagation and Approximate Inference in Deep Generative Models", appendix
        F; Mattei and Frellsen 2018, "Leveraging the Exact Likelihood of Deep Latent Variable Models", algorithm 1.
    """
    observed = observed.expand_as(x)
    x = torch.where(observed, x, torch.zeros_like(x) if start is None else start.x)
    codes = None if start is None else start.codes
    decoded = None if start is None else model.decode(start.codes, rows)
    total, counted = torch.zeros_like(x), 0
    accepted = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    tried = 0
    for step in range(steps):
        mean, logvar = model.encode(x, rows)
        proposed = mean + (0.5 * logvar).exp() * chance.normal(mean.shape[1])
        made = model.decode(proposed, rows)
        if codes is None or decoded is None or step < pseudo_steps:
            codes, decoded = proposed, made
        else:
            gain = _log_weight(model, proposed, made, x, mean, logvar) - _log_weight(
                model, codes, decoded, x, mean, logvar
            )
            taken = chance.uniform(1)[:, 0].log() < gain
            codes = torch.where(taken[:, None], proposed, codes)
            decoded = torch.where(_like(taken, made), made, decoded)
            accepted, tried = accepted + taken, tried + 1
        drawn = model.likelihood.draw(decoded, chance.uniform(*x.shape[1:]))
        x = torch.where(observed, x, drawn)
        if 2 * step >= steps - 1:
            total, counted = total + model.likelihood.mean(decoded), counted + 1
    assert codes is not None
    assert decoded is not None
    shares = accepted / tried if tried else torch.full_like(accepted, torch.nan)
    return Chains(codes, x, decoded, total / counted, shares)


def chain_rows(images: int, draws: int) -> Sequence[tuple[int, int]]:
    """(image, draw) of each chain, all images of the first draw first."""
    return [(image, draw) for draw in range(draws) for image in range(images)]


def _log_weight(
    model: LatentModel, codes: Tensor, decoded: Tensor, x: Tensor, mean: Tensor, logvar: Tensor
) -> Tensor:
    """Log p(x | z) p(z) / q(z | x), [B]."""
    likelihood = model.log_likelihood(decoded, x)
    return likelihood + log_prior(codes) - log_posterior(codes, mean, logvar)


def _like(flags: Tensor, other: Tensor) -> Tensor:
    """[B] as [B, 1, ...], to choose among rows of a tensor of more dimensions."""
    return flags.reshape(-1, *(1,) * (other.ndim - 1))
