"""Batch normalisation that stays in full precision where nets are rounded."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def batch_normalised(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """`norm` of [B, C, ...] in the type of its running statistics; the outcome has the type of x."""
    mean = norm.running_mean
    assert mean is not None
    normed = F.batch_norm(
        x.to(mean.dtype),
        mean,
        norm.running_var,
        norm.weight.to(mean.dtype),
        norm.bias.to(mean.dtype),
        norm.training,
        norm.momentum or 0.0,
        norm.eps,
    )
    return normed.to(x.dtype)
