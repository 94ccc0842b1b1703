"""The trained models behind rows, for figures that show what models make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from disbench.datasets import DataSet, entry, load
from disbench.metrics import gaussian_kl

from ..bad_input import BadInput
from ..models import Model
from ..randomness import integers
from ..run import Run
from ..run_model import Conditioning
from ..store import Store
from .arms import Arm, arms_of, some_strengths


class Shown(NamedTuple):
    """A model that has a picture of its own, with the images that it is shown."""

    arm: Arm
    strength: float
    run: Run
    model: Model
    data: DataSet


def shown_models(rows: pd.DataFrame, store: Store, *, each: int, in_all: int) -> list[Shown]:
    """Of the smallest seed, `each` strengths of an arm and `in_all` models at most; without weights or images none."""
    data: dict[str, DataSet | None] = {}
    models = []
    for arm, strength in some_strengths(arms_of(rows), each=each, in_all=in_all):
        found = trained(store, arm.first_seed(strength))
        if found is None:
            continue
        if arm.data_set not in data:
            data[arm.data_set] = images_of(arm.data_set)
        images = data[arm.data_set]
        if images is not None:
            models.append(Shown(arm, strength, *found, images))
    return models


class Encoded(NamedTuple):
    """What a model says of images, the same for every model of a data set."""

    images: Tensor
    """[N, C, H, W]."""
    factors: Tensor
    """[N, K], the condition among them."""
    condition: Tensor
    """[N, classes], or [N, 0] where nothing is told."""
    mean: Tensor
    """[N, D]."""
    kl: Tensor
    """Of each latent, nats, mean over the images, [D]."""

    @property
    def ranked(self) -> list[int]:
        """Latents by descending KL."""
        order: list[int] = self.kl.argsort(descending=True, stable=True).tolist()
        return order


@torch.no_grad()
def encoded(run: Run, model: Model, data: DataSet, count: int) -> Encoded:
    """The posterior means of so many images, drawn with replacement."""
    indices = integers([0], "sample", [0], count, below=len(data))[0, 0]
    images, factors = data.images(indices).cpu(), data.factors(indices).cpu()
    condition = Conditioning.of(run).evaluation(data)(indices, factors)
    mean, logvar = model.encode(images, condition)
    return Encoded(images, factors, condition, mean, gaussian_kl(mean, logvar).mean(dim=0))


def class_name(data_set: str, factor: str, number: int) -> str:
    """What a class of a factor is called: `square` where classes have names, else `digit 3`."""
    value = load(data_set).factor_values[factor][number]
    return str(value) if isinstance(value, str) else f"{factor.replace('_', ' ')} {value:g}"


def told_first(run: Run, codes: Encoded) -> str:
    """The condition of the first image, in words; empty for models that are told nothing."""
    if run.condition is None:
        return ""
    column = entry(run.data_set).factor_names.index(run.condition)
    return class_name(run.data_set, run.condition, int(codes.factors[0, column]))


def trained(store: Store, row: Mapping[str, Any]) -> tuple[Run, Model] | None:
    """The run and model of a row; None if its weights are no longer in the store, or damaged, which is said."""
    if row["run_id"] not in store.trained():
        return None
    try:
        return store.model(row)
    except BadInput as fault:
        store.notices.say(str(fault))
        return None


def images_of(name: str) -> DataSet | None:
    """A data set, or None where its images are not at hand."""
    try:
        return load(name)
    except (OSError, ValueError):
        return None
