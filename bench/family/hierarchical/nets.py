"""The networks between layers: two hidden layers, and a mean and a variance on top."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models import ImageShape, batch_normalised
from .gaussian import Gaussian

SLOPE = 0.1
"""Of the leaky rectifiers, max(x, 0.1 x)."""

LEAST_VARIANCE = 1e-6
"""Added to the softplus, which underflows to a variance of 0 in float32."""


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation in the type of its running statistics, which nets of lower precision keep in full."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, units] to the same."""
        return batch_normalised(self, x)


class Perceptron(nn.Module):
    """Two hidden layers of the same width, each batch-normalised before its leaky rectifier if `normalised`."""

    def __init__(self, inputs: int, units: int, normalised: bool) -> None:
        super().__init__()
        # A norm takes the mean away, and with it whatever a bias would add.
        self.hidden_1 = nn.Linear(inputs, units, bias=not normalised)
        self.norm_1 = BatchNorm(units) if normalised else nn.Identity()
        self.hidden_2 = nn.Linear(units, units, bias=not normalised)
        self.norm_2 = BatchNorm(units) if normalised else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs] to [B, units]."""
        x = F.leaky_relu(self.norm_1(self.hidden_1(x)), SLOPE)
        return F.leaky_relu(self.norm_2(self.hidden_2(x)), SLOPE)


class GaussianHead(nn.Module):
    """Linear mean, softplus of a linear variance (Sonderby et al. 2016, section 2); neither is normalised."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.mean = nn.Linear(inputs, width)
        self.variance = nn.Linear(inputs, width)

    def forward(self, x: Tensor, dtype: torch.dtype) -> Gaussian:
        """[B, inputs] to a Gaussian of [B, width], in the type of the codes."""
        variance = F.softplus(self.variance(x).to(dtype)) + LEAST_VARIANCE
        return Gaussian(self.mean(x).to(dtype), variance.log())


class Conditional(nn.Module):
    """A Gaussian of one layer given another layer, or an image, and the condition."""

    def __init__(self, inputs: int, units: int, width: int, condition_size: int, normalised: bool) -> None:
        super().__init__()
        self.perceptron = Perceptron(inputs + condition_size, units, normalised)
        self.head = GaussianHead(units, width)

    def forward(self, x: Tensor, condition: Tensor, dtype: torch.dtype) -> Gaussian:
        """[B, inputs] and [B, Y] to a Gaussian of [B, width]; the nets compute in the type of the condition."""
        gaussian: Gaussian = self.head(self.perceptron(joined(x, condition)), dtype)
        return gaussian


class PixelNet(nn.Module):
    """Logits of p(x | z_1)."""

    def __init__(
        self, image_shape: ImageShape, units: int, width: int, condition_size: int, normalised: bool
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.perceptron = Perceptron(width + condition_size, units, normalised)
        self.pixels = nn.Linear(units, math.prod(image_shape))

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """[B, width] and [B, Y] to [B, C, H, W]."""
        logits: Tensor = self.pixels(self.perceptron(joined(z, condition)))
        return logits.unflatten(1, self.image_shape)


def joined(x: Tensor, condition: Tensor) -> Tensor:
    """Inputs and what is told beside them, in the type of the latter."""
    return torch.cat((x.to(condition.dtype), condition), dim=1)
