"""The images that a model is trained on: all of its data set, or those that a split leaves in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from disbench.datasets import DataSet, Entry, compositional, extrapolation, held_out, random_share

from .run import Run

KINDS = ("compositional", "extrapolation", "random")
"""Of a split: keys of `hold_out`, of which one is given; see `disbench.datasets.splits`."""


def rule_of(hold_out: Mapping[str, Any], data: DataSet | Entry) -> Any:
    """The rule (factor rows [B, K], indices [B] to bool [B]) of a split of this data set, or a ValueError."""
    if hold_out.get("compositional"):
        return compositional(data, hold_out["compositional"])
    if hold_out.get("extrapolation"):
        return extrapolation(data, hold_out["extrapolation"])
    return random_share(data, hold_out["random"]["share"], int(hold_out["random"].get("seed", 0)))


def training_part(run: Run, data: DataSet) -> DataSet:
    """What the run is trained on, on the device of `data`."""
    if run.hold_out is None:
        return data
    train, _ = held_out(data, rule_of(run.hold_out, data))
    return train


def is_held_out(run: Run, indices: Tensor, factors: Tensor, data: DataSet) -> Tensor | None:
    """Which of these images, indices [B] with factors [B, K], were kept from training, [B]; None where nothing was."""
    if run.hold_out is None:
        return None
    rows: Tensor = rule_of(run.hold_out, data)(factors, indices.to(factors.device))
    return rows
