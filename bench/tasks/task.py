"""A score of a trained model that needs more of it than its table of codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from disbench.datasets import DataSet
from disbench.metrics import Score

from ..models import Model
from ..objectives.telling import Told
from ..run import Run
from ..training_part import is_held_out


class Subject(NamedTuple):
    """Who is scored; N evaluated images, of which the first `train` train classifiers."""

    run: Run
    model: Model
    """With its weights, for inference, on the data set's device; without gradients."""
    data: DataSet
    told: Told
    """(indices [B], factors [B, K]) to what the model is told of images when it is scored, [B, Y]."""
    indices: Tensor
    """[N], which images, on the CPU."""
    factors: Tensor
    """[N, K], on the CPU."""
    mean: Tensor
    """[N, D], the codes, on the CPU."""
    train: int
    told_factors: tuple[int, ...] = ()
    """Columns of the factors that the model is told of when it is scored."""

    def asked_of_bound(self, images: int) -> tuple[Tensor, Tensor]:
        """Indices and factors of at most so many evaluated images, each once, that a bound on log p(x) is of.

        Those held out of training where there are any, as papers' test numbers are; else the last, which training saw.
        """
        held_out = is_held_out(self.run, self.indices, self.factors, self.data)
        places = torch.arange(len(self.indices)).flip(0)
        if held_out is not None and held_out.any():
            places = places[held_out[places]]
        _, first = np.unique(self.indices[places].numpy(), return_index=True)
        chosen = places[torch.from_numpy(np.sort(first))][:images]
        return self.indices[chosen], self.factors[chosen]


@dataclass(frozen=True)
class Task:
    """What a study names among its metrics and a model has to do, not its codes."""

    scores: tuple[Score, ...]
    """The columns that it makes."""
    measure: Callable[..., Mapping[str, Any]]
    """(subject, **options) to column to value; a column that is left out is empty: not defined."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Its keywords and their defaults."""
    objection: Callable[[Run], str | None] | None = None
    """Why it is not defined for a run's models, or None. Its cells are empty then."""

    def defined_for(self, run: Run) -> bool:
        """Whether a run's models can be asked."""
        return self.objection is None or self.objection(run) is None

    def wrong_option(self, options: Mapping[str, Any]) -> str | None:
        """What is wrong with options that a study gives, if anything."""
        for name, value in options.items():
            if name not in self.options:
                return f"no option {name!r}; it takes: {', '.join(self.options) or 'none'}"
            if wrong := unlike(value, self.options[name]):
                return f"{name} should be {wrong}, got {value!r}"
        return None


def unlike(value: Any, default: Any) -> str | None:
    """What a value should be to be like a default, if it is not: a number, a whole one, a word, a list."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int | float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(default, int):
            return None if is_number and int(value) == value else f"a whole number like {default}"
        return None if is_number else f"a number like {default:g}"
    kinds = (list, tuple) if isinstance(default, list | tuple) else type(default)
    return None if default is None or isinstance(value, kinds) else f"like {default!r}"
