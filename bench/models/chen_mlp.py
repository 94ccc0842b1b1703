"""The MLP that Chen et al. 2018 ("Isolating sources of disentanglement in VAEs") train on dSprites."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .vae import VAE


class ChenEncoder(nn.Module):
    """Two hidden layers of 1200 units, ReLU, on the flattened image."""

    def __init__(self, pixels: int, latents: int, condition_size: int) -> None:
        super().__init__()
        self.hidden_1 = nn.Linear(pixels + condition_size, 1200)
        self.hidden_2 = nn.Linear(1200, 1200)
        self.posterior = nn.Linear(1200, 2 * latents)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Posterior parameters [B, 2 D]."""
        x = F.relu(self.hidden_1(torch.cat((images.flatten(1), condition), dim=1)))
        return self.posterior(F.relu(self.hidden_2(x)))


class ChenDecoder(nn.Module):
    """Three hidden layers of 1200 units, tanh."""

    def __init__(self, image_shape: tuple[int, int, int], latents: int, condition_size: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.hidden_1 = nn.Linear(latents + condition_size, 1200)
        self.hidden_2 = nn.Linear(1200, 1200)
        self.hidden_3 = nn.Linear(1200, 1200)
        self.pixels = nn.Linear(1200, math.prod(image_shape))

    def forward(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W]."""
        x = torch.cat((codes, condition), dim=1)
        for layer in (self.hidden_1, self.hidden_2, self.hidden_3):
            x = torch.tanh(layer(x))
        return self.pixels(x).unflatten(1, self.image_shape)


def chen_mlp(image_shape: tuple[int, int, int], latents: int, condition_size: int) -> VAE:
    """Chen's MLP for images of any shape; a condition joins the pixels and the codes."""
    return VAE(
        ChenEncoder(math.prod(image_shape), latents, condition_size),
        ChenDecoder(image_shape, latents, condition_size),
    )
