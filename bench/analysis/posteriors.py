"""What models say of the same images: every model of a family encodes one draw, from its stored weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from disbench.datasets import DataSet, load

from ..bad_input import BadInput
from ..catalogue import OBJECTIVES
from ..evaluation import ENCODED_AT_ONCE
from ..models import Model
from ..randomness import integers
from ..run import Run
from ..run_model import Conditioning
from ..store import Store
from .groups import groups


class Posteriors(NamedTuple):
    """One model's posteriors of N images."""

    mean: Tensor
    """[N, D]."""
    logvar: Tensor
    """[N, D]."""
    condition: Tensor | None
    """[N], the class that a conditional model was told; None for others."""


@dataclass(frozen=True, eq=False)
class Family:
    """Models that differ in their seed alone, with their weights and images at hand."""

    title: str
    rows: pd.DataFrame
    data: DataSet


def families(store: Store, rows: pd.DataFrame, *, least: int = 1) -> tuple[list[Family], dict[str, str]]:
    """The families of which at least `least` finished models can be run again, and why others cannot."""
    known = store.trained().keys()
    found: list[Family] = []
    left_out: dict[str, str] = {}
    images: dict[str, DataSet | str] = {}
    for title, members in groups(rows, "family").items():
        name, count = str(members["data_set"].iloc[0]), len(members)
        objective = str(members["objective"].iloc[0])
        if OBJECTIVES[objective].codes == "points":
            left_out[title] = "its codes are no posteriors against N(0, I)"
            continue
        members = members[members["run_id"].isin(known)]
        if len(members) < count:
            left_out[title] = f"{count - len(members)} of {count} without weights in {store.weights}"
        if len(members) < least:
            left_out.setdefault(title, f"{count} {'model' if count == 1 else 'models'}, needs {least}")
            continue
        if name not in images:
            images[name] = opened(name)
        data = images[name]
        if isinstance(data, str):
            left_out[title] = data
            continue
        found.append(Family(title, members, data))
    return found, left_out


def opened(name: str) -> DataSet | str:
    """A data set, or why its images are not at hand."""
    try:
        return load(name)
    except (OSError, ValueError) as error:
        return f"no images of {name}: {str(error).splitlines()[0]}"


def same_images(data: DataSet, count: int) -> Tensor:
    """Indices of the images that every model is asked about: `count` drawn with replacement, or all where no more.

    Raises:
        BadInput: fewer than two.
    """
    if count < 2:
        raise BadInput(f"images must be at least 2, got {count}")
    if count >= len(data):
        return torch.arange(len(data))
    return integers([0], "sample", [0], count, below=len(data))[0, 0]


def family_posteriors(store: Store, family: Family, images: int) -> list[Posteriors]:
    """The posteriors of a family's models over the same images, in the order of its rows."""
    models = [store.model(row) for row in records(family.rows)]
    return posteriors(models, family.data, same_images(family.data, images))


@torch.no_grad()
def posteriors(models: Sequence[tuple[Run, Model]], data: DataSet, indices: Tensor) -> list[Posteriors]:
    """What each model's encoder says of the same images, which are read once for all of them."""
    conditions = [Conditioning.of(run) for run, _ in models]
    tells = [condition.evaluation(data) for condition in conditions]
    parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in models]
    told: list[Tensor] = []
    for batch in indices.to(data.device).split(ENCODED_AT_ONCE):
        images, factors = data.images(batch).cpu(), data.factors(batch).cpu()
        told.append(factors)
        for (_, model), told_of, part in zip(models, tells, parts, strict=True):
            part.append(model.encode(images, told_of(batch.cpu(), factors)))
    classes = torch.cat(told)
    return [
        Posteriors(
            torch.cat([mean for mean, _ in part]),
            torch.cat([logvar for _, logvar in part]),
            classes[:, condition.column] if condition.column is not None else None,
        )
        for condition, part in zip(conditions, parts, strict=True)
    ]


def records(rows: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Rows as mappings from column to value."""
    return list(rows.to_dict("records"))


def nothing_to_run(store: Store, rows: pd.DataFrame, left_out: Mapping[str, str]) -> BadInput:
    """The error of a folder none of whose models can be run again."""
    if not (rows["status"] == "done").any():
        return BadInput(f"{store.folder} has no finished model; `disbench status` says what there is")
    first, why = next(iter(left_out.items()))
    more = f" (and {len(left_out) - 1} more like it)" if len(left_out) > 1 else ""
    return BadInput(f"{store.folder} has no models to look into: {first}: {why}{more}")
