"""How pixels follow from what a decoder says: log-densities, means and draws, pixel by pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Likelihood(Protocol):
    """Independent pixels x around a decoder's output, all of one shape."""

    def log_density(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Log p(x | decoded), pixel by pixel, nats."""

    def mean(self, decoded: Tensor) -> Tensor:
        """E[x | decoded]."""

    def draw(self, decoded: Tensor, chances: Tensor) -> Tensor:
        """Pixels from uniform numbers in 0 .. 1."""


@dataclass(frozen=True)
class Bernoulli:
    """The decoder's output are logits. Grey pixels are scored by the cross-entropy, as everywhere; drawn are 0 or 1."""

    def log_density(self, decoded: Tensor, x: Tensor) -> Tensor:
        """X log p + (1 - x) log(1 - p)."""
        return x * decoded - F.softplus(decoded)

    def mean(self, decoded: Tensor) -> Tensor:
        """P."""
        return decoded.sigmoid()

    def draw(self, decoded: Tensor, chances: Tensor) -> Tensor:
        """1 where the uniform number is below p."""
        return (chances < decoded.sigmoid()).to(decoded.dtype)


@dataclass(frozen=True)
class Gaussian:
    """The decoder's output are means, of one deviation: for models whose conditionals are known exactly."""

    deviation: float

    def log_density(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Log N(x; decoded, deviation^2)."""
        distance = (x - decoded) / self.deviation
        return -0.5 * distance**2 - math.log(self.deviation) - 0.5 * math.log(2 * math.pi)

    def mean(self, decoded: Tensor) -> Tensor:
        """Itself."""
        return decoded

    def draw(self, decoded: Tensor, chances: Tensor) -> Tensor:
        """By the inverse of the distribution function; uniform numbers of 0 are taken for the smallest above it."""
        inner = chances.double().clamp(2.0**-53, 1 - 2.0**-53)
        return decoded + self.deviation * torch.special.ndtri(inner).to(decoded.dtype)
