"""Batch normalisation for samples: running moments as they are when codes come from the prior.

What batch normalisation keeps in training are moments of maps whose codes came from the posterior. Samples, of a low
temperature above all, have others (Vahdat and Kautz 2020, on the temperature of samples).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...randomness import normal

if TYPE_CHECKING:
    from .model import NVAE

FIRST_STEP = 1000
"""Of the role `sample` that these draws are made at; `generation` has smaller ones."""

DRAWS, ROWS = 20, 64
"""How many batches are drawn where nobody says, and how large they are."""


def reestimated(
    model: NVAE,
    *,
    temperature: float,
    condition: Tensor | None = None,
    draws: int = DRAWS,
    rows: int = ROWS,
    seed: int = 0,
) -> NVAE:
    """A copy of a model for samples of a temperature; the encoder's moments and all weights are the model's.

    Args:
        model: in eval mode; it is not changed.
        temperature: at which its samples will be drawn.
        condition: [rows, Y], what a conditional model is told of each row; None for one that is told nothing.
        draws: batches over which moments are averaged, each with the same weight. (The paper's code lets the running
            average of momentum 0.05 go on for 500 batches.)
        rows: samples in each of them.
        seed: of the draws.

    Returns:
        The copy, in eval mode: means over `draws` of the mean and the unbiased variance of each batch.
    """
    sampler = copy.deepcopy(model)
    norms = [module for module in sampler.top_down.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's word for a plain average
        norm.train()
    width, device = sampler.layout.width, sampler.get_buffer("group_shares").device
    with torch.no_grad():
        for draw in range(draws):
            noise = normal([seed], "sample", [FIRST_STEP + draw], rows * width)[0, 0].reshape(rows, width)
            told = torch.zeros(rows, 0) if condition is None else condition
            sampler.decode(temperature * noise.to(device), told.to(device))
    return sampler.eval()
