"""The losses of a cohort's K models as one function of everything that is stacked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from .catalogue import OBJECTIVES
from .lowering import COMPILED, channels_last, lowered
from .models import ForwardPass, Model, reparameterised
from .objectives import Objective, Setting
from .precision import PRECISIONS
from .run import Cohort
from .run_model import Parameters, build_model
from .training_state import helper_module

Losses = Callable[..., tuple[Tensor, ForwardPass]]


class Trained(nn.Module):
    """A model as training runs it: as its objective says, or by its own forward pass."""

    PREFIX = "model."

    def __init__(self, model: Model, forward: Callable[..., ForwardPass]) -> None:
        super().__init__()
        self.model, self.as_told = model, forward

    @classmethod
    def of(cls, objective: Objective, model: Model) -> Trained:
        """The model of an objective."""
        return cls(model, objective.forward or (lambda model, *inputs: model(*inputs)))

    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """The forward pass that is learned from."""
        return self.as_told(self.model, images, condition, noise)


class ModelLoss:
    """The loss of one model as a pure function of tensors, so that `vmap` can run it for many."""

    def __init__(self, cohort: Cohort, dataset_size: int, lowering: str) -> None:
        run = cohort.shared
        self.objective = OBJECTIVES[run.objective]
        self.size, self.dataset_size = run.batch_size, dataset_size
        self.codes = run.batch_size * run.codes_an_image
        self.steps = run.steps
        self.keywords = {
            name: run.options[name] for name in self.objective.loss_options if name in run.options
        }
        self.model = lowered(build_model(run), lowering)
        self.run_in_training = Trained.of(self.objective, self.model)
        self.helper, self.low = helper_module(cohort), PRECISIONS[run.precision]

    def __call__(
        self,
        weights: Parameters,
        buffers: Parameters,
        helper_weights: Parameters,
        images: Tensor,
        condition: Tensor,
        noise: Tensor,
        order: Tensor,
        strength: Tensor,
        step: Tensor,
    ) -> tuple[Tensor, ForwardPass]:
        """Loss and forward pass of the batch; images beyond it are the helper's second batch.

        A helper's loss is added to its model's: neither has a gradient with respect to the other's weights.
        """
        size = self.size
        weights = {name: self.rounded(value) for name, value in weights.items()}
        inputs = (self.rounded(images[:size]), self.rounded(condition[:size]), noise[: self.codes])
        state = {Trained.PREFIX + name: value for name, value in {**weights, **buffers}.items()}
        outcome: ForwardPass = functional_call(self.run_in_training, state, inputs)
        outcome = outcome._replace(images=images[:size])  # as they are, however the network saw them
        if self.helper is None or self.objective.helper is None:
            loss = self.loss(outcome, strength, Setting(self.dataset_size, step, steps=self.steps))
            if self.codes > size:  # who looks on, like the history, sees one code an image
                outcome = outcome._replace(logits=outcome.logits[:size], codes=outcome.codes[:size])
            return loss, outcome
        fixed = {name: value.detach() for name, value in helper_weights.items()}
        network = partial(functional_call, self.helper, fixed)
        setting = Setting(self.dataset_size, step, network, self.steps)
        codes = others = outcome.codes.detach()
        if len(images) > size:
            others = self.codes_of(weights, images[size:], condition[size:], noise[size:])
        live = partial(functional_call, self.helper, helper_weights)
        helper_loss = self.objective.helper.loss(live, codes, others.gather(0, order))
        return self.loss(outcome, strength, setting) + helper_loss, outcome

    def loss(self, outcome: ForwardPass, strength: Tensor, setting: Setting) -> Tensor:
        """The objective's own."""
        return self.objective.loss(outcome, strength, setting, **self.keywords)

    def codes_of(self, weights: Parameters, images: Tensor, condition: Tensor, noise: Tensor) -> Tensor:
        """Codes of a second batch, without a gradient."""
        encoder = {
            name.removeprefix("encoder."): value.detach()
            for name, value in weights.items()
            if name.startswith("encoder.")
        }
        inputs = (self.rounded(images), self.rounded(condition))
        network = self.model.get_submodule("encoder")
        return reparameterised(functional_call(network, encoder, inputs), noise).codes

    def rounded(self, tensor: Tensor) -> Tensor:
        """In the precision of the networks, where that is lower than the tensor's."""
        return tensor.to(self.low) if self.low.itemsize < 4 else tensor


def losses_of(cohort: Cohort, dataset_size: int, lowering: str) -> Losses:
    """Losses [K] and forward passes of a cohort, as a function of everything that is stacked, and of the step.

    (model [K, ...], its buffers [K, ...], helper [K, ...], images, conditions, noise, order, strengths [K], step) with
    K first in all but the step.
    """
    of_all = stacked_losses(ModelLoss(cohort, dataset_size, lowering), len(cohort.runs))
    if lowering != COMPILED:
        return of_all
    torch.compiler.reset()  # programs of earlier cohorts count against a limit
    compiled: Losses = torch.compile(of_all, dynamic=False)
    return compiled


def stacked_losses(of_one: Losses, models: int) -> Losses:
    """The function for K models from that for one: mapped, or for a single model with its leading dimension removed."""
    if models > 1:
        return vmap(of_one, in_dims=(0,) * 8 + (None,))

    def unstacked(*stacked: Any) -> tuple[Tensor, ForwardPass]:
        # Squeezed, not indexed: the gradient of an index is a copy into zeros.
        weights, buffers, helper, images, *rest = tree_map(lambda value: value.squeeze(0), stacked[:-1])
        loss, outcome = of_one(weights, buffers, helper, channels_last(images), *rest, stacked[-1])
        return loss[None], tree_map(lambda part: part[None], outcome)

    return unstacked
