"""What people plot over training: reconstruction, the KL and its parts, the ELBO, for each model of a cohort.

A point is measured on the training batches themselves, as they pass: nothing is encoded twice. There are points at
the first step, at the last, and every `cadence` steps between; long trainings have more at their start, where losses
fall a thousandfold faster than later. A point pools the batches of up to 16 steps where the cadence is long enough to
make that free, and is one batch where it is short. The three parts of the KL are minibatch
stratified estimates from the pooled codes (Chen et al. 2018, appendix C.2): from so few rows they rank models and show
when a term moves, but are too rough to stand beside the decomposition of the finished model, which uses far more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from disbench.metrics import gaussian_kl, log_gaussian, minibatch_log_densities

from .batches import DRAWN_AHEAD
from .catalogue import OBJECTIVES
from .models import KL_NATS, ForwardPass
from .objectives.terms import bernoulli_error
from .run import Cohort

POINTS = 200
"""At most about so many points between the first and the last."""

SHORTEST_CADENCE = 20
"""Steps: a point costs up to a fifth of a step of the smallest nets."""

POOLED_STEPS = 16

AN_OCTAVE = 8
"""Points of the start of a long training each time that its steps double: each stands for an eighth of them or less."""

TERMS = ("mutual_information_nats", "total_correlation_nats", "dimensionwise_kl_nats")

COLUMNS = ("reconstruction_nats", "kl_nats", *TERMS)
"""Numbers of a point; beside them `step`, `images`, `elbo_nats` and the list `kl_per_dimension_nats`."""


def cadence(steps: int) -> int:
    """Steps from one point to the next: a 200th of the training, at least 20, in whole chunks of draws if over 64."""
    every = max(SHORTEST_CADENCE, steps // POINTS)
    return every if every <= DRAWN_AHEAD else every // DRAWN_AHEAD * DRAWN_AHEAD


def is_of_start(done: int, steps: int) -> bool:
    """Whether, after so many updates of a training, its points are closer together than its cadence.

    Short trainings have no such start: it would cost more than a hundredth of them.
    """
    return distance(done) < cadence(steps) and cadence(steps) >= DRAWN_AHEAD


def distance(done: int) -> int:
    """Steps between points of the start: a power of two, an eighth of the updates done or less."""
    return max(1, 2 ** (done.bit_length() - 1) // AN_OCTAVE)


@cache
def points_of(steps: int) -> frozenset[int]:
    """The steps, counted from 0, with which points end.

    In a long training there are eight for each doubling of its steps until they are as far apart as all others: after
    1 to 16 updates, 18, 20, ... 32, 36, ... 64, 72, ... As these distances are powers of two, and so is a chunk of
    draws, what lies between two points that are up to 64 steps apart is of one chunk.
    """
    every = cadence(steps)
    found = {0, steps - 1, *range(every - 1, steps, every)}
    done = 1
    while is_of_start(done, steps):
        found.add(done - 1)
        done += distance(done)
    return frozenset(found)


class History:
    """Collects points of the K models of a cohort while they train."""

    def __init__(self, cohort: Cohort, dataset_size: int) -> None:
        self.cohort, self.dataset_size = cohort, dataset_size
        self.steps, self.every = cohort.shared.steps, cadence(cohort.shared.steps)
        self.pooled = max(1, min(POOLED_STEPS, self.every // SHORTEST_CADENCE))
        self.ends = points_of(self.steps)
        self.has_posteriors = OBJECTIVES[cohort.shared.objective].codes == "posterior"
        self.points: list[dict[str, Tensor]] = []
        self.waiting: list[tuple[Tensor, ...]] = []

    def is_point(self, step: int) -> bool:
        """Whether a point ends with this step, counted from 0."""
        return step in self.ends

    def is_pooled(self, step: int) -> bool:
        """Whether a step's batch is part of a point; a point looks back no further than its chunk of draws.

        So a resumed training, which begins with a chunk, has the points of an uninterrupted one.
        """
        pooled = POOLED_STEPS if is_of_start(step + 1, self.steps) else self.pooled
        last = min(step + pooled, step - step % DRAWN_AHEAD + DRAWN_AHEAD, self.steps)
        return any(self.is_point(later) for later in range(step, last))

    def see(self, step: int, outcome: ForwardPass) -> None:
        """Look at the forward passes [K, ...] of a step."""
        if not self.is_pooled(step):
            return
        pixels = zip(outcome.images, outcome.logits, strict=True)
        errors = torch.stack([bernoulli_error(images, logits) for images, logits in pixels])
        # Copied: a CUDA graph overwrites them at the next step.
        posterior: tuple[Tensor, ...] = (outcome.mean, outcome.logvar, outcome.codes)
        if not self.has_posteriors:
            posterior = (
                outcome.extra.get(KL_NATS, outcome.mean.new_full((*outcome.mean.shape[:2], 1), math.nan)),
            )
        self.waiting.append((errors, *(part.clone() for part in posterior)))
        if self.is_point(step):
            self.points.append(self.point(step))
            self.waiting.clear()

    @torch.no_grad()
    def point(self, step: int) -> dict[str, Tensor]:
        """What the waiting batches say, on the device still: [K, 5] numbers and [K, D] KL per dimension."""
        errors, *posteriors = zip(*self.waiting, strict=True)
        first, *others = (torch.cat(parts, dim=1) for parts in posteriors)
        if self.has_posteriors:
            (logvar, codes), mean = others, first
            per_dimension = gaussian_kl(mean, logvar).mean(dim=1)
            # Of as many batches all along, for the estimates depend on how many: only the start pools more.
            lately = sum(part.shape[1] for part in posteriors[0][-self.pooled :])
            recent = (part[:, -lately:] for part in (codes, mean, logvar))
            terms = torch.stack(
                [
                    torch.stack(minibatch_terms(z, at, spread, self.dataset_size))
                    for z, at, spread in zip(*recent, strict=True)
                ]
            )
        else:
            per_dimension = first.mean(dim=1)
            terms = torch.full((len(first), len(TERMS)), math.nan, device=first.device, dtype=first.dtype)
        numbers = torch.cat(
            (torch.stack(errors).mean(dim=0)[:, None], per_dimension.sum(dim=1, keepdim=True), terms), dim=1
        )
        return {
            "step": torch.tensor(step),
            "images": torch.tensor(first.shape[1]),
            "numbers": numbers,
            "kl_per_dimension": per_dimension,
        }

    def tensors(self) -> dict[str, Tensor]:
        """All points, stacked, by name."""
        names = self.points[0] if self.points else ()
        return {f"history/{name}": torch.stack([p[name] for p in self.points]) for name in names}

    def fits(self, tensors: Mapping[str, Tensor], done: int) -> bool:
        """Whether these are what `tensors()` is after `done` steps."""
        kept = {name: value for name, value in tensors.items() if name.startswith("history/")}
        shapes = {
            "history/step": (),
            "history/images": (),
            "history/numbers": (len(self.cohort.runs), len(COLUMNS)),
            "history/kl_per_dimension": (len(self.cohort.runs), *kept_parts(kept)),
        }
        count = sum(step < done for step in self.ends)
        return {name: tuple(value.shape) for name, value in kept.items()} == {
            name: (count, *shape) for name, shape in shapes.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to what `tensors()` was."""
        kept = {name.removeprefix("history/"): value for name, value in tensors.items() if "history/" in name}
        count = len(next(iter(kept.values()), ()))
        self.points = [{name: value[n] for name, value in kept.items()} for n in range(count)]
        self.waiting.clear()

    def rows(self) -> list[dict[str, Any]]:
        """One row a point and model, model by model."""
        points = [{name: value.tolist() for name, value in point.items()} for point in self.points]
        return [
            {
                "run_id": run.run_id,
                "step": point["step"],
                "images": point["images"],
                "elbo_nats": -point["numbers"][k][0] - point["numbers"][k][1],
                **dict(zip(COLUMNS, point["numbers"][k], strict=True)),
                "kl_per_dimension_nats": point["kl_per_dimension"][k],
            }
            for k, run in enumerate(self.cohort.runs)
            for point in points
        ]


def kept_parts(kept: Mapping[str, Tensor]) -> tuple[int, ...]:
    """How many parts of the KL a kept history tells apart: as many as it does, for who has it is who began it."""
    value = kept.get("history/kl_per_dimension")
    return () if value is None else tuple(value.shape[2:])


def minibatch_terms(
    codes: Tensor, mean: Tensor, logvar: Tensor, dataset_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """I(x; z), total correlation and dimension-wise KL of a model in nats, from M of its codes [M, D]."""
    joint, marginals = minibatch_log_densities(
        codes, mean, logvar, dataset_size=dataset_size, estimator="mss"
    )
    posterior = log_gaussian(codes, mean, logvar).sum(dim=1)
    prior = log_gaussian(codes, torch.zeros_like(codes), torch.zeros_like(codes)).sum(dim=1)
    return (posterior - joint).mean(), (joint - marginals).mean(), (marginals - prior).mean()
