"""The approximate posterior of a group, told relative to its prior (Vahdat and Kautz 2020, section 3.2).

With the prior N(mu, sigma^2), the encoder says how far the posterior's mean is from mu and how many times its deviation
is that of the prior: q = N(mu + shift, (sigma ratio)^2). Where the prior moves, the posterior moves with it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from disbench.metrics import gaussian_kl

BOUND = 5.0
"""Means and log-deviations, of priors and relative to them, stay within +-BOUND."""


class Normal(NamedTuple):
    """A diagonal Gaussian; elementwise, any shape."""

    mean: Tensor
    log_deviation: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """The sample that standard normal noise makes; noise times t is the temperature t."""
        return self.mean + self.log_deviation.exp() * noise


class Residual(NamedTuple):
    """A posterior relative to its prior."""

    shift: Tensor
    log_ratio: Tensor
    """Logarithm of the ratio of deviations."""

    def of(self, prior: Normal) -> Normal:
        """The posterior itself."""
        return Normal(prior.mean + self.shift, prior.log_deviation + self.log_ratio)

    def innovation(self, prior: Normal) -> Normal:
        """The posterior in the coordinates in which the prior is N(0, I)."""
        return Normal(self.shift * (-prior.log_deviation).exp(), self.log_ratio)

    def kl(self, prior: Normal) -> Tensor:
        """KL(q || p) in nats, element by element, at least 0.

        (shift^2 / sigma^2 + ratio^2 - log ratio^2 - 1) / 2: Vahdat and Kautz 2020, equation 2. The prior's mean is not
        in it, and its deviation only where the mean is shifted.
        """
        return gaussian_kl(self.innovation(prior).mean, 2 * self.log_ratio)

    def log_weight(self, prior: Normal, noise: Tensor) -> Tensor:
        """Log p(z) - log q(z) in nats at z = the posterior's sample of `noise`, element by element; its mean is -kl."""
        from_prior = self.innovation(prior).at(noise)
        return 0.5 * (noise.square() - from_prior.square()) + self.log_ratio


def bounded(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """A network's output [B, 2 L, ...] cut in two [B, L, ...], each softly held within +-5 by 5 tanh(x / 5)."""
    first, second = (BOUND * torch.tanh(parameters / BOUND)).chunk(2, dim=1)
    return first, second
