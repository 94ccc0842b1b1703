"""What a model is told beside the images, in training and when it is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from disbench.datasets import DataSet, Entry

from ..run import Run
from .setting import Options

Told = Callable[[Tensor, Tensor], Tensor]
"""Indices [..., B] of images and their factors [..., B, K] to what is said of them, floats [..., B, Y]."""


@dataclass(frozen=True)
class Telling:
    """A kind of thing to be told; both functions are prepared once and called with tensors alone, on their device."""

    size: Callable[[Mapping[str, Any], str | None, Entry], int]
    """Y, from the run's options, its condition and its data set."""
    training: Callable[[Run, DataSet, Sequence[int]], Told]
    """For S seeds in order: indices [S, B], factors [S, B, K] to [S, B, Y]."""
    evaluation: Callable[[Run, DataSet], Told]
    """Indices [B], factors [B, K] to [B, Y]."""
    to_model: bool = True
    """Whether the model's nets have it as their condition; else only the objective's `forward` sees it."""
    of_text: Callable[[Run, str], Tensor] | None = None
    """What a model is told by a sentence of the user's, [Y]; `BadInput` where it makes no sense. None: no sentences."""
    when_scored: bool = True
    """Whether models that are scored know their condition's factor. Where not, it is scored like any other factor."""


def one_hot(factors: Tensor, column: int, classes: int) -> Tensor:
    """Factors [..., K] to a column as one-hot floats [..., classes].

    Not `torch.nn.functional.one_hot`: it looks at the values, which stops the device and cannot be captured.
    """
    return (factors[..., column, None] == torch.arange(classes, device=factors.device)).float()


def class_size(options: Options, condition: str | None, data_set: Entry) -> int:
    """How many classes the condition has."""
    assert condition is not None
    return data_set.factor_sizes[data_set.factor_names.index(condition)]


def class_told(run: Run, data: DataSet, seeds: Sequence[int] = ()) -> Told:
    """The class of the run's condition, one-hot."""
    assert run.condition is not None
    column = data.factor_names.index(run.condition)
    classes = data.factor_sizes[column]
    return lambda indices, factors: one_hot(factors, column, classes)


CLASS = Telling(class_size, class_told, class_told)
"""The class of a factor, in training as in evaluation: what a CVAE is told."""
