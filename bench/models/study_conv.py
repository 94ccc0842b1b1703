"""The conv net of the unsupervised study (Locatello et al. 2019, table of hyperparameters)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .vae import VAE


class StudyEncoder(nn.Module):
    """Convolutions 32 k4, 32 k4, 64 k2, 64 k2, all stride 2, then 256 units; ReLU."""

    def __init__(self, channels: int, latents: int, condition_size: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(channels, 32, 4, stride=2, padding=1)
        self.conv_2 = nn.Conv2d(32, 32, 4, stride=2, padding=1)
        self.conv_3 = nn.Conv2d(32, 64, 2, stride=2)
        self.conv_4 = nn.Conv2d(64, 64, 2, stride=2)
        self.hidden = nn.Linear(1024 + condition_size, 256)
        # Two heads, not one of twice the width: Glorot's bound counts the units of a head.
        self.mean = nn.Linear(256, latents)
        self.logvar = nn.Linear(256, latents)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Posterior parameters [B, 2 D]."""
        x = self.relu(self.conv_1(images))  # [B, 32, 32, 32]
        x = self.relu(self.conv_2(x))  # [B, 32, 16, 16]
        x = self.relu(self.conv_3(x))  # [B, 64, 8, 8]
        x = self.relu(self.conv_4(x))  # [B, 64, 4, 4]
        x = self.relu(self.hidden(torch.cat((x.flatten(1), condition), dim=1)))
        return torch.cat((self.mean(x), self.logvar(x)), dim=1)


class StudyDecoder(nn.Module):
    """256 units, 1024 units as 64 x 4 x 4, then transposed convolutions 64, 32, 32, C, all k4 stride 2; ReLU."""

    def __init__(self, channels: int, latents: int, condition_size: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.hidden_1 = nn.Linear(latents + condition_size, 256)
        self.hidden_2 = nn.Linear(256, 1024)
        self.deconv_1 = nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1)
        self.deconv_2 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)
        self.deconv_3 = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1)
        self.deconv_4 = nn.ConvTranspose2d(32, channels, 4, stride=2, padding=1)

    def forward(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, 64, 64]."""
        x = self.relu(self.hidden_1(torch.cat((codes, condition), dim=1)))
        x = self.relu(self.hidden_2(x)).unflatten(1, (64, 4, 4))
        x = self.relu(self.deconv_1(x))  # [B, 64, 8, 8]
        x = self.relu(self.deconv_2(x))  # [B, 32, 16, 16]
        x = self.relu(self.deconv_3(x))  # [B, 32, 32, 32]
        return self.deconv_4(x)


def study_conv(image_shape: tuple[int, int, int], latents: int, condition_size: int) -> VAE:
    """The study's net for 64 x 64 images; a condition joins the flattened features and the codes."""
    channels = image_shape[0]
    return VAE(
        StudyEncoder(channels, latents, condition_size), StudyDecoder(channels, latents, condition_size)
    )
