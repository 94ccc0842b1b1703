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
        x: [B, ...]; of a missing pixel the value is not looked at.
        observed: bool [B, ...], of the shape of x or broadcast to it.
        rows: [B], whose condition a chain is told.
        steps: all of them, from 1.
        pseudo_steps: how many of them, at the beginning, take every proposal.
        chance: of B rows.
        start: where to begin; without it, each chain with the missing pixels of an image that the model makes for it.
            With all of them 0 chains would stay at an empty image, which agrees with itself, wherever little is seen.

    Returns:
        The last state and averages.

    Reference:
        Rezende et al. 2014, "Stochastic Backpropagation and Approximate Inference in Deep Generative Models", appendix
        F; Mattei and Frellsen 2018, "Leveraging the Exact Likelihood of Deep Latent Variable Models", algorithm 1.
    """
    observed = observed.expand_as(x)
    if start is None:
        start = _from_the_prior(model, x, rows, chance)
        pseudo_steps = max(1, pseudo_steps)  # the code of another image is no place to compare with
    x, codes = torch.where(observed, x, start.x), start.codes
    decoded = model.decode(codes, rows)
    total, counted = torch.zeros_like(x), 0
    accepted = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    tried = 0
    for step in range(steps):
        mean, logvar = model.encode(x, rows)
        proposed = mean + (0.5 * logvar).exp() * chance.normal(mean.shape[1])
        made = model.decode(proposed, rows)
        if step < pseudo_steps:
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
    shares = accepted / tried if tried else torch.full_like(accepted, torch.nan)
    return Chains(codes, x, decoded, total / counted, shares)


def _from_the_prior(model: LatentModel, x: Tensor, rows: Tensor, chance: Chance) -> Start:
    """A code of N(0, I), and pixels of p(x | z)."""
    width = model.encode(x[:1].nan_to_num(), rows[:1])[0].shape[1]
    codes = chance.normal(width)
    drawn = model.likelihood.draw(model.decode(codes, rows), chance.uniform(*x.shape[1:]))
    return Start(codes, drawn)


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
