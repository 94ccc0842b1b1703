"""What the models of a cohort see at each step, as a function of their seeds: made on the device, some steps ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from disbench.datasets import DataSet, correlated, entry

from .catalogue import OBJECTIVES
from .randomness import integers, normal, uniform
from .run import Cohort
from .run_model import noise_width

DRAWN_AHEAD = 64
"""Steps whose indices and noise are made in one go."""


class Batch(NamedTuple):
    """One step's draws for S seeds; B images a batch, twice that where the objective asks for a second batch."""

    step: Tensor
    """Scalar: updates made before this one."""
    indices: Tensor
    """[S, B or 2 B], which images."""
    noise: Tensor
    """[S, B or 2 B, W], standard normal; for more than one code an image as many times B, the first of each first."""
    order: Tensor
    """[S, B, D], for each latent a permutation of the batch; [S, 0, D] where none is needed."""


class Batches:
    """The draws of a cohort. Runs of one seed see the same, whatever their objective and strength."""

    def __init__(self, cohort: Cohort, data: DataSet, dtype: torch.dtype) -> None:
        run = cohort.shared
        self.run, self.size, self.device, self.dtype = run, len(data), data.device, dtype
        self.seeds = list(dict.fromkeys(r.seed for r in cohort.runs))
        self.places = torch.tensor([self.seeds.index(r.seed) for r in cohort.runs], device=data.device)
        self.all_differ = len(self.seeds) == len(cohort.runs)
        self.drawn = run.batch_size * (2 if run.options.get("permute") == "second_batch" else 1)
        self.permutes = OBJECTIVES[run.objective].helper is not None
        self.width = noise_width(run)
        self.choosing = OBJECTIVES[run.objective].choosing
        if self.choosing is not None:
            self.chances = self.choosing.chances(entry(run.data_set))
            self.choose = self.choosing.prepare(run, data, self.seeds)
        self.sampler = (
            None
            if run.correlation is None
            else correlated(data, tuple(run.correlation["factors"]), run.correlation["sigma"])
        )

    def of(self, steps: range) -> Iterator[Batch]:
        """The batches of consecutive steps, in order."""
        numbers = torch.tensor(list(steps), dtype=self.dtype, device=self.device)
        indices = self.indices(steps)
        rows = self.drawn * self.run.codes_an_image
        noise = self.draw(normal, "noise", steps, (rows, self.width), dtype=self.dtype)
        order = self.order(steps)
        for t in range(len(steps)):
            yield Batch(numbers[t], indices[:, t], noise[:, t], order[:, t])

    def indices(self, steps: range) -> Tensor:
        """Which images, [S, steps, drawn]."""
        drawn = self.drawn_indices(steps)
        if self.choosing is None:
            return drawn
        chances = self.draw(uniform, "pairs", steps, (self.drawn, self.chances))
        return self.choose(drawn, chances)

    def drawn_indices(self, steps: range) -> Tensor:
        """Images one by one, [S, steps, drawn]."""
        if self.sampler is None:
            return self.draw(integers, "data", steps, (self.drawn,), below=self.size)
        chances = self.draw(uniform, "data", steps, (self.drawn, 2), dtype=torch.float64)
        return self.sampler.indices(chances.flatten(0, 2)).reshape(chances.shape[:-1])

    def order(self, steps: range) -> Tensor:
        """Permutations of the batch, [S, steps, B, D]: where uniform numbers fall in order."""
        shape = (self.run.batch_size if self.permutes else 0, self.run.latents)
        if not self.permutes:
            return torch.zeros(len(self.seeds), len(steps), *shape, dtype=torch.int64, device=self.device)
        return self.draw(uniform, "permute", steps, shape).argsort(dim=2, stable=True)

    def draw(
        self,
        kind: Callable[..., Tensor],
        role: str,
        steps: range,
        shape: tuple[int, ...],
        **keywords: object,
    ) -> Tensor:
        """Random numbers [S, steps, *shape], made on the device."""
        words = torch.tensor(self.seeds, device=self.device)
        count = torch.Size(shape).numel()
        return kind(words, role, list(steps), count, **keywords).unflatten(-1, shape)

    def to_each(self, by_seed: Tensor) -> Tensor:
        """From one entry a seed [S, ...] to one a model [K, ...]."""
        return by_seed if self.all_differ else by_seed.index_select(0, self.places)
