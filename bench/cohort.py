"""Training: K models of one family, stacked, in one program.

Each model sees the batches, the noise and the initial weights that its own seed names (see `randomness`), so its
numbers do not depend on its company; a model that diverges becomes NaN alone, because nothing mixes the models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from disbench.datasets import DataSet

from .batches import DRAWN_AHEAD, Batch, Batches
from .cuda_graph import graphed
from .history import History
from .lowering import channels_last, lowered
from .models import ForwardPass, reparameterised
from .objectives import OBJECTIVES, Setting
from .precision import PRECISIONS, matrix_units
from .run import Cohort
from .run_model import Conditioning, Parameters, build_model
from .tally import Tally
from .training_state import TrainingState, helper_module


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

    def advance(batch: Batch) -> ForwardPass:
        flat = batch.indices.flatten()
        images = data.images(flat).to(dtype).unflatten(0, batch.indices.shape)
        factors = data.factors(flat) if condition.size else flat[:, None]
        told = condition.one_hot(factors, dtype).unflatten(0, batch.indices.shape)
        seen = [batches.to_each(part) for part in (images, told, batch.noise, batch.order)]
        state.optimiser.zero_grad(set_to_none=True)
        loss, outcome = losses(state.model, state.helper, *seen, strengths, batch.step)
        loss.sum().backward()
        state.optimiser.step()
        return ForwardPass(*(part.detach() for part in outcome))

    with matrix_units(run.precision):
        if device.type == "cuda" and begun < run.steps:
            advance = graphed(advance, state, next(batches.of(range(begun, begun + 1))))
        for first in range(begun, run.steps, DRAWN_AHEAD):
            steps = range(first, min(first + DRAWN_AHEAD, run.steps))
            for step, batch in zip(steps, batches.of(steps), strict=True):
                history.see(step, advance(batch))
                tally.add(run.batch_size * len(cohort.runs))
            tally.pass_on()
            if checkpoint:
                checkpoint.offer(steps.stop, state, history)
    return Trained(state.finished(), history)


def losses_of(cohort: Cohort, dataset_size: int, lowering: str) -> Callable[..., tuple[Tensor, ForwardPass]]:
    """Losses [K] and forward passes of a cohort, as a function of everything that is stacked, and of the step.

    (model [K, ...], helper [K, ...], images, conditions, noise, order, strengths [K], step) with K first in all but
    the step. A helper's loss is added to its model's: neither has a gradient with respect to the other's weights.
    """
    run = cohort.shared
    objective, size = OBJECTIVES[run.objective], run.batch_size
    keywords = {name: run.options[name] for name in objective.loss_options}
    model, helper_net = lowered(build_model(run), lowering), helper_module(cohort)

    def rounded(tensor: Tensor) -> Tensor:
        return tensor if PRECISIONS[run.precision] == torch.float32 else tensor.to(PRECISIONS[run.precision])

    def loss_of_one(
        weights: Parameters,
        helper_weights: Parameters,
        images: Tensor,
        condition: Tensor,
        noise: Tensor,
        order: Tensor,
        strength: Tensor,
        step: Tensor,
    ) -> tuple[Tensor, ForwardPass]:
        weights = {name: rounded(value) for name, value in weights.items()}
        inputs = rounded(images[:size]), rounded(condition[:size]), noise[:size]
        outcome = functional_call(model, weights, inputs)
        if helper_net is None or objective.helper is None:
            return objective.loss(outcome, strength, Setting(dataset_size, step), **keywords), outcome
        fixed = {name: value.detach() for name, value in helper_weights.items()}
        setting = Setting(dataset_size, step, lambda codes: functional_call(helper_net, fixed, codes))
        loss = objective.loss(outcome, strength, setting, **keywords)
        codes = others = outcome.codes.detach()
        if len(images) > size:
            encoder = {
                name[8:]: value.detach() for name, value in weights.items() if name.startswith("encoder.")
            }
            inputs = rounded(images[size:]), rounded(condition[size:])
            others = reparameterised(functional_call(model.encoder, encoder, inputs), noise[size:]).codes
        helper = partial(functional_call, helper_net, helper_weights)
        return loss + objective.helper.loss(helper, codes, others.gather(0, order)), outcome

    if len(cohort.runs) > 1:
        return vmap(loss_of_one, in_dims=(0,) * 7 + (None,))

    def plain(*stacked: Any) -> tuple[Tensor, ForwardPass]:
        # Squeezed, not indexed: the gradient of an index is a copy into zeros.
        only = tree_map(lambda value: value.squeeze(0), stacked[:-1])
        loss, outcome = loss_of_one(*only[:2], channels_last(only[2]), *only[3:], stacked[-1])
        return loss[None], ForwardPass(*(part[None] for part in outcome))

    return plain
