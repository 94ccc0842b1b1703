"""A class as one number of a code: a standard normal number cut into as many equally likely parts as there are classes.

So the prior of class and style together is N(0, I), a traversal of that number goes through the classes in their order,
and a decoder needs no more than the code.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import ndtr, ndtri

CERTAIN = -20.0
"""Log-variance of the number of a class, which is known once it is chosen: noise of 5e-5, never another class."""


def one_hot(number: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Class numbers [B] to [B, K]."""
    return (number[:, None] == torch.arange(classes, device=number.device)).to(dtype)


def as_code(chosen: Tensor) -> Tensor:
    """One-hot classes [B, K] to numbers [B]: the median of each class's part of N(0, 1)."""
    classes = chosen.shape[1]
    middles = (torch.arange(classes, dtype=chosen.dtype, device=chosen.device) + 0.5) / classes
    return chosen @ ndtri(middles)


def of_code(code: Tensor, classes: int) -> Tensor:
    """Numbers [B], whatever they are, to one-hot classes [B, K]: in which part of N(0, 1) each falls."""
    part = (ndtr(code) * classes).floor().clamp(0, classes - 1)
    return one_hot(part, classes, code.dtype)


def drawn(probabilities: Tensor, noise: Tensor) -> Tensor:
    """A class for each row of [B, K], one-hot, from a standard normal number each [B]: the inverse of the cumulated."""
    summed = probabilities.cumsum(dim=1)
    passed = (summed <= ndtr(noise)[:, None] * summed[:, -1:]).sum(dim=1)
    return one_hot(passed.clamp(max=probabilities.shape[1] - 1), probabilities.shape[1], probabilities.dtype)


def likeliest(log_probabilities: Tensor) -> Tensor:
    """The most probable class of each row of [B, K], one-hot; the first of equals."""
    best = log_probabilities.argmax(dim=1)
    return one_hot(best, log_probabilities.shape[1], log_probabilities.dtype)


def told_or(condition: Tensor, otherwise: Tensor) -> Tensor:
    """The class that a model was told [B, K], or where the row is zero, nothing told, another [B, K]."""
    told = condition.to(otherwise.dtype)
    return told + (1 - told.sum(dim=1, keepdim=True)) * otherwise
