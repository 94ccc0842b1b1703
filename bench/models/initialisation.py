"""Initial weights as a function of the run's seed, for K runs at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..randomness import uniform

Bound = Callable[[str, tuple[int, int]], float]
"""Half-width of the uniform distribution of a parameter, from its name and its weight's (fan in, fan out)."""


def glorot(name: str, fans: tuple[int, int]) -> float:
    """Weights in +-sqrt(6 / (fan in + fan out)), biases zero (Glorot and Bengio 2010); the study's choice."""
    return math.sqrt(6 / sum(fans)) if name.endswith("weight") else 0.0


def torch_default(name: str, fans: tuple[int, int]) -> float:
    """Weights and biases in +-1 / sqrt(fan in), which is what PyTorch's layers do unasked."""
    return 1 / math.sqrt(fans[0])


def he(name: str, fans: tuple[int, int]) -> float:
    """Weights in +-sqrt(6 / fan in), which keeps variance through a ReLU (He et al. 2015); biases as PyTorch's.

    PyTorch's `kaiming_uniform_` for a ReLU on every layer, the last ones too, as disentangling-vae does: weights that
    are sqrt(6) times as large as `torch_default`'s.
    """
    return math.sqrt(6 / fans[0]) if name.endswith("weight") else torch_default(name, fans)


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
"""Begin as no change of scale and place."""

INITIALISATIONS: dict[str, Bound] = {"glorot": glorot, "torch_default": torch_default, "he": he}


def fans(module: nn.Module) -> tuple[int, int]:
    """Fan in and fan out of a linear or convolutional layer's weight, as PyTorch counts them.

    It takes the second dimension for fan in even for transposed convolutions, whose weights are [in, out, k, k]. That
    decides `torch_default` and `he`; `glorot` is symmetric.
    """
    weight = module.weight
    assert isinstance(weight, Tensor)
    receptive = math.prod(weight.shape[2:])
    return weight.shape[1] * receptive, weight.shape[0] * receptive


def initial_parameters(
    model: nn.Module, scheme: str, seeds: Sequence[int], device: torch.device, *, first: int = 0
) -> dict[str, Tensor]:
    """Initial parameters of K models, each stacked as [K, *shape]; model k depends on seeds[k] alone.

    `scheme` is a key of `INITIALISATIONS`; a module that owns other parameters than the weight and bias of a layer says
    between what they start by a method `initial_range(name)`. Parameter number n of the model uses step `first` + n of
    the role `init`.
    """
    bound = INITIALISATIONS[scheme]
    parameters: dict[str, Tensor] = {}
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(prefix=module_name, recurse=False):
            low, high = initial_range(module, name, bound)
            ordinal = [first + len(parameters)]
            unit = uniform(seeds, "init", ordinal, parameter.numel())[:, 0]
            stacked = (2 * unit - 1) if low == -high else unit
            stacked = stacked.mul_(high if low == -high else high - low)
            stacked = stacked if low == -high else stacked.add_(low)
            parameters[name] = stacked.reshape(len(seeds), *parameter.shape).to(device)
    return parameters


def initial_range(module: nn.Module, name: str, bound: Bound) -> tuple[float, float]:
    """The least and the largest that a parameter of a module can start as."""
    own = getattr(module, "initial_range", None)
    if own is not None:
        low, high = own(name.rpartition(".")[2])
        return float(low), float(high)
    if isinstance(module, NORMS):
        start = 1.0 if name.endswith("weight") else 0.0
        return start, start
    half_width = bound(name, fans(module))
    return -half_width, half_width
