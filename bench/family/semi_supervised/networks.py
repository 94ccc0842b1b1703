"""The parts of semi-supervised models: q(y | x), q(z | x, y), p(x | y, z), as the paper's MLPs and on patches."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models import ImageShape
from ...models.small_patch import GRID, merge, split

Activation = Callable[[Tensor], Tensor]


class Flat(nn.Module):
    """The first layer of an MLP, before its activation: numbers of any shape [B, ...] to [B, F]."""

    def __init__(self, numbers: int, features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(numbers, features)

    def forward(self, x: Tensor) -> Tensor:
        """[B, ...] to [B, F]."""
        return self.layer(x.flatten(1))


class Patches(nn.Module):
    """Of square images: patches to 32 features, 2 x 2 of them to 64, with ReLU, and all to F, before its activation."""

    def __init__(self, image_shape: ImageShape, features: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.patches = nn.Linear(channels * (height // GRID) * (width // GRID), 32)
        self.merged = nn.Linear(4 * 32, 64)
        self.layer = nn.Linear(GRID * GRID // 4 * 64, features)

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, H, W] to [B, F]."""
        x = F.relu(self.patches(split(images, GRID)))
        return self.layer(F.relu(self.merged(merge(x, GRID))).flatten(1))


class Classifier(nn.Module):
    """q(y | x): features, an activation, logits of the classes."""

    def __init__(self, features: nn.Module, width: int, classes: int, activation: Activation) -> None:
        super().__init__()
        self.features, self.activation = features, activation
        self.classes = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """[B, ...] to logits [B, K]."""
        return self.classes(self.activation(self.features(x)))


class StylePosterior(nn.Module):
    """q(z | x, y) = N(mean(x, y), variance(x)): the class joins the features; the variance is of x alone (eq. 4)."""

    def __init__(
        self, features: nn.Module, width: int, classes: int, latents: int, activation: Activation
    ) -> None:
        super().__init__()
        self.features, self.activation = features, activation
        self.of_class = nn.Linear(classes, width, bias=False)
        self.mean = nn.Linear(width, latents)
        self.logvar = nn.Linear(width, latents)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, ...] to means for each class [K, B, D] and log-variances [B, D]; features of x are made once."""
        before = self.features(x)
        classes = torch.eye(self.of_class.in_features, dtype=before.dtype, device=before.device)
        means = self.mean(self.activation(before + self.of_class(classes)[:, None]))
        return means, self.logvar(self.activation(before))


class FlatDecoder(nn.Module):
    """p(x | y, z) of an MLP with one hidden layer: Bernoulli logits of pixels."""

    def __init__(self, image_shape: ImageShape, latents: int, classes: int, width: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.hidden = nn.Linear(latents + classes, width)
        self.pixels = nn.Linear(width, math.prod(image_shape))

    def forward(self, codes: Tensor, chosen: Tensor) -> Tensor:
        """Codes [B, D] and one-hot classes [B, K] to logits [B, C, H, W]."""
        x = F.softplus(self.hidden(torch.cat((codes, chosen), dim=1)))
        return self.pixels(x).unflatten(1, self.image_shape)


class GaussianDecoder(nn.Module):
    """p(z1 | y, z2) = N(mean(y, z2), variance(y, z2)) of an MLP with one hidden layer."""

    def __init__(self, numbers: int, latents: int, classes: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(latents + classes, width)
        self.mean = nn.Linear(width, numbers)
        self.logvar = nn.Linear(width, numbers)

    def forward(self, codes: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [B, D2] and one-hot classes [B, K] to mean and log-variance, each [B, D1]."""
        x = F.softplus(self.hidden(torch.cat((codes, chosen), dim=1)))
        return self.mean(x), self.logvar(x)


class SoftplusEncoder(nn.Module):
    """q(z | x) of an MLP with two hidden layers."""

    def __init__(self, pixels: int, latents: int, width: int) -> None:
        super().__init__()
        self.hidden_1 = nn.Linear(pixels, width)
        self.hidden_2 = nn.Linear(width, width)
        self.mean = nn.Linear(width, latents)
        self.logvar = nn.Linear(width, latents)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Posterior parameters [B, 2 D]; nothing is told."""
        x = F.softplus(self.hidden_2(F.softplus(self.hidden_1(images.flatten(1)))))
        return torch.cat((self.mean(x), self.logvar(x)), dim=1)


class SoftplusDecoder(nn.Module):
    """p(x | z) of an MLP with two hidden layers."""

    def __init__(self, image_shape: ImageShape, latents: int, width: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.hidden_1 = nn.Linear(latents, width)
        self.hidden_2 = nn.Linear(width, width)
        self.pixels = nn.Linear(width, math.prod(image_shape))

    def forward(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W]; nothing is told."""
        x = F.softplus(self.hidden_2(F.softplus(self.hidden_1(codes))))
        return self.pixels(x).unflatten(1, self.image_shape)
