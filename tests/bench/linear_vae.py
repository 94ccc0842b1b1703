"""A linear VAE with Gaussian pixels: everything about it is known in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from disbench.bench.imputation import LatentModel
from disbench.bench.imputation.likelihoods import Gaussian


@dataclass(frozen=True)
class LinearVAE:
    """x = W z + b + deviation * noise, z ~ N(0, I); the columns of W are orthogonal, so that p(z | x) is diagonal."""

    W: Tensor
    b: Tensor
    deviation: float

    @classmethod
    def drawn(cls, pixels=5, latents=2, deviation=0.5, seed=0):
        """One by chance."""
        chance = torch.Generator().manual_seed(seed)
        basis = torch.linalg.qr(torch.randn(pixels, latents, generator=chance, dtype=torch.float64))[0]
        W = basis * torch.linspace(1.5, 0.8, latents, dtype=torch.float64)
        return cls(W, torch.randn(pixels, generator=chance, dtype=torch.float64), deviation)

    def posterior(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [N, D] and covariance [D, D] of p(z | x_obs), for a mask [P] that is the same for all rows."""
        W, noise = self.W[seen], self.deviation**2
        covariance = torch.linalg.inv(torch.eye(self.W.shape[1], dtype=torch.float64) + W.T @ W / noise)
        return (x[:, seen] - self.b[seen]) @ W @ covariance / noise, covariance

    def missing(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [N, M] and covariance [M, M] of p(x_mis | x_obs)."""
        mean, covariance = self.posterior(x, seen)
        W = self.W[~seen]
        spread = W @ covariance @ W.T + self.deviation**2 * torch.eye(len(W), dtype=torch.float64)
        return mean @ W.T + self.b[~seen], spread

    def model(self, shift: float = 0.0, widened: float = 1.0) -> LatentModel:
        """The model with its exact encoder; or with means shifted, and deviations multiplied."""

        def encoder(x, rows):
            mean, covariance = self.posterior(x, torch.ones(len(self.W), dtype=torch.bool))
            variance = widened**2 * covariance.diagonal()
            return mean + shift, variance.log().expand_as(mean).clone()

        return LatentModel(encoder, lambda codes, rows: codes @ self.W.T + self.b, Gaussian(self.deviation))

    def conditional(self, x: Tensor, seen: Tensor, seed: int = 1) -> tuple[Tensor, Tensor]:
        """A draw of (z, x) for each row from p(z, x_mis | x_obs)."""
        chance = torch.Generator().manual_seed(seed)
        mean, covariance = self.posterior(x, seen)
        z = (
            mean
            + torch.randn(mean.shape, generator=chance, dtype=torch.float64)
            @ torch.linalg.cholesky(covariance).T
        )
        pixels = z @ self.W.T + self.b
        pixels = pixels + self.deviation * torch.randn(pixels.shape, generator=chance, dtype=torch.float64)
        return z, torch.where(seen, x, pixels)
