"""A small transformer encoder for captions (Vaswani et al. 2017), in matrix products that `vmap` can stack."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...captions import MOST_WORDS, NO_WORD


class SelfAttention(nn.Module):
    """Scaled dot-product attention of every word to every word of its sentence, in `heads` parts of the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, width)
        self.keys = nn.Linear(width, width)
        self.values = nn.Linear(width, width)
        self.joined = nn.Linear(width, width)

    def forward(self, x: Tensor, is_word: Tensor) -> Tensor:
        """[B, T, width], of which [B, T] are words, to the same shape; nobody attends to what is no word."""

        def parts(layer: nn.Linear) -> Tensor:
            return layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, T, width / heads]

        queries, keys, values = parts(self.queries), parts(self.keys), parts(self.values)
        likeness = queries @ keys.transpose(-2, -1) * keys.shape[-1] ** -0.5  # [B, heads, T, T]
        # Far below any likeness, but finite: a caption without words has a softmax too.
        hidden = torch.where(is_word[:, None, None, :], 0.0, -1e4).to(x.dtype)
        mixed = (likeness + hidden).softmax(dim=-1) @ values
        return self.joined(mixed.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """Attention, then a net of one hidden layer for each word; normalised before each, added after each (pre-norm)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.norm_2 = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, 2 * width)
        self.back = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, is_word: Tensor) -> Tensor:
        """[B, T, width] to the same shape."""
        x = x + self.attention(self.norm_1(x), is_word)
        return x + self.back(F.relu(self.hidden(self.norm_2(x))))


class Table(nn.Embedding):
    """Vectors to learn that begin uniform in +-`reach`."""

    def __init__(self, rows: int, width: int, reach: float) -> None:
        super().__init__(rows, width)
        self.reach = reach

    def initial_range(self, name: str) -> tuple[float, float]:
        """Whatever the net's scheme: a scheme for layers would count rows as units, and drown words in places."""
        return -self.reach, self.reach


class TextEncoder(nn.Module):
    """Word numbers to one vector a caption: embeddings of words and learned places, blocks, the mean over words."""

    def __init__(self, length: int, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.words = Table(MOST_WORDS + 1, width, reach=1.0)
        self.places = Table(length, width, reach=0.3)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers of words [B, T], as floats, 0 for none, to [B, width]. A caption without words is the zero vector."""
        is_word = numbers != NO_WORD
        # A product with one-hot rows, not a look-up: its gradient sums in one order on every device.
        table = self.words.weight
        one_hot = numbers[..., None] == torch.arange(len(table), device=numbers.device)
        x = one_hot.to(table.dtype) @ table + self.places.weight  # [B, T, width]
        for block in self.blocks:
            x = block(x, is_word)
        weight = is_word.to(x.dtype)
        return (self.norm(x) * weight[..., None]).sum(dim=1) / weight.sum(dim=1, keepdim=True).clamp(min=1)
