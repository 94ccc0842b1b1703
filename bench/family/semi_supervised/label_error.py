"""The error of a semi-supervised classifier, beside that of the same classifier without the unlabelled images."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from disbench.datasets import DataSet
from disbench.metrics import Score

from ...models import Architecture, Model, initial_parameters
from ...randomness import integers, uniform
from ...run import Run
from ...tasks import Subject
from ...training_part import is_held_out, training_part
from .labels import classes_of, labelled_images
from .m1 import M1

SCORES = (
    Score(
        "label_error", "lower", "", "share of test images without a label whose class is taken for another"
    ),
    Score(
        "label_error_supervised",
        "lower",
        "",
        "the same of the same classifier, trained on the labelled images alone",
    ),
)

AT_ONCE = 500
"""Images in one pass. Changes no number."""

TEST_DRAW = 0
"""The draw of the role `labels` that puts test images in order; draws of labels begin at 1."""

BATCH_DRAW = 2**31
"""The first of those that batches of the supervised classifier are drawn by."""

MOST_IN_BATCH = 100


class Sides(NamedTuple):
    """Images and classes of the two sides of the task, on the CPU."""

    labelled: Tensor
    """[labels, C, H, W]."""
    classes: Tensor
    """[labels]."""
    test: Tensor
    """[M, C, H, W]."""
    wanted: NDArray[np.int64]
    """[M], their classes."""


def sides_of(run: Run, data: DataSet, images: int) -> Sides:
    """The labelled images, and up to so many test images without a label.

    Test images are those held out of training, where the run holds any out; else they are images that training saw
    without their labels. Which they are is a function of the run's seed.
    """
    part = training_part(run, data)
    labelled = labelled_images(run, part, [run.seed])[0]
    of_part, every = classes_of(run, part), classes_of(run, data)
    if run.hold_out is None:
        free = torch.ones(len(data), dtype=torch.bool)
        free[labelled] = False
    else:
        every_one = torch.arange(len(data), device=data.device)
        held = is_held_out(run, every_one, data.factors(every_one), data)
        assert held is not None
        free = held.cpu()
    candidates = free.nonzero()[:, 0]
    order = uniform([run.seed], "labels", [TEST_DRAW], len(candidates))[0, 0].argsort(stable=True)
    test = candidates[order[:images]]
    return Sides(
        taken(part, labelled), of_part[labelled], taken(data, test), every[test].numpy().astype(np.int64)
    )


def taken(data: DataSet, indices: Tensor) -> Tensor:
    """Images of a data set, on the CPU."""
    return torch.cat([data.images(few.to(data.device)).cpu() for few in indices.split(AT_ONCE)])


def label_error(
    subject: Subject, architectures: dict[str, Architecture], *, images: int, steps: int, learning_rate: float
) -> dict[str, float]:
    """Error of a model's classifier on images whose label it was not told, and without those images.

    Args:
        subject: a model of one of the three objectives.
        architectures: their nets, to begin the supervised classifier with the weights that the model began with.
        images: test images, at most.
        steps: of Adam, for the supervised classifier of M2 and M1 + M2.
        learning_rate: its rate.

    Returns:
        `label_error` and `label_error_supervised`, shares in [0, 1], lower is better; neither where no
        image is left to test.
    """
    run, model = subject.run, subject.model
    sides = sides_of(run, subject.data, images)
    if not len(sides.wanted):
        return {}
    if isinstance(model, M1):
        classifier = CLASSIFIERS[str(run.options["classifier"])]
        codes = [codes_of(model, side, subject.data.device) for side in (sides.labelled, sides.test)]
        pixels = [side.flatten(1).numpy() for side in (sides.labelled, sides.test)]
        return {
            "label_error": error(classifier(codes[0], sides.classes.numpy(), codes[1]), sides.wanted),
            "label_error_supervised": error(
                classifier(pixels[0], sides.classes.numpy(), pixels[1]), sides.wanted
            ),
        }
    alone = supervised(run, model, architectures[run.architecture], sides, steps, learning_rate)
    return {
        "label_error": error(predicted(model, sides.test, subject.data.device), sides.wanted),
        "label_error_supervised": error(predicted(alone, sides.test, subject.data.device), sides.wanted),
    }


def error(predictions: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """Share of predictions that are wrong."""
    return float((predictions != wanted).mean())


def codes_of(model: Model, images: Tensor, device: torch.device) -> NDArray[np.float32]:
    """Means of q(z | x), [M, D]."""
    parts = [
        model.encode(few.to(device), few.new_zeros(len(few), 0).to(device))[0]
        for few in images.split(AT_ONCE)
    ]
    codes: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return codes


def predicted(model: Model, images: Tensor, device: torch.device) -> NDArray[np.int64]:
    """The most probable class of each image [M] by q(y | x)."""
    parts = [logits_of(model, few.to(device)).argmax(dim=1) for few in images.split(AT_ONCE)]
    classes: NDArray[np.int64] = torch.cat(parts).cpu().numpy()
    return classes


def logits_of(model: Model, images: Tensor) -> Tensor:
    """Of q(y | x), [B, K]."""
    logits: Tensor = model.class_logits(images)  # type: ignore[operator]
    return logits


def supervised(
    run: Run, model: Model, architecture: Architecture, sides: Sides, steps: int, learning_rate: float
) -> Model:
    """The model's classifier from the weights it began with, trained on the labelled images alone; for inference.

    Adam on cross entropy, all labelled images a batch where they are at most 100, else 100 drawn by the run's seed. For
    M1 + M2 that is M1's encoder with the classifier on its means, trained as one network.
    """
    device = next(model.parameters()).device
    alone = deepcopy(model)
    first = initial_parameters(model, architecture.initialisation, [run.seed], device)
    alone.load_state_dict({name: value[0] for name, value in first.items()}, strict=False)
    images, classes = sides.labelled.to(device), sides.classes.to(device)
    with torch.enable_grad():
        alone.requires_grad_(True)
        adam = torch.optim.Adam(alone.parameters(), lr=learning_rate)
        every = torch.arange(len(images), device=device)
        for step in range(steps):
            few = every
            if len(images) > MOST_IN_BATCH:
                drawn = integers([run.seed], "labels", [BATCH_DRAW + step], MOST_IN_BATCH, below=len(images))
                few = drawn[0, 0].to(device)
            adam.zero_grad()
            F.cross_entropy(logits_of(alone, images[few]), classes[few]).backward()
            adam.step()
    return alone.requires_grad_(False)


Classify = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]], NDArray[np.int64]]
"""Labelled rows [L, D], their classes [L], other rows [M, D] to classes [M]."""


def by_svm(
    rows: NDArray[np.float32], classes: NDArray[np.int64], others: NDArray[np.float32]
) -> NDArray[np.int64]:
    """A support vector machine with a Gaussian kernel, scikit-learn's defaults."""
    from sklearn.svm import SVC

    predictions: NDArray[np.int64] = SVC().fit(rows, classes).predict(others)
    return predictions


def by_logistic_regression(
    rows: NDArray[np.float32], classes: NDArray[np.int64], others: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Logistic regression on standardised rows, scikit-learn's defaults."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    predictions: NDArray[np.int64] = model.fit(rows, classes).predict(others)
    return predictions


def by_nearest_neighbour(
    rows: NDArray[np.float32], classes: NDArray[np.int64], others: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The class of the nearest labelled row."""
    from sklearn.neighbors import KNeighborsClassifier

    predictions: NDArray[np.int64] = KNeighborsClassifier(n_neighbors=1).fit(rows, classes).predict(others)
    return predictions


CLASSIFIERS: dict[str, Classify] = {
    "svm": by_svm,
    "logistic_regression": by_logistic_regression,
    "nearest_neighbour": by_nearest_neighbour,
}
"""That M1's codes are given to."""
