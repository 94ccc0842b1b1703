"""The gated PixelCNN: an exact probability of maps of indices, one position after another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Offsets = tuple[tuple[int, int], ...]
"""(rows down, columns right) from a position to those that it may look at."""


class Taps(nn.Module):
    """A convolution over maps [B, H, W, F] that is told which positions it looks at; those outside the map are 0.

    A masked convolution whose masked weights are not there: the positions side by side, then one matrix product.
    """

    def __init__(self, offsets: Offsets, features: int, out: int) -> None:
        super().__init__()
        self.offsets = offsets
        self.linear = nn.Linear(len(offsets) * features, out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, H, W, out]."""
        _, height, width, _ = x.shape
        down = [row for row, _ in self.offsets]
        right = [column for _, column in self.offsets]
        top, left = max(0, -min(down)), max(0, -min(right))
        padded = F.pad(x, (0, 0, left, max(0, *right, 0), top, max(0, *down, 0)))
        seen = [
            padded[:, top + row : top + row + height, left + column : left + column + width]
            for row, column in self.offsets
        ]
        mixed: Tensor = self.linear(torch.cat(seen, dim=-1))
        return mixed


def gated(x: Tensor) -> Tensor:
    """tanh(a) sigmoid(b) of features [..., 2 F] in two halves (van den Oord et al. 2016, equation 2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.tanh(a) * torch.sigmoid(b)


def one_row_down(x: Tensor) -> Tensor:
    """Maps [B, H, W, F] moved down by a row; the first row becomes 0."""
    return F.pad(x[:, :-1], (0, 0, 0, 0, 1, 0))


class GatedLayer(nn.Module):
    """Both stacks, one layer further (van den Oord et al. 2016, figure 2).

    The vertical stack looks at its own row and those above, on both sides, and hands the horizontal one what it made of
    the row above, so that no position is out of sight. The horizontal stack looks to the left along its own row: in the
    first layer without its own position (mask A), later with it (mask B), with a residual connection there.
    """

    def __init__(self, features: int, kernel: int, *, first: bool) -> None:
        super().__init__()
        reach = kernel // 2
        self.first = first
        above = tuple((row, column) for row in range(-reach, 1) for column in range(-reach, reach + 1))
        self.vertical = Taps(above, features, 2 * features)
        along = tuple((0, column) for column in range(-reach, 0 if first else 1))
        self.horizontal = Taps(along, features, 2 * features)
        self.link = nn.Linear(2 * features, 2 * features)
        self.out = nn.Linear(features, features)

    def forward(self, vertical: Tensor, horizontal: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks [B, H, W, F]."""
        from_above = self.vertical(vertical)
        x = self.out(gated(self.horizontal(horizontal) + self.link(one_row_down(from_above))))
        return gated(from_above), x if self.first else x + horizontal


class GatedPixelCNN(nn.Module):
    """p(k) = prod_i p(k_i | k_1 .. k_(i-1)) of maps of indices, row by row from the top left.

    Reference: van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders"; here the "pixels" are
    indices of a codebook, as in van den Oord et al. 2017.
    """

    def __init__(
        self, codes: int, map_shape: tuple[int, int], features: int, layers: int, kernel: int
    ) -> None:
        super().__init__()
        self.map_shape = map_shape
        self.embedding = nn.Embedding(codes, features)
        self.layers = nn.ModuleList(
            GatedLayer(features, kernel, first=number == 0) for number in range(layers)
        )
        self.hidden = nn.Linear(features, features)
        self.logits = nn.Linear(features, codes)

    def forward(self, indices: Tensor) -> Tensor:
        """Indices [B, P] to log p(k_i = k | those before) in nats, [B, P, K]."""
        vertical = horizontal = self.embedding(indices).unflatten(1, self.map_shape)
        for layer in self.layers:
            vertical, horizontal = layer(vertical, horizontal)
        x = self.logits(F.relu(self.hidden(F.relu(horizontal))))
        return x.log_softmax(dim=-1).flatten(1, 2)

    def log_probabilities(self, indices: Tensor) -> Tensor:
        """Log p(k_i | k_1 .. k_(i-1)) of maps [B, P] in nats, [B, P]: its sum is the log-probability of the map."""
        return self(indices).gather(2, indices[..., None]).squeeze(2)

    def sample(self, chances: Tensor) -> Tensor:
        """Maps of indices [B, P] from uniform numbers [B, P], one a position: ancestral, by inverse distribution."""
        indices = torch.zeros_like(chances, dtype=torch.int64)
        for position in range(chances.shape[1]):
            cumulative = self(indices)[:, position].exp().cumsum(dim=-1)
            below = (cumulative < chances[:, position, None]).sum(dim=-1)
            indices[:, position] = below.clamp_max(cumulative.shape[-1] - 1)
        return indices
