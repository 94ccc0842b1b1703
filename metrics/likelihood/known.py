"""A model whose log p(x) is known, to measure what an estimator makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .density import Density, gaussian_likelihood


@dataclass(frozen=True)
class LinearVAE:
    """x = W z + noise, z ~ N(0, I), noise ~ N(0, deviation^2 I): probabilistic PCA (Tipping and Bishop 1999).

    log p(x) is that of N(0, W W^T + deviation^2 I), and the posterior N(M^-1 W^T x, deviation^2 M^-1) with
    M = W^T W + deviation^2 I. It is diagonal, as a VAE's posterior is, where the columns of W are orthogonal.
    """

    weights: Tensor
    """W, [P, D]."""
    deviation: float

    @classmethod
    def random(
        cls,
        inputs: int = 8,
        latents: int = 3,
        *,
        deviation: float = 0.5,
        orthogonal: bool = False,
        seed: int = 0,
    ) -> LinearVAE:
        """A model with standard normal weights, in double precision; with `orthogonal`, of orthogonal columns."""
        weights = np.random.Generator(np.random.Philox(seed)).standard_normal((inputs, latents))
        if orthogonal:
            weights = np.linalg.qr(weights)[0] * np.linspace(0.5, 2.0, latents)
        return cls(torch.from_numpy(weights), deviation)

    def decode(self, codes: Tensor, rows: Tensor) -> Tensor:
        """Means of x [B, P]; the same for all rows."""
        return codes @ self.weights.T

    def likelihood(self, inputs: Tensor) -> Density:
        """Log p(x_n | z) of inputs [N, P]."""
        return gaussian_likelihood(self.decode, inputs, self.deviation)

    def log_marginal(self, inputs: Tensor) -> Tensor:
        """Log p(x) of inputs [N, P], exact: [N], in nats."""
        count = self.weights.shape[0]
        covariance = self.weights @ self.weights.T + self.deviation**2 * torch.eye(count).to(self.weights)
        factor = torch.linalg.cholesky(covariance)
        standardised = torch.linalg.solve_triangular(factor, inputs.T, upper=False)
        constant = 0.5 * count * math.log(2.0 * math.pi) + factor.diagonal().log().sum()
        return -0.5 * standardised.square().sum(dim=0) - constant

    def posterior(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Means [N, D] and the covariance [D, D] of p(z | x), exact."""
        precision = self.weights.T @ self.weights / self.deviation**2 + torch.eye(self.weights.shape[1]).to(
            self.weights
        )
        covariance = torch.linalg.inv(precision)
        return inputs @ self.weights @ covariance / self.deviation**2, covariance

    def encode(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [N, D] of the diagonal Gaussian with the best ELBO: what a VAE's encoder is to find.

        Its mean is the posterior's, its precisions are the diagonal of the posterior's precision.
        """
        mean, covariance = self.posterior(inputs)
        return mean, -torch.linalg.inv(covariance).diagonal().log().expand_as(mean)

    def simulate(self, rows: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Codes [rows, D] drawn from the prior, and the inputs [rows, P] that they make."""
        random = np.random.Generator(np.random.Philox(seed))
        inputs, latents = self.weights.shape
        codes = torch.from_numpy(random.standard_normal((rows, latents)))
        noise = torch.from_numpy(random.standard_normal((rows, inputs)))
        return codes, self.decode(codes, torch.arange(rows)) + self.deviation * noise
