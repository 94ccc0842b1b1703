"""What an objective may know beside the forward pass, and the network that some train beside the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

Choices = tuple[str, ...]
Takes = Choices | float | None
"""Words, of which the first is the default; the default of a positive number; or None, a positive number or nothing.

Where a number's default is an `int`, only whole ones are taken. An option of None that a study does not name is off and
no part of its runs: what was trained before there was the option is still the same run.
"""

Options = Mapping[str, Takes]
"""Option name to what it takes."""

Network = Callable[[Tensor], Tensor]
"""A helper with its present weights: codes [B, D] to its answer."""


class Setting(NamedTuple):
    """Where in training a loss is asked for."""

    dataset_size: int
    """N, the images that the aggregate posterior averages over."""
    step: Tensor
    """Scalar: updates made before this one. A tensor, so that one captured program serves every step."""
    helper: Network | None = None
    """The objective's helper, its weights held fixed: what flows back through it reaches the model alone."""
    steps: int = 1
    """Of the whole training."""


@dataclass(frozen=True)
class Helper:
    """A network that an objective trains beside each model, in the same step, with a loss and an Adam of its own."""

    build: Callable[[int], nn.Module]
    """Latents to the module."""
    loss: Callable[[Network, Tensor, Tensor], Tensor]
    """(network with live weights, codes [B, D], codes with permuted dimensions [B, D]) to a scalar.

    Both sets of codes come without gradient: nothing that the helper learns from leaks into the encoder.
    """
    betas: tuple[float, float]
    """Of its Adam."""
    options: Options = field(default_factory=dict)
    """`permute` and `helper_learning_rate`."""
