"""Reads coarse factors off images: a small classifier trained on real ones, the judge of what captions make."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disbench.datasets import DataSet

from ...captions import Grammar, Writer, grammar_of
from ...models import initial_parameters
from ...randomness import integers, uniform

BATCH, LEARNING_RATE, WARM_UP = 128, 3e-3, 20
"""Images a step; of Adam, falling to 0 on a line after steps in which it rises."""

SIDE = 16
"""Pixels that each view of an image is averaged to."""

SHARE, IMAGES = 100, 101
"""Steps of the role `metric`: which half of the images trains, and which of it makes each batch."""


class FactorReader(nn.Module):
    """Scores of the coarse classes of each factor: two hidden layers over two views of an image, 16 x 16 pixels each.

    One is the whole image. The other is its middle half, moved to where the image is bright on average: what a thing is
    like need not be learnt at each place again.
    """

    def __init__(self, image_shape: tuple[int, int, int], sizes: tuple[int, ...]) -> None:
        super().__init__()
        channels, height, _ = image_shape
        self.sizes = sizes
        pixels = sum(math.ceil(side / pooled(side)) ** 2 for side in (height, height // 2))
        self.hidden_1 = nn.Linear(channels * pixels, 256)
        self.hidden_2 = nn.Linear(256, 128)
        self.classes = nn.Linear(128, sum(sizes))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """For each factor the scores of its coarse classes, [B, classes], of images [B, C, H, W]."""
        views = [
            F.avg_pool2d(x, pooled(x.shape[-1]), ceil_mode=True).flatten(1) for x in (images, centred(images))
        ]
        x = F.relu(self.hidden_1(torch.cat(views, dim=1)))
        return self.classes(F.relu(self.hidden_2(x))).split(self.sizes, dim=1)


def pooled(side: int) -> int:
    """Pixels that are averaged along each side."""
    return max(1, side // SIDE)


def centred(images: Tensor) -> Tensor:
    """The middle half of square images [B, C, H, H] after moving their centre of brightness there, [B, C, H/2, H/2]."""
    side = images.shape[-1]
    light = images.mean(dim=1)
    middles = torch.arange(side, device=images.device) + 0.5
    total = light.sum(dim=(1, 2)).clamp(min=1e-6)
    across, down = ((light.sum(dim=dim) * middles).sum(dim=1) / total for dim in (1, 2))
    offsets = torch.arange(side // 2, device=images.device) + 0.5 - side // 2 / 2
    x, y = ((centre[:, None] + offsets) * 2 / side - 1 for centre in (across, down))
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
    return F.grid_sample(images, grid, align_corners=False)


def looks(grammar: Grammar, coarse: Tensor) -> Tensor:
    """Coarse classes [B, K] with those that look the same as one: a turn less whole periods of the shape's symmetry."""
    seen = coarse.clone()
    for column, aspect in enumerate(grammar.aspects):
        if aspect.periods:
            periods = torch.tensor(aspect.periods, device=coarse.device)
            seen[:, column] %= periods[coarse[:, grammar.column("shape")]]
    return seen


class Judge:
    """A trained reader, and the images of the data set that it has not been trained on."""

    def __init__(self, data: DataSet, data_set: str, seed: int, steps: int) -> None:
        self.grammar = grammar_of(data_set)
        self.writer = Writer(self.grammar, data.device)
        sizes = tuple(len(aspect.labels) for aspect in self.grammar.aspects)
        self.reader = FactorReader(data.image_shape, sizes).to(data.device)
        # Half of the images, by a number of their own, so that every other one can be asked about.
        trains = uniform([seed], "metric", [SHARE], len(data))[0, 0].to(data.device) < 0.5
        self.kept_back = (~trains).nonzero()[:, 0]
        """[n], indices of the images that it was not trained on."""
        with torch.enable_grad():
            self.train(data, trains.nonzero()[:, 0], seed, steps)
        self.reader.requires_grad_(False)

    def train(self, data: DataSet, images: Tensor, seed: int, steps: int) -> None:
        """Adam on the sum of the factors' cross-entropies."""
        start = initial_parameters(self.reader, "glorot", [seed], data.device)
        self.reader.load_state_dict({name: value[0] for name, value in start.items()})
        optimiser = torch.optim.Adam(self.reader.parameters(), LEARNING_RATE)
        pace = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min(1.0, (step + 1) / WARM_UP) * (1 - step / steps)
        )
        drawn = integers([seed], "metric", [IMAGES], steps * BATCH, below=len(images))[0, 0].unflatten(
            0, (steps, -1)
        )
        for batch in drawn.to(data.device):
            indices = images[batch]
            targets = looks(self.grammar, self.writer.coarse(data.factors(indices)))
            scores = self.reader(data.images(indices))
            loss = sum(F.cross_entropy(s, targets[:, k]) for k, s in enumerate(scores))
            optimiser.zero_grad(set_to_none=True)
            torch.as_tensor(loss).backward()
            optimiser.step()
            pace.step()

    @torch.no_grad()
    def read(self, images: Tensor) -> Tensor:
        """The coarse classes [B, K] that it reads off images [B, C, H, W], a turn as `looks` has it."""
        return torch.stack([scores.argmax(dim=1) for scores in self.reader(images)], dim=1)


JUDGES: dict[tuple[object, ...], Judge] = {}
"""Of this process, by all that they depend on."""


def judge(data: DataSet, data_set: str, seed: int, steps: int) -> Judge:
    """The judge of a data set and seed, trained once in a process."""
    key = (data_set, data.source, len(data), data.device, seed, steps)
    if key not in JUDGES:
        JUDGES[key] = Judge(data, data_set, seed, steps)
    return JUDGES[key]
