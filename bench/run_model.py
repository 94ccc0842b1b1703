"""The model of a run: which condition it is told, its module, its weights on their own or among a cohort's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from disbench.datasets import DataSet, entry

from .catalogue import ARCHITECTURES, OBJECTIVES
from .models import Architecture, Model
from .objectives import CLASS, Telling, Told
from .run import Run

Parameters = dict[str, Tensor]
"""Parameter name to tensor; of a cohort, with the K models as the first dimension."""


@dataclass(frozen=True)
class Conditioning:
    """What the models of a run are told beside images: the class of a factor, or whatever their objective tells."""

    run: Run
    telling: Telling | None
    column: int | None
    """Of the factors, which one the run's condition is; None without one."""
    classes: int
    """Of that factor; 0 without one."""
    size: int
    """Numbers of a condition as the nets have it."""

    @classmethod
    def of(cls, run: Run) -> Conditioning:
        """The run's condition, looked up in the tables of objectives and data sets."""
        objective = OBJECTIVES[run.objective]
        telling = objective.telling or (CLASS if objective.conditional else None)
        if telling is None:
            return cls(run, None, None, 0, 0)
        data_set = entry(run.data_set)
        column = None if run.condition is None else data_set.factor_names.index(run.condition)
        size = telling.size(run.options, run.condition, data_set) if telling.to_model else 0
        return cls(run, telling, column, 0 if column is None else data_set.factor_sizes[column], size)

    @property
    def told_when_scored(self) -> tuple[int, ...]:
        """Columns of the factors that scored models are told of: what their codes say of those is no score of theirs.

        Sentences may be of any factor, so that no factor is left.
        """
        if self.telling is None or not self.telling.when_scored:
            return ()
        if self.telling.of_text is not None:
            return tuple(range(len(entry(self.run.data_set).factor_names)))
        return () if self.column is None else (self.column,)

    @property
    def told_size(self) -> int:
        """Numbers that the objective's own `forward` is told, if the nets are told nothing."""
        if self.telling is None or self.telling.to_model:
            return self.size
        return self.telling.size(self.run.options, self.run.condition, entry(self.run.data_set))

    def training(self, data: DataSet, seeds: Sequence[int]) -> Told:
        """(indices [S, B], factors [S, B, K]) to what is told in training, [S, B, Y]."""
        return nothing if self.telling is None else self.telling.training(self.run, data, seeds)

    def evaluation(self, data: DataSet) -> Told:
        """(indices [B], factors [B, K]) to what the nets are told when they are scored, [B, Y]."""
        if self.telling is None or not self.telling.to_model:
            return nothing
        return self.telling.evaluation(self.run, data)


def nothing(indices: Tensor, factors: Tensor) -> Tensor:
    """What a model without a condition is told, [..., 0]."""
    return torch.zeros(*indices.shape, 0, device=indices.device)


def architecture_of(run: Run) -> Architecture:
    """The run's net."""
    return ARCHITECTURES[run.architecture]


def code_width(run: Run) -> int:
    """D, the numbers of a code."""
    width = architecture_of(run).code_width
    return run.latents if width is None else width(entry(run.data_set).image_shape, run.latents)


def noise_width(run: Run) -> int:
    """W, the standard normal numbers that training draws for each code of an image."""
    extra = OBJECTIVES[run.objective].extra_noise
    return code_width(run) + (0 if extra is None else extra(entry(run.data_set).image_shape, run.latents))


def build_model(run: Run) -> Model:
    """The module of one run, on the meta device: shapes and code; the weights live elsewhere."""
    with torch.device("meta"):
        return built(run)


def built(run: Run) -> Model:
    """The module of one run on the device at hand."""
    return architecture_of(run).build(entry(run.data_set).image_shape, run.latents, Conditioning.of(run).size)


def initial_buffers(run: Run) -> Parameters:
    """The floating-point buffers of a run's model before training; they are the same for every seed."""
    names = [name for name, value in build_model(run).named_buffers() if value.is_floating_point()]
    if not names:
        return {}
    with torch.random.fork_rng(devices=[]):  # layers draw weights that nobody uses
        buffers = dict(built(run).named_buffers())
    return {name: buffers[name] for name in names}


def one_model(parameters: Parameters, position: int) -> Parameters:
    """The parameters of one model of a cohort."""
    return {name: value[position] for name, value in parameters.items()}


def is_finite(parameters: Parameters) -> bool:
    """Whether no parameter of a model is NaN or infinite."""
    return all(bool(torch.isfinite(value).all()) for value in parameters.values())


def with_parameters(run: Run, parameters: Parameters) -> Model:
    """The run's model as an ordinary module with these weights, for inference."""
    model = build_model(run)
    counters = {
        name: torch.zeros(value.shape, dtype=value.dtype)  # of batches that a norm has seen: it uses none
        for name, value in model.state_dict().items()
        if not value.is_floating_point()
    }
    model.load_state_dict({**counters, **parameters}, assign=True)
    return model.eval().requires_grad_(False)
