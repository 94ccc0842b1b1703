"""Codes weighed by what is seen: the self-normalised mean of missing pixels, draws, and their density."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .chance import Chance
from .latent_model import LatentModel, log_posterior, log_prior


class Proposal(NamedTuple):
    """A mixture of M Gaussians a row that codes are drawn from, each as often as the others."""

    mean: Tensor
    """[N, M, D]."""
    logvar: Tensor
    """[N, M, D]."""

    def draw(self, noise: Tensor) -> Tensor:
        """Codes [N, K, D] of standard normal `noise`, code k from component k mod M."""
        places = torch.arange(noise.shape[1], device=noise.device) % self.mean.shape[1]
        return self.mean[:, places] + (0.5 * self.logvar[:, places]).exp() * noise

    def log_density(self, codes: Tensor) -> Tensor:
        """Log of the mixture at codes [N, K, D], components weighed by how many of the K are theirs; [N, K].

        The balance heuristic (Veach and Guibas 1995): a weight with it under the line is never more than M times the
        one with the best component there.
        """
        count, components = codes.shape[1], self.mean.shape[1]
        shares = [len(range(m, count, components)) / count for m in range(components) if m < count]
        logs = [
            math.log(share) + log_posterior(codes, self.mean[:, m, None], self.logvar[:, m, None])
            for m, share in enumerate(shares)
        ]
        return torch.stack(logs).logsumexp(dim=0)


def encoder_proposal(model: LatentModel, x: Tensor, observed: Tensor, rows: Tensor) -> Proposal:
    """q(z | x_obs with 0 for what is missing), the one of MIWAE: what it is trained to weigh."""
    mean, logvar = model.encode(torch.where(observed, x, torch.zeros_like(x)), rows)
    return Proposal(mean[:, None], logvar[:, None])


def scoring_proposal(model: LatentModel, x: Tensor, observed: Tensor, rows: Tensor) -> Proposal:
    """Thirds of q(z | x_obs and zeros), of q(z | x) and of the prior: for the density of pixels that one knows.

    Encoders of complete images are poor at incomplete ones; the second part covers where p(x_mis | z) is large, the
    third keeps every weight bounded.
    """
    gap, whole = encoder_proposal(model, x, observed, rows), model.encode(x, rows)
    parts = [(gap.mean[:, 0], gap.logvar[:, 0]), whole, (torch.zeros_like(whole[0]),) * 2]
    mean, logvar = (torch.stack(column, dim=1) for column in zip(*parts, strict=True))
    return Proposal(mean, logvar)


class Weighted(NamedTuple):
    """What importance sampling leaves of N rows."""

    mean: Tensor
    """[N, ...], the self-normalised estimate of E[x | x_obs]: sum over k of w_k E[x | z_k], over sum of w_k."""
    draws: Tensor
    """[S, N, ...], decoder's outputs at codes that were resampled by their weights."""
    effective_share: Tensor
    """[N], (sum w)^2 / sum w^2 over K: 1 where all weights are equal."""


def weigh(
    model: LatentModel,
    x: Tensor,
    observed: Tensor,
    rows: Tensor,
    *,
    samples: int,
    draws: int,
    seed: int,
) -> Weighted:
    """Impute by importance sampling from q(z | x_obs), w_k = p(x_obs | z_k) p(z_k) / q(z_k | x_obs).

    Args:
        model: by its encoder, decoder and likelihood.
        x: [N, ...]; of a missing pixel the value is not looked at.
        observed: bool, of the shape of x or broadcast to it.
        rows: [N], whose condition a row is told.
        samples: K.
        draws: S, by sampling importance resampling: an index with probability w_k / sum w.
        seed: of everything.

    Reference:
        Mattei and Frellsen 2019, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets": single
        imputation by the self-normalised mean, multiple imputation by sampling importance resampling.
    """
    observed = observed.expand_as(x)
    proposal = encoder_proposal(model, x, observed, rows)
    means, chosen, shares = [], [], []
    for row in range(len(x)):
        one = slice(row, row + 1)
        part = Proposal(proposal.mean[one], proposal.logvar[one])
        codes, decoded, logs = _weighed(
            model, x[one], observed[one], rows[one], part, samples, seed, row, "importance"
        )
        weights = logs.softmax(dim=0)
        means.append(torch.tensordot(weights.to(decoded.dtype), model.likelihood.mean(decoded), dims=1))
        chances = Chance(seed, "resampling", [(row, draw) for draw in range(draws)], codes.double()).uniform(
            1
        )
        edges = weights.cumsum(dim=0)
        chosen.append(
            decoded[torch.searchsorted(edges, chances[:, 0] * edges[-1], right=True).clamp(max=samples - 1)]
        )
        shares.append(1 / (weights**2).sum() / samples)
    return Weighted(torch.stack(means), torch.stack(chosen, dim=1), torch.stack(shares))


class Density(NamedTuple):
    """Log p(x_mis | x_obs) by row, and of how many codes' worth it is."""

    nats: Tensor
    """[N]."""
    effective_share: Tensor
    """[N], of the weights of what is seen."""


def missing_density(
    model: LatentModel, x: Tensor, observed: Tensor, rows: Tensor, *, samples: int, seed: int
) -> Density:
    """Log p(x_mis | x_obs) of pixels that one knows, self-normalised.

    log sum_k w_k p(x_mis | z_k) - log sum_k w_k, with w_k = p(x_obs | z_k) p(z_k) / r(z_k) and codes of
    `scoring_proposal` r. That is the importance-weighted bound on log p(x) less the one on log p(x_obs), both of the
    same codes. Each is a lower bound in expectation, their difference is neither a lower nor an upper one: it is
    consistent in K, and its error is of the order of 1 / K.

    Args:
        model: by its encoder, decoder and likelihood.
        x: [N, ...], complete.
        observed: bool, of the shape of x or broadcast to it.
        rows: [N], whose condition a row is told.
        samples: K.
        seed: of the codes.

    Returns:
        Nats by row, summed over the missing pixels; higher is better, and 0 where nothing is missing.

    Reference:
        Burda et al. 2016, "Importance Weighted Autoencoders", eq. 8, for each of the two bounds.
    """
    observed = observed.expand_as(x)
    proposal = scoring_proposal(model, x, observed, rows)
    nats, shares = [], []
    for row in range(len(x)):
        one = slice(row, row + 1)
        part = Proposal(proposal.mean[one], proposal.logvar[one])
        _, decoded, logs = _weighed(
            model, x[one], observed[one], rows[one], part, samples, seed, row, "density"
        )
        missing = model.log_likelihood(decoded.double(), x[one].double(), ~observed[one])
        nats.append((logs + missing).logsumexp(dim=0) - logs.logsumexp(dim=0))
        shares.append(1 / (logs.softmax(dim=0) ** 2).sum() / samples)
    return Density(torch.stack(nats), torch.stack(shares))


def _weighed(
    model: LatentModel,
    x: Tensor,
    observed: Tensor,
    row: Tensor,
    proposal: Proposal,
    samples: int,
    seed: int,
    number: int,
    purpose: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of one row: codes [K, D], the decoder's outputs [K, ...], and log p(x_obs | z) p(z) / r(z) in doubles [K]."""
    noise = Chance(seed, purpose, [(number, 0)], proposal.mean).normal(samples, proposal.mean.shape[2])
    codes = proposal.draw(noise)
    decoded = model.decode(codes[0], row.expand(samples))
    seen = model.log_likelihood(
        decoded.double(), torch.where(observed, x, torch.zeros_like(x)).double(), observed
    )
    exact = Proposal(proposal.mean.double(), proposal.logvar.double())
    return codes[0], decoded, seen + log_prior(codes[0].double()) - exact.log_density(codes.double())[0]
