"""Training: K models of one family, stacked, in one program.

Each model sees the batches, the noise and the initial weights that its own seed names (see `randomness`), so its
numbers do not depend on its company; a model that diverges becomes NaN alone, because nothing mixes the models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch.utils._pytree import tree_map

from disbench.datasets import DataSet

from .batches import DRAWN_AHEAD, Batch, Batches
from .cuda_graph import graphed
from .history import History
from .losses import losses_of
from .models import ForwardPass
from .precision import matrix_units
from .run import Cohort
from .run_model import Conditioning, Parameters
from .tally import Tally
from .training_state import TrainingState


class Trained(NamedTuple):
    """What training leaves."""

    parameters: Parameters
    """[K, ...] on the device of the data; NaN for a model that diverged."""
    history: History
    """What was recorded on the way."""


class Checkpoint(Protocol):
    """Where a training that may be interrupted keeps its state; see `checkpoint`."""

    def resume(self, state: TrainingState, history: History) -> int:
        """Put the state back to the last that was kept; the steps done by then, 0 if there is none."""

    def offer(self, done: int, state: TrainingState, history: History) -> None:
        """Keep the state after `done` steps, if the last one is old."""


def train(
    cohort: Cohort,
    data: DataSet,
    *,
    dtype: torch.dtype = torch.float32,
    lowering: str = "native",
    on_images: Callable[[int], None] = lambda count: None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train a cohort from its seeds to its last step.

    Args:
        cohort: K runs of one family.
        data: their data set; training happens on its device.
        dtype: of weights and sums; float64 is for tests.
        lowering: key of `LOWERINGS`: how convolutions are carried out.
        on_images: called now and then with the number of images trained since the last call, over all models.
        checkpoint: where to begin and what to keep on the way.
    """
    run, device = cohort.shared, data.device
    state, batches = TrainingState.initial(cohort, device, dtype), Batches(cohort, data, dtype)
    history = History(cohort, len(data))
    begun = checkpoint.resume(state, history) if checkpoint else 0
    strengths = torch.tensor([r.strength for r in cohort.runs], dtype=dtype, device=device)
    losses = losses_of(cohort, len(data), lowering)
    condition, tally = Conditioning.of(run), Tally(on_images)
    tells = condition.training(data, batches.seeds)

    def step_of(batch: Batch) -> ForwardPass:
        flat = batch.indices.flatten()
        images = data.images(flat).to(dtype).unflatten(0, batch.indices.shape)
        factors = (data.factors(flat) if condition.telling else flat[:, None]).unflatten(
            0, batch.indices.shape
        )
        told = tells(batch.indices, factors).to(dtype)
        seen = [batches.to_each(part) for part in (images, told, batch.noise, batch.order)]
        state.optimiser.zero_grad(set_to_none=True)
        loss, outcome = losses(state.model, state.buffers, state.helper, *seen, strengths, batch.step)
        loss.sum().backward()
        state.optimiser.step()
        return tree_map(lambda part: part.detach(), outcome)

    with matrix_units(run.precision):
        advance: Callable[[Batch], ForwardPass] = step_of
        if device.type == "cuda" and begun < run.steps:
            advance = graphed(step_of, state, next(batches.of(range(begun, begun + 1))))
        for first in range(begun, run.steps, DRAWN_AHEAD):
            steps = range(first, min(first + DRAWN_AHEAD, run.steps))
            for step, batch in zip(steps, batches.of(steps), strict=True):
                history.see(step, advance(batch))
                tally.add(run.batch_size * len(cohort.runs))
            tally.pass_on()
            if checkpoint:
                checkpoint.offer(steps.stop, state, history)
    return Trained(state.finished(), history)
