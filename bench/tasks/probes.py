"""Probes: what a linear reader makes of an encoder from few labels, of its codes and of its last hidden features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor, nn

from disbench.metrics import Score

from ..randomness import uniform
from .task import Subject, Task

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SIZES = (10, 100, 1_000)
"""Labels; beside them all that there are."""

ALL = "all"

REPRESENTATIONS = {"codes": "codes", "features": "the last hidden features of the encoder"}

HELD_OUT = 5
"""One in so many labelled rows chooses the penalty."""

FIRST_DRAW = 2**20
"""Step of the role `labels`; those from 0 draw the labels that semi-supervised models are told."""

ENCODED_AT_ONCE = 128

PRINCIPAL_FROM = 1_024
"""Training images that the directions of features wider than asked for are found from."""


def measure(subject: Subject, *, draws: int, width: int, strengths: Sequence[float]) -> dict[str, Any]:
    """Test accuracies of logistic regression, means over factors.

    Args:
        subject: a model; factors that it is told, and factors that are constant in the training rows, are left out.
        draws: of the labelled rows at each size below all; one draw's rows at a size are among those at the next.
        width: features that are kept where the encoder has more: those of the largest variance.
        strengths: C of the regression, the inverse of its penalty, one of which each regression chooses.

    Returns:
        For codes and features at each size the mean over draws and its standard deviation over draws, accuracies of
        each factor from all labels, and the accuracy of always saying the most frequent class.
    """
    factors = read_factors(subject)
    if not factors:
        return {}
    labels = subject.factors.numpy()
    train = subject.train
    found: dict[str, Any] = {"probe_chance": float(np.mean([chance(labels[:, k], train) for k in factors]))}
    steps = range(FIRST_DRAW, FIRST_DRAW + draws)
    orders = uniform([subject.run.seed], "labels", steps, train)[0].argsort(dim=1, stable=True).numpy()
    features = hidden_features(subject)
    inputs = {"codes": subject.mean}
    if features is not None:
        inputs["features"] = narrowed(features, train, width)
    for name, values in inputs.items():
        rows = standardised(values.numpy(), train)

        def accuracies(kept: Integers, rows: Floats = rows) -> list[float]:
            return [accuracy(rows, labels[:, k], train, kept, strengths) for k in factors]

        of_each = accuracies(np.arange(train))
        found[f"probe_{name}_{ALL}"] = float(np.mean(of_each))
        found[f"probe_{name}_per_factor"] = of_each
        for size in SIZES:
            if size >= train:
                found[f"probe_{name}_{size}"] = found[f"probe_{name}_{ALL}"]
                continue
            each = [np.mean(accuracies(order[:size])) for order in orders]
            found[f"probe_{name}_{size}"] = float(np.mean(each))
            if draws > 1:
                found[f"probe_{name}_{size}_spread"] = float(np.std(each, ddof=1))
    return found


def read_factors(subject: Subject) -> list[int]:
    """Columns of the factors that there is something to read of: not told, and more than one class to train on."""
    return [
        k
        for k in range(len(subject.data.factor_names))
        if k not in subject.told_factors and len(subject.factors[: subject.train, k].unique()) > 1
    ]


def hidden_features(subject: Subject) -> Tensor | None:
    """What the encoder's last layer is given, [N, F]; None of an encoder that has no such layer, or one of other rows.

    The last linear or convolutional layer that `encode` runs inside the model's encoder of images is the one that makes
    the code; its input is flattened.
    """
    parts = []
    encoder = subject.model.image_encoder()
    if encoder is None:
        return None
    for indices, factors in zip(
        subject.indices.to(subject.data.device).split(ENCODED_AT_ONCE),
        subject.factors.to(subject.data.device).split(ENCODED_AT_ONCE),
        strict=True,
    ):
        with listening(encoder) as heard:
            subject.model.encode(subject.data.images(indices), subject.told(indices, factors))
        if not heard or len(heard[-1]) != len(indices):
            return None
        parts.append(heard[-1].flatten(1).float().cpu())
    return torch.cat(parts)


@contextmanager
def listening(encoder: nn.Module) -> Iterator[list[Tensor]]:
    """What the last of the linear and convolutional layers of an encoder that run is given."""
    heard: list[Tensor] = []

    def hear(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        heard[:] = [inputs[0]]  # the last alone: a layer's inputs are large

    hooks = [
        layer.register_forward_pre_hook(hear)
        for layer in encoder.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def narrowed(features: Tensor, train: int, width: int) -> Tensor:
    """Features [N, F], or of more than `width` those along the directions in which training rows vary most.

    From at most PRINCIPAL_FROM training rows, by the eigenvectors of their inner products.
    """
    if features.shape[1] <= width:
        return features
    mean = features[:train].mean(dim=0)
    some = (features[: min(train, PRINCIPAL_FROM)] - mean).double()
    variances, vectors = torch.linalg.eigh(some @ some.T)
    kept = variances > 1e-9 * variances[-1]
    directions = some.T @ (vectors[:, kept] / variances[kept].sqrt())
    # Batch by batch: all rows in double precision would take gigabytes where features are many.
    return torch.cat(
        [((part - mean).double() @ directions[:, -width:]).float() for part in features.split(512)]
    )


def standardised(values: Floats, train: int) -> Floats:
    """By mean and deviation of the training rows, so that the penalty means the same for every encoder."""
    mean, deviation = values[:train].mean(axis=0), values[:train].std(axis=0)
    return cast(Floats, ((values - mean) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32))


def accuracy(rows: Floats, labels: Integers, train: int, kept: Integers, strengths: Sequence[float]) -> float:
    """On the rows after the first `train`, of a regression from those `kept`; unseen classes are never said.

    Of the strengths the first that is best on the last fifth of the kept rows from the others; then all are fitted.
    """
    judges = max(1, len(kept) // HELD_OUT)
    others, last = (kept[:-judges], kept[-judges:]) if len(kept) > 1 else (kept, kept)
    right = [
        np.mean(predicted(rows[others], labels[others], rows[last], one) == labels[last]) for one in strengths
    ]
    best = strengths[int(np.argmax(right))]
    return float(np.mean(predicted(rows[kept], labels[kept], rows[train:], best) == labels[train:]))


def predicted(known: Floats, labels: Integers, asked: Floats, strength: float) -> Integers:
    """Classes of the rows `asked`, by a regression on `known` rows and their labels."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if (labels == labels[0]).all():
        return np.full(len(asked), labels[0])
    with warnings.catch_warnings(), threadpool_limits(1):  # products this small wait for second threads
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cast(Integers, LogisticRegression(C=strength).fit(known, labels).predict(asked))


def chance(labels: Integers, train: int) -> float:
    """Test accuracy of always saying the training rows' most frequent class."""
    classes, counts = np.unique(labels[:train], return_counts=True)
    return float(np.mean(labels[train:] == classes[counts.argmax()]))


def scores() -> Iterator[Score]:
    """The columns, codes first."""
    for name, meaning in REPRESENTATIONS.items():
        for size in (*SIZES, ALL):
            many = "all labels" if size == ALL else f"{size} labels, mean over draws"
            yield Score(
                f"probe_{name}_{size}",
                "higher",
                "",
                f"test accuracy of a linear probe of {meaning} from {many}",
            )
        for size in SIZES:
            yield Score(
                f"probe_{name}_{size}_spread",
                None,
                "",
                f"standard deviation of probe_{name}_{size} over draws of labels",
            )
        yield Score(
            f"probe_{name}_per_factor",
            None,
            "",
            f"test accuracy of a linear probe of {meaning} for each factor from all labels",
            kind="curve",
        )
    yield Score("probe_chance", None, "", "test accuracy of the most frequent class, mean over factors")


TASKS: Mapping[str, Task] = {
    "probes": Task(
        tuple(scores()), measure, options={"draws": 3, "width": 256, "strengths": (1.0, 100.0, 10_000.0)}
    )
}
