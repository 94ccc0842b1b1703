"""A gate for each channel, read off the means of all of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEWEST_HIDDEN, CHANNELS_A_HIDDEN = 4, 16


class SqueezeExcitation(nn.Module):
    """x sigmoid(W2 relu(W1 mean(x))), the mean over pixels (Hu et al. 2018); C / 16 hidden units, at least 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // CHANNELS_A_HIDDEN, FEWEST_HIDDEN)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * gate[:, :, None, None]
