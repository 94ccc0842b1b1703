"""A model by what imputation asks of it: an encoder, a decoder and how pixels follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from disbench.metrics import log_gaussian

from ..models import Model
from .likelihoods import Bernoulli, Likelihood

AT_ONCE = 256
"""Rows in one pass through a net. Changes no number beyond rounding."""


@dataclass(frozen=True)
class LatentModel:
    """p(z) = N(0, I), p(x | z) by a decoder, a Gaussian q(z | x) by an encoder; rows say whose condition is told."""

    encoder: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    """(x [B, ...], rows [B]) to mean and logvar of q(z | x), [B, D] each."""
    decoder: Callable[[Tensor, Tensor], Tensor]
    """(codes [B, D], rows [B]) to what the likelihood takes, [B, ...]."""
    likelihood: Likelihood = field(default_factory=Bernoulli)

    @classmethod
    def of(cls, model: Model, told: Tensor) -> LatentModel:
        """A trained model of images, row n told the condition `told[n]`, [N, Y]."""
        return cls(
            lambda x, rows: model.encode(x, told[rows]), lambda codes, rows: model.decode(codes, told[rows])
        )

    @torch.no_grad()
    def encode(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logvar, each [B, D], a part of the rows at a time."""
        parts = [self.encoder(*part) for part in zip(x.split(AT_ONCE), rows.split(AT_ONCE), strict=True)]
        mean, logvar = (torch.cat(column) for column in zip(*parts, strict=True))
        return mean, logvar

    @torch.no_grad()
    def decode(self, codes: Tensor, rows: Tensor) -> Tensor:
        """What the likelihood takes, [B, ...], a part of the rows at a time."""
        parts = zip(codes.split(AT_ONCE), rows.split(AT_ONCE), strict=True)
        return torch.cat([self.decoder(*part) for part in parts])

    def log_likelihood(self, decoded: Tensor, x: Tensor, counted: Tensor | None = None) -> Tensor:
        """Log p(x | z) [B] in nats, of the counted pixels alone where some are not."""
        nats = self.likelihood.log_density(decoded, x)
        return (nats if counted is None else nats * counted).flatten(1).sum(dim=1)


def log_prior(codes: Tensor) -> Tensor:
    """Log N(z; 0, I), [...] of codes [..., D]."""
    nothing = torch.zeros_like(codes)
    return log_gaussian(codes, nothing, nothing).sum(dim=-1)


def log_posterior(codes: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Log N(z; mean, exp(logvar)), [...] of codes [..., D]."""
    return log_gaussian(codes, mean, logvar).sum(dim=-1)
