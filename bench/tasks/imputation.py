"""Missing pixels of images, filled in by a trained model and by what every model has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from disbench.metrics import Score

from ..bad_input import BadInput
from ..imputation import (
    METHODS,
    LatentModel,
    imputed,
    independent_nats,
    knn_imputation,
    mean_imputation,
    missing_density,
    objection,
    observed_pixels,
    rmse,
)
from ..imputation.baselines import NEIGHBOURS, Filled
from ..randomness import integers
from .task import Subject, Task

SCORED_MASKS = ("share", "block", "half")
"""Of `MASKS`, those that models are scored by; the four sides are parts of the last."""

BASELINES = {
    "mean": "the mean of training images",
    "knn": f"the mean of the {NEIGHBOURS} nearest training images",
}

MEANINGS = {
    "share": "half of the pixels missing, each by itself",
    "block": "a block of half of the image missing",
    "half": "one half of the image missing",
}

CHOICE, TRAINING = 3, 4
"""Steps of the role `metric` that images, and training images of the baselines, are chosen at."""


def scores() -> Iterator[Score]:
    """Every column, mask by mask."""
    for mask in SCORED_MASKS:
        what = MEANINGS[mask]
        for method, known in METHODS.items():
            column = f"imputation_rmse_{method}_{mask}"
            yield Score(column, "lower", "", f"error of missing pixels, {known.title}; {what}")
        for name, meaning in BASELINES.items():
            yield Score(f"imputation_rmse_{name}_{mask}", "lower", "", f"the same of {meaning}")
        yield Score(
            f"imputation_nats_model_{mask}", "higher", "nats",
            f"log p(x_mis | x_obs) by the model, self-normalised, mean over images; {what}",
        )  # fmt: skip
        for name, meaning in BASELINES.items():
            yield Score(f"imputation_nats_{name}_{mask}", "higher", "nats", f"the same of {meaning}")
        yield Score(
            f"imputation_effective_share_{mask}",
            "higher",
            "",
            f"effective codes over all, importance; {what}",
        )
        yield Score(
            f"imputation_acceptance_{mask}", None, "", f"proposals accepted, Metropolis-within-Gibbs; {what}"
        )


class Chosen(NamedTuple):
    """Which images a model is asked about, and which the baselines may learn from; places among those evaluated."""

    asked: Tensor
    training: Tensor


def chosen(seed: int, indices: Tensor, train: int, images: int, training: int) -> Chosen:
    """Images to be asked about, each once, and training images of the baselines, none of which is asked about.

    The same for every model of a seed whatever was held out of its training, so that a column is one task.
    """
    order = shuffled(seed, CHOICE, torch.arange(len(indices)))
    cut = min(max(1, len(order) - train), len(order) - 1) if len(order) > 1 else 1
    asked = first_of_each(indices, shuffled(seed, CHOICE, order[:cut]))[:images]
    kept = shuffled(seed, TRAINING, order[cut:])
    fresh = kept[~torch.isin(indices[kept], indices[asked])]
    return Chosen(asked, first_of_each(indices, fresh)[:training])


def shuffled(seed: int, step: int, places: Tensor) -> Tensor:
    """Places in an order by chance."""
    return places[integers([seed], "metric", [step], len(places), below=2**31)[0, 0].argsort(stable=True)]


def first_of_each(indices: Tensor, places: Tensor) -> Tensor:
    """Places without those whose image stood before."""
    _, first = np.unique(indices[places].numpy(), return_index=True)
    return places[torch.from_numpy(np.sort(first))]


def measure_imputation(
    subject: Subject,
    *,
    images: int,
    training_images: int,
    draws: int,
    steps: int,
    importance_samples: int,
    share: float,
    masks: Sequence[str],
    methods: Sequence[str],
) -> Mapping[str, float]:
    """Error and likelihood of missing pixels by every method and mask, and by the baselines on the same pixels.

    Args:
        subject: the model and its evaluated images.
        images: asked about, at most.
        training_images: that the baselines learn from, at most.
        draws: chains an image.
        steps: of a chain.
        importance_samples: an image, of the importance method and again of the likelihood.
        share: of the pixels that is missing, but of halves.
        masks: of `SCORED_MASKS`.
        methods: of `METHODS`.

    Returns:
        Columns to values.

    Raises:
        BadInput: an unknown mask or method, or fewer images than neighbours.
    """
    for kind, given, known in (("mask", masks, SCORED_MASKS), ("method", methods, tuple(METHODS))):
        if strange := [name for name in given if name not in known]:
            raise BadInput(f"imputation: unknown {kind} {strange[0]!r}; known: {', '.join(known)}")
    run, data = subject.run, subject.data
    who = chosen(run.seed, subject.indices, subject.train, images, training_images)
    if len(who.training) < NEIGHBOURS:
        raise BadInput(
            f"imputation: {len(who.training)} training images are fewer than {NEIGHBOURS} neighbours"
        )
    asked = subject.indices[who.asked].to(data.device)
    x, told = data.images(asked), subject.told(asked, data.factors(asked))
    training = data.images(subject.indices[who.training].to(data.device))
    found: dict[str, float] = {}
    for mask in masks:
        seeds = torch.tensor([run.seed], device=data.device)
        seen = observed_pixels(mask, seeds, asked[None], data.image_shape, share)[0].expand_as(x)
        for method in methods:
            answer = imputed(
                (run, subject.model), x, seen, method=method, draws=draws, seed=run.seed, told=told,
                steps=importance_samples if method == "importance" else steps,
            )  # fmt: skip
            found[f"imputation_rmse_{method}_{mask}"] = rmse(answer.mean, x, seen)
            if answer.effective_share is not None:
                found[f"imputation_effective_share_{mask}"] = float(answer.effective_share.mean())
            if answer.acceptance is not None:
                found[f"imputation_acceptance_{mask}"] = float(answer.acceptance.mean())
        rows = torch.arange(len(x), device=x.device)
        density = missing_density(
            LatentModel.of(subject.model, told), x, seen, rows, samples=importance_samples, seed=run.seed
        )
        found[f"imputation_nats_model_{mask}"] = float(density.nats.mean())
        for name, filled in baselines(training, x, seen).items():
            found[f"imputation_rmse_{name}_{mask}"] = rmse(filled.means, x, seen)
            found[f"imputation_nats_{name}_{mask}"] = float(independent_nats(filled.chances, x, seen).mean())
    return found


def baselines(training: Tensor, x: Tensor, seen: Tensor) -> dict[str, Filled]:
    """What each fills in, by the name in the columns."""
    return {"mean": mean_imputation(training, x, seen), "knn": knn_imputation(training, x, seen)}


TASKS = {
    "imputation": Task(
        scores=tuple(scores()),
        measure=measure_imputation,
        options={
            "images": 25,
            "training_images": 1_000,
            "draws": 4,
            "steps": 40,
            "importance_samples": 200,
            "share": 0.5,
            "masks": SCORED_MASKS,
            "methods": tuple(METHODS),
        },
        objection=objection,
    )
}
