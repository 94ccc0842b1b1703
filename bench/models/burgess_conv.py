"""The conv net of Burgess et al. 2018, "Understanding disentangling in beta-VAE" (after Higgins et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .vae import VAE


class BurgessEncoder(nn.Module):
    """Four convolutions of 32 channels, k4 stride 2, then two layers of 256 units; ReLU."""

    def __init__(self, channels: int, latents: int, condition_size: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(channels, 32, 4, stride=2, padding=1)
        self.conv_2 = nn.Conv2d(32, 32, 4, stride=2, padding=1)
        self.conv_3 = nn.Conv2d(32, 32, 4, stride=2, padding=1)
        self.conv_4 = nn.Conv2d(32, 32, 4, stride=2, padding=1)
        self.hidden_1 = nn.Linear(512 + condition_size, 256)
        self.hidden_2 = nn.Linear(256, 256)
        self.posterior = nn.Linear(256, 2 * latents)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Posterior parameters [B, 2 D]."""
        x = images
        for layer in (self.conv_1, self.conv_2, self.conv_3, self.conv_4):
            x = self.relu(layer(x))  # ends as [B, 32, 4, 4]
        x = self.relu(self.hidden_1(torch.cat((x.flatten(1), condition), dim=1)))
        return self.posterior(self.relu(self.hidden_2(x)))


class BurgessDecoder(nn.Module):
    """The encoder mirrored: two layers of 256 units, 512 as 32 x 4 x 4, four transposed convolutions k4 stride 2."""

    def __init__(self, channels: int, latents: int, condition_size: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.hidden_1 = nn.Linear(latents + condition_size, 256)
        self.hidden_2 = nn.Linear(256, 256)
        self.hidden_3 = nn.Linear(256, 512)
        self.deconv_1 = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1)
        self.deconv_2 = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1)
        self.deconv_3 = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1)
        self.deconv_4 = nn.ConvTranspose2d(32, channels, 4, stride=2, padding=1)

    def forward(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, 64, 64]."""
        x = torch.cat((codes, condition), dim=1)
        for hidden in (self.hidden_1, self.hidden_2, self.hidden_3):
            x = self.relu(hidden(x))
        x = x.unflatten(1, (32, 4, 4))
        for deconv in (self.deconv_1, self.deconv_2, self.deconv_3):
            x = self.relu(deconv(x))
        return self.deconv_4(x)


def burgess_conv(image_shape: tuple[int, int, int], latents: int, condition_size: int) -> VAE:
    """Burgess' net for 64 x 64 images; a condition joins the flattened features and the codes."""
    channels = image_shape[0]
    return VAE(
        BurgessEncoder(channels, latents, condition_size), BurgessDecoder(channels, latents, condition_size)
    )
