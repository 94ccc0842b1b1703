"""Which images are labelled: as many of each class as can be, a function of seed and draw; told, and put in batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from disbench.datasets import DataSet, Entry

from ...bad_input import BadInput
from ...objectives import CLASS, Choosing, Options, Telling, Told
from ...objectives.objective import Choose
from ...objectives.setting import Takes
from ...objectives.telling import one_hot
from ...randomness import uniform
from ...run import Run

LABEL_OPTIONS = {"labels": 100, "label_draw": 1}
"""How many images are labelled, and which of the draws of a seed: each seed has its own first, second, ..."""

SHARE_OPTIONS = {"labelled_share": 0.5}
"""Of a batch, how much is drawn from the labelled images."""


def classes_of(run: Run, data: DataSet) -> Tensor:
    """The class of every image of a data set [N], by the run's condition."""
    assert run.condition is not None
    column = data.factor_names.index(run.condition)
    return data.factors(torch.arange(len(data), device=data.device))[:, column].cpu()


def labelled_images(run: Run, data: DataSet, seeds: Sequence[int]) -> Tensor:
    """Which images of the training part have a label, [S, labels], for S seeds.

    Images are taken in an order that is drawn by (seed, `label_draw`), one of each class in turn, so that classes have
    equally many, the first ones one more where it does not go up; a class that is used up leaves its places to others.

    Raises:
        BadInput: more labels than images, or fewer than classes.
    """
    labels, draw = int(run.options["labels"]), int(run.options["label_draw"])
    assert run.condition is not None
    classes = data.factor_sizes[data.factor_names.index(run.condition)]
    require_labels(labels, classes, run.condition, len(data))
    of_each = classes_of(run, data)
    return torch.stack([balanced(of_each, classes, labels, seed, draw) for seed in seeds])


def require_labels(labels: int, classes: int, condition: str | None, images: int) -> None:
    """`BadInput` for a number of labels that so many images of so many classes cannot have."""
    if not classes <= labels <= images:
        raise BadInput(
            f"options.labels should be {classes}, one for each {condition}, to {images}, as many as there are images"
            f" to train on; got {labels}"
        )


def size_with_labels(options: Options, condition: str | None, data_set: Entry) -> int:
    """How many classes the condition has; `BadInput` for options that make no sense for the data set."""
    classes = CLASS.size(options, condition, data_set)
    require_labels(int(number(options["labels"])), classes, condition, data_set.length)
    share = number(options.get("labelled_share", 0.5))
    if not share < 1:
        raise BadInput(f"options.labelled_share should be below 1, got {share:g}")
    return classes


def number(option: Takes) -> float:
    """An option that is no word."""
    assert isinstance(option, int | float)
    return option


def balanced(of_each: Tensor, classes: int, labels: int, seed: int, draw: int) -> Tensor:
    """The first `labels` images [labels] if one of each class is taken in turn; `of_each` [N] are their classes."""
    order = uniform([seed], "labels", [draw], len(of_each))[0, 0].argsort(stable=True)
    ordered = of_each[order]
    by_class = ordered.argsort(stable=True)
    counts = torch.bincount(ordered, minlength=classes)
    begins = counts.cumsum(dim=0) - counts
    turn = torch.empty_like(by_class)
    turn[by_class] = torch.arange(len(of_each)) - begins[ordered[by_class]]
    return order[(turn * classes + ordered).argsort(stable=True)[:labels]]


def told_in_training(run: Run, data: DataSet, seeds: Sequence[int]) -> Told:
    """The class of an image that is labelled, one-hot, and zeros for any other."""
    assert run.condition is not None
    column = data.factor_names.index(run.condition)
    classes = data.factor_sizes[column]
    known = torch.zeros(len(seeds), len(data), dtype=torch.bool)
    known.scatter_(1, labelled_images(run, data, seeds), True)
    known = known.to(data.device)

    def told(indices: Tensor, factors: Tensor) -> Tensor:
        return one_hot(factors, column, classes) * known.gather(1, indices)[..., None]

    return told


def told_nothing(run: Run, data: DataSet) -> Told:
    """Zeros for every image: when a model is scored, it has to infer the class."""
    assert run.condition is not None
    classes = data.factor_sizes[data.factor_names.index(run.condition)]
    return lambda indices, factors: torch.zeros(*indices.shape, classes, device=indices.device)


LABELS = Telling(size_with_labels, told_in_training, told_nothing, when_scored=False)
"""The class where an image is labelled; nothing when scored."""


def told_nothing_in_training(run: Run, data: DataSet, seeds: Sequence[int]) -> Told:
    """Zeros, once it is sure that the labels that are asked for exist."""
    labelled_images(run, data, seeds)
    return told_nothing(run, data)


NO_LABELS = Telling(size_with_labels, told_nothing_in_training, told_nothing, when_scored=False)
"""Nothing at all: M1 trains without labels, its classifier alone learns from them."""


def labelled_places(run: Run) -> int:
    """How many places of a batch, its first, are drawn from the labelled images: at least one, and not all."""
    share = float(run.options["labelled_share"])
    return min(max(1, round(share * run.batch_size)), run.batch_size - 1)


def prepared(run: Run, data: DataSet, seeds: Sequence[int]) -> Choose:
    """Batches whose first places are drawn from the labelled images and whose others from those without a label.

    Others stay the images that were drawn, unless one has a label: it is drawn again among those that have none. Where
    all images are labelled a batch stays as it is.
    """
    labelled, count = labelled_images(run, data, seeds), len(data)
    labels, places = labelled.shape[1], labelled_places(run)
    known = torch.zeros(len(seeds), count, dtype=torch.bool).scatter_(1, labelled, True)
    others = known.to(torch.int8).argsort(dim=1, stable=True)[:, : count - labels].to(data.device)
    labelled, known = labelled.to(data.device), known.to(data.device)
    if labels == count:
        return lambda indices, chances: indices

    def choose(indices: Tensor, chances: Tensor) -> Tensor:
        seed = torch.arange(len(indices), device=indices.device)[:, None, None]

        def among(table: Tensor) -> Tensor:
            place = (chances[..., 0].double() * table.shape[1]).long().clamp(max=table.shape[1] - 1)
            return table[seed, place]

        first = torch.arange(indices.shape[2], device=indices.device) < places
        without = torch.where(known[seed, indices], among(others), indices)
        return torch.where(first, among(labelled), without)

    return choose


def one_chance(entry: Entry) -> int:
    """A uniform number for each place of a batch."""
    return 1


PART_LABELLED = Choosing(one_chance, prepared)
"""A part of each batch comes from the labelled images."""
