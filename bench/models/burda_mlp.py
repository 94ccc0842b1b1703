"""The MLP of Burda et al. 2016 ("Importance Weighted Autoencoders") with one stochastic layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .vae import VAE


class BurdaEncoder(nn.Module):
    """Two hidden layers of 200 units, tanh, on the flattened image; two linear heads."""

    def __init__(self, pixels: int, latents: int, condition_size: int) -> None:
        super().__init__()
        self.hidden_1 = nn.Linear(pixels + condition_size, 200)
        self.hidden_2 = nn.Linear(200, 200)
        # Two heads, not one of twice the width: Glorot's bound counts the units of a head.
        self.mean = nn.Linear(200, latents)
        self.logvar = nn.Linear(200, latents)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Posterior parameters [B, 2 D]."""
        x = torch.tanh(self.hidden_1(torch.cat((images.flatten(1), condition), dim=1)))
        x = torch.tanh(self.hidden_2(x))
        return torch.cat((self.mean(x), self.logvar(x)), dim=1)


class BurdaDecoder(nn.Module):
    """Two hidden layers of 200 units, tanh."""

    def __init__(self, image_shape: tuple[int, int, int], latents: int, condition_size: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.hidden_1 = nn.Linear(latents + condition_size, 200)
        self.hidden_2 = nn.Linear(200, 200)
        self.pixels = nn.Linear(200, math.prod(image_shape))

    def forward(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W]."""
        x = torch.cat((codes, condition), dim=1)
        x = torch.tanh(self.hidden_2(torch.tanh(self.hidden_1(x))))
        return self.pixels(x).unflatten(1, self.image_shape)


def burda_mlp(image_shape: tuple[int, int, int], latents: int, condition_size: int) -> VAE:
    """Burda's MLP for images of any shape; a condition joins the pixels and the codes."""
    return VAE(
        BurdaEncoder(math.prod(image_shape), latents, condition_size),
        BurdaDecoder(image_shape, latents, condition_size),
    )
