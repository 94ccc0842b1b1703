"""Training: K models of one family, stacked, in one program.

Each model sees the batches, the noise and the initial weights that its own seed names (see `randomness`), so its
numbers do not depend on its company; a model that diverges becomes NaN alone, because nothing mixes the models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap

from disbench.datasets import DataSet, correlated, entry

from .models import ARCHITECTURES, VAE, initial_parameters
from .objectives import OBJECTIVES
from .randomness import integers, normal, uniform
from .run import Cohort, Run

DRAWN_AHEAD = 64
"""Steps whose indices and noise are made in one go."""

Parameters = dict[str, Tensor]
"""Parameter name to tensor; of a cohort, with the K models as the first dimension."""


@dataclass(frozen=True)
class Conditioning:
    """Which factor a conditional model is told, as one-hot vectors of `size`; size 0 for any other model."""

    column: int
    size: int

    @classmethod
    def of(cls, run: Run) -> Conditioning:
        """The run's condition, looked up in the table of data sets."""
        if run.condition is None:
            return cls(0, 0)
        data_set = entry(run.data_set)
        column = data_set.factor_names.index(run.condition)
        return cls(column, data_set.factor_sizes[column])

    def one_hot(self, factors: Tensor, dtype: torch.dtype) -> Tensor:
        """Factors [..., K] to conditions [..., size]."""
        if self.size == 0:
            return factors.new_zeros((*factors.shape[:-1], 0), dtype=dtype)
        return F.one_hot(factors[..., self.column], self.size).to(dtype)


def build_model(run: Run) -> VAE:
    """The module of one run, on the meta device: shapes and code; the weights live elsewhere."""
    with torch.device("meta"):
        return ARCHITECTURES[run.architecture].build(
            entry(run.data_set).image_shape, run.latents, Conditioning.of(run).size
        )


def train(
    cohort: Cohort,
    data: DataSet,
    *,
    dtype: torch.dtype = torch.float32,
    on_images: Callable[[int], None] = lambda count: None,
) -> Parameters:
    """Train a cohort from its seeds to its last step; stacked parameters [K, ...] on the device of the data.

    `on_images` is called now and then with the number of images trained since the last call, over all models.
    """
    run, seeds = cohort.shared, [r.seed for r in cohort.runs]
    device = data.device
    model, condition = build_model(run), Conditioning.of(run)
    scheme = ARCHITECTURES[run.architecture].initialisation
    parameters = {
        name: value.to(dtype).requires_grad_()
        for name, value in initial_parameters(model, scheme, seeds, device).items()
    }
    strengths = torch.tensor([r.strength for r in cohort.runs], dtype=dtype, device=device)
    optimiser = torch.optim.Adam(parameters.values(), lr=run.learning_rate, fused=True)
    losses = batched_loss(model, run, len(data), len(seeds))
    # Runs of one seed see the same data, whatever their objective and strength: fetch it once.
    distinct = list(dict.fromkeys(seeds))
    places = [distinct.index(seed) for seed in seeds]

    def to_each(shared: Tensor) -> Tensor:
        return shared if distinct == seeds else shared[places]

    def indices_of(steps: range) -> Tensor:
        if run.correlation is None:
            return draw(integers, distinct, "data", steps, (run.batch_size,), device, below=len(data))
        sampler = correlated(data, tuple(run.correlation["factors"]), run.correlation["sigma"])
        chances = draw(uniform, distinct, "data", steps, (run.batch_size, 2), device, dtype=torch.float64)
        return sampler.indices(chances.flatten(0, 2)).reshape(chances.shape[:-1])

    for first in range(0, run.steps, DRAWN_AHEAD):
        steps = range(first, min(first + DRAWN_AHEAD, run.steps))
        indices = indices_of(steps)
        noise = draw(normal, distinct, "noise", steps, (run.batch_size, run.latents), device, dtype=dtype)
        for t in range(len(steps)):
            flat = indices[:, t].flatten()
            images = data.images(flat).to(dtype).unflatten(0, (len(distinct), run.batch_size))
            told = condition.one_hot(data.factors(flat), dtype).unflatten(0, (len(distinct), run.batch_size))
            optimiser.zero_grad(set_to_none=True)
            losses(
                parameters, to_each(images), to_each(told), to_each(noise[:, t]), strengths
            ).sum().backward()
            optimiser.step()
        on_images(len(steps) * run.batch_size * len(seeds))
    return {
        name: finished_or_nan(value.detach(), optimiser.state[value]["exp_avg_sq"])
        for name, value in parameters.items()
    }


def finished_or_nan(value: Tensor, second_moment: Tensor) -> Tensor:
    """Weights [K, ...], NaN for a model whose gradient overflowed: Adam then stands still and looks healthy."""
    lost = ~torch.isfinite(second_moment.flatten(1)).all(dim=1)
    return value.masked_fill(lost.reshape(-1, *(1,) * (value.dim() - 1)), torch.nan)


def draw(
    kind: Callable[..., Tensor],
    seeds: list[int],
    role: str,
    steps: range,
    shape: tuple[int, ...],
    device: torch.device,
    **keywords: object,
) -> Tensor:
    """Random numbers [len(seeds), len(steps), *shape], made on the device."""
    seed_words = torch.tensor(seeds, device=device)
    count = torch.Size(shape).numel()
    return kind(seed_words, role, list(steps), count, **keywords).unflatten(-1, shape)


def batched_loss(model: VAE, run: Run, dataset_size: int, models: int) -> Callable[..., Tensor]:
    """The cohort's losses [K] as a function of (parameters, images, conditions, noise, strengths), all stacked."""
    objective = OBJECTIVES[run.objective]

    def loss_of_one(
        parameters: Parameters, images: Tensor, condition: Tensor, noise: Tensor, strength: Tensor
    ) -> Tensor:
        outcome = functional_call(model, parameters, (images, condition, noise))
        return objective.loss(outcome, strength, dataset_size=dataset_size, **run.options)

    if models > 1:
        return vmap(loss_of_one)

    def plain(parameters: Parameters, *stacked: Tensor) -> Tensor:
        # Squeezed, not indexed: the gradient of an index is a copy into zeros.
        only = {name: value.squeeze(0) for name, value in parameters.items()}
        return loss_of_one(only, *(value.squeeze(0) for value in stacked))

    return plain


def one_model(parameters: Parameters, position: int) -> Parameters:
    """The parameters of one model of a cohort."""
    return {name: value[position] for name, value in parameters.items()}


def is_finite(parameters: Parameters) -> bool:
    """Whether no parameter of a model is NaN or infinite."""
    return all(bool(torch.isfinite(value).all()) for value in parameters.values())


def with_parameters(run: Run, parameters: Parameters) -> VAE:
    """The run's model as an ordinary module with these weights, for inference."""
    model = build_model(run)
    model.load_state_dict(parameters, assign=True)
    return model.eval().requires_grad_(False)
