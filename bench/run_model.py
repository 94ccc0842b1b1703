"""The model of a run: which condition it is told, its module, its weights on their own or among a cohort's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from disbench.datasets import entry

from .models import ARCHITECTURES, VAE
from .run import Run

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
        # Not F.one_hot: it looks at the values, which stops the device and cannot be captured.
        classes = torch.arange(self.size, device=factors.device)
        return (factors[..., self.column, None] == classes).to(dtype)


def build_model(run: Run) -> VAE:
    """The module of one run, on the meta device: shapes and code; the weights live elsewhere."""
    with torch.device("meta"):
        return ARCHITECTURES[run.architecture].build(
            entry(run.data_set).image_shape, run.latents, Conditioning.of(run).size
        )


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
