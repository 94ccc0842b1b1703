"""Vectors to the nearest of a codebook, and a codebook that follows them by moving averages."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

DECAY = 0.99
"""Of the moving averages, the paper's (van den Oord et al. 2017, appendix A.1)."""

LEAST_USE = 0.1
"""A code is dead below this share of an even use of all codes."""

NO_DISTANCE = 1e-30
"""In place of zero, so that a vector at its code is taken for a new one after all others."""


class Quantised(NamedTuple):
    """What N vectors became."""

    indices: Tensor
    """[N] int64, which code each is."""
    vectors: Tensor
    """[N, d], those codes, without a gradient."""


ROUNDING = 16
"""Units in the last place of a squared length, below which a difference of squared distances is none."""


def squared_distances(points: Tensor, vectors: Tensor) -> Tensor:
    """Squared Euclidean distances [N, K] of points [N, d] to vectors [K, d]; 0 where rounding could have made them."""
    lengths = points.square().sum(dim=1, keepdim=True) + vectors.square().sum(dim=1)
    apart = lengths - 2 * (points @ vectors.T)
    return torch.where(apart > ROUNDING * torch.finfo(apart.dtype).eps * lengths, apart, 0)


def nearest(points: Tensor, vectors: Tensor) -> Tensor:
    """Which of vectors [K, d] is nearest to points [N, d], int64 [N]; the first of those as near as can be told.

    Not simply the least: of two codes at one place rounding would choose, and that may differ from machine to machine
    and with the models trained beside this one.
    """
    apart = squared_distances(points, vectors)
    room = ROUNDING * torch.finfo(apart.dtype).eps * points.square().sum(dim=1, keepdim=True)
    numbers = torch.arange(len(vectors), device=apart.device)
    found = apart <= apart.amin(dim=1, keepdim=True) + room
    return torch.where(found, numbers, len(vectors) - 1).amin(dim=1)


def straight_through(points: Tensor, vectors: Tensor) -> Tensor:
    """The vectors, with the gradient of the points: what is learned of the one reaches the other unchanged."""
    return points + (vectors - points).detach()


def replacements(distances: Tensor, noise: Tensor, count: int) -> Tensor:
    """Which of N points become new codes: `count` different ones, by chance in proportion to `distances` [N], [count].

    Points drawn one after another without putting back, each with a chance in proportion to its squared distance to
    the present codes, as k-means++ begins (Arthur and Vassilvitskii 2007) but with the distances of the beginning.
    The draw is an exponential race (Efraimidis and Spirakis 2006): the first to arrive are those with the least
    -log(u) / distance, so that no value need be looked at. `noise` is standard normal, [N].
    """
    arrival = -torch.special.ndtr(noise).log() / distances.clamp_min(NO_DISTANCE)
    return arrival.topk(count, largest=False).indices


def along_main_axis(vectors: Tensor) -> Tensor:
    """Codes [K, d] in order along their main axis: which code has number 0, 1, ..., int64 [K].

    The axis is the first principal component, by squaring the covariance six times: its 64th power. Its sign is that by
    which its largest entry is positive.
    """
    centred = vectors - vectors.mean(dim=0)
    power = centred.T @ centred
    for _ in range(6):
        power = power / power.square().sum().sqrt().clamp_min(NO_DISTANCE)
        power = power @ power
    largest = power.square().sum(dim=0).argmax()
    axis = power.index_select(1, largest[None])
    return (centred @ axis).squeeze(1).argsort(stable=True)


class VectorQuantiser(nn.Module):
    """A codebook of K vectors of d numbers that is no parameter: it follows the points by exponential moving averages.

    With n_k the points of a batch nearest to code k and m_k their sum (van den Oord et al. 2017, appendix A.1):

        N_k <- decay N_k + (1 - decay) n_k      M_k <- decay M_k + (1 - decay) m_k      e_k = M_k / N_k

    which for a decay of 0 is one step of k-means. Before a batch is quantised every code whose N_k is below `LEAST_USE`
    of an even use is dead and becomes a point of the batch (see `replacements`), as if it had been used twice as much
    as it takes to live. All codes begin dead, so that the first batch makes the codebook. The paper's codes begin at
    random and may stay unused; restarts are later custom (Dhariwal et al. 2020, Jukebox).

    Buffers, all of floating point and written to in training alone: `vectors` [K, d], `counts` [K] (N_k), `sums` [K, d]
    (M_k), and the scalar `frozen`: where it is 1 the other three stay as they are. Who trains the model sets it.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor
    frozen: Tensor

    def __init__(self, codes: int, width: int, decay: float = DECAY) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("vectors", torch.zeros(codes, width))
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, width))
        self.register_buffer("frozen", torch.zeros(()))

    def forward(self, points: Tensor, noise: Tensor) -> Quantised:
        """Points [N, d] to their codes; `noise`, standard normal [N], says which points replace dead codes."""
        points = points.detach().to(self.vectors.dtype)
        if self.training:
            self.restart(points, noise)
        indices = nearest(points, self.vectors)
        chosen = self.vectors[indices]
        if self.training:
            self.follow(points, indices)
        return Quantised(indices, chosen)

    def restart(self, points: Tensor, noise: Tensor) -> None:
        """Put points of the batch in place of dead codes."""
        codes, least = len(self.vectors), LEAST_USE * len(points) / len(self.vectors)
        dead = (self.counts < least) & (self.frozen == 0)
        apart = squared_distances(points, self.vectors).amin(dim=1)
        taken = replacements(apart, noise, min(codes, len(points)))
        place = (dead.long().cumsum(dim=0) - 1).clamp_min(0) % len(taken)
        new = points[taken[place]]
        self.vectors.copy_(torch.where(dead[:, None], new, self.vectors))
        self.counts.copy_(torch.where(dead, 2 * least, self.counts))
        self.sums.copy_(torch.where(dead[:, None], 2 * least * new, self.sums))

    def follow(self, points: Tensor, indices: Tensor) -> None:
        """Move the averages by a batch, and the codes with them."""
        learns = self.frozen == 0
        numbers = torch.arange(len(self.vectors), device=indices.device)
        own = (indices[:, None] == numbers).to(points.dtype)
        counts = self.decay * self.counts + (1 - self.decay) * own.sum(dim=0)
        sums = self.decay * self.sums + (1 - self.decay) * (own.T @ points)
        used = counts > 0
        moved = sums / torch.where(used, counts, torch.ones_like(counts))[:, None]
        self.vectors.copy_(torch.where(learns & used[:, None], moved, self.vectors))
        self.counts.copy_(torch.where(learns, counts, self.counts))
        self.sums.copy_(torch.where(learns, sums, self.sums))
