"""What each layer of a hierarchy carries, and log p(x) by importance samples of the whole hierarchy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from disbench.metrics import Score, active_units, mig

from ...randomness import normal
from ...run import Run
from ...tasks import Subject, Task
from .model import Hierarchy

NUMBERED = 5
"""Layers that have columns of their own; the lists have all of them."""

AT_ONCE = 2_000
"""Draws in one pass. Changes no number beyond rounding."""

KL_STEP, LIKELIHOOD_STEP = 3, 4
"""Of the role `metric`, which noise is drawn at."""


def layer_columns() -> Iterator[Score]:
    """Columns of layer 1, next to the image, to the last that is numbered."""
    for layer in range(1, NUMBERED + 1):
        where = f"layer {layer}" + (" (next to the image)" if layer == 1 else "")
        yield Score(f"kl_layer_{layer}_nats", None, "nats", f"what {where} adds to the KL, mean over images")
        yield Score(f"active_units_layer_{layer}", None, "units", f"units of {where} whose mean varies")
        yield Score(
            f"mig_layer_{layer}", "higher", "", f"mutual information gap of the codes of {where} alone"
        )


LAYER_SCORES = (
    *layer_columns(),
    Score("collapsed_layers", "lower", "units", "layers without a single active unit"),
    Score("kl_per_layer_nats", None, "nats", "what each layer adds to the KL, top layer first", "curve"),
    Score("active_units_per_layer", None, "units", "active units of each layer, top layer first", "curve"),
)

LIKELIHOOD_SCORES = (
    Score("iwae_hierarchy_nats", "higher", "nats", "importance-weighted bound on log p(x), all layers drawn"),
    Score("iwae_hierarchy_error_nats", None, "nats", "its standard error over images"),
    Score("elbo_hierarchy_nats", "higher", "nats", "evidence bound of the same images by the same draws"),
    Score("iwae_hierarchy_effective_share", "higher", "", "effective importance samples over all, mean"),
)


def not_hierarchical(run: Run) -> str | None:
    """Why the tasks are not defined for a run's models, if so."""
    hierarchical = run.objective in ("ladder_vae", "hierarchical_vae")
    return None if hierarchical else f"{run.objective} has no layers of codes"


def measure_layers(
    subject: Subject, *, images: int, draws: int, threshold: float, bins: int
) -> Mapping[str, Any]:
    """KL, active units and MIG of each layer.

    Args:
        subject: a trained hierarchy.
        images: how many of the evaluated images, at most.
        draws: of the codes of an image, over which the KL is averaged.
        threshold: variance over images above which a unit's mean is active (Burda et al. 2016, section 5.2).
        bins: equal-width bins of the MIG.

    Returns:
        `kl_layer_1_nats` .. and `kl_per_layer_nats`, whose sum is the KL of the bound: of a ladder KLs, at least 0; of
        the layers below the top of a plain hierarchy E[log q - log p], which may be negative. Active units and MIG are
        those of the means of z, the layers that a mean depends on at their means: a layer that copies the one above
        it is active, though its KL is 0. A column of a layer that the model lacks is left out.
    """
    model = hierarchy_of(subject)
    indices, factors = subject.indices[:images], subject.factors[:images]
    nats = torch.cat(list(kl_of(subject, model, indices, factors, draws))).mean(dim=0).tolist()
    means = [z.numpy() for z in mean_codes(subject, model, indices, factors)]
    units = [active_units(mean, threshold=threshold) for mean in means]
    columns: dict[str, Any] = {
        "kl_per_layer_nats": nats,
        "active_units_per_layer": [float(count) for count in units],
        "collapsed_layers": float(sum(count == 0 for count in units)),
    }
    for layer, (of_layer, count, mean) in enumerate(
        zip(nats[::-1], units[::-1], means[::-1], strict=True), 1
    ):
        if layer <= NUMBERED:
            columns[f"kl_layer_{layer}_nats"] = of_layer
            columns[f"active_units_layer_{layer}"] = float(count)
            columns[f"mig_layer_{layer}"] = mig(mean, factors.numpy(), bins=bins)
    return columns


def measure_layers_likelihood(subject: Subject, *, images: int, importance_samples: int) -> Mapping[str, Any]:
    """Log p(x) by importance samples from q of all layers (Burda et al. 2016, eq. 8).

    Args:
        subject: a trained hierarchy.
        images: how many of the evaluated images, at most: held out of training where there are such.
        importance_samples: S of an image; the paper takes 5,000.

    Returns:
        `iwae_hierarchy_nats`, a lower bound on log p(x) in expectation, tighter as S grows; higher is better.
    """
    model = hierarchy_of(subject)
    indices, factors = subject.asked_of_bound(images)
    weights = torch.cat(list(log_weights(subject, model, indices, factors, importance_samples)), dim=1)
    bound = importance_bound(weights)
    error = bound.std() / math.sqrt(len(bound)) if len(bound) > 1 else torch.tensor(math.nan)
    effective = (2 * weights.logsumexp(dim=0) - (2 * weights).logsumexp(dim=0)).exp() / importance_samples
    return {
        "iwae_hierarchy_nats": float(bound.mean()),
        "iwae_hierarchy_error_nats": float(error),
        "elbo_hierarchy_nats": float(weights.mean()),
        "iwae_hierarchy_effective_share": float(effective.mean()),
    }


def importance_bound(log_weights: Tensor) -> Tensor:
    """Log of the mean over S of importance weights, nats: [S, B] to [B]."""
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


def log_weights(
    subject: Subject, model: Hierarchy, indices: Tensor, factors: Tensor, samples: int
) -> Iterator[Tensor]:
    """Log-weights of S draws an image, [S, B] in float64, some images after others."""
    several = max(1, AT_ONCE // samples)
    for chosen, theirs in zip(indices.split(several), factors.split(several), strict=True):
        images, told = seen_by(subject, chosen, theirs)
        parts = []
        for first in range(0, samples, AT_ONCE):
            count = min(AT_ONCE, samples - first)
            noise = noise_of(subject, chosen, count, LIKELIHOOD_STEP + 16 * first).to(images)
            weights = model.log_weights(images.repeat(count, 1, 1, 1), told.repeat(count, 1), noise)
            parts.append(weights.unflatten(0, (count, len(chosen))).double().cpu())
        yield torch.cat(parts)


def kl_of(
    subject: Subject, model: Hierarchy, indices: Tensor, factors: Tensor, draws: int
) -> Iterator[Tensor]:
    """The KL of layers [B, L], some images after others, mean over draws of their codes."""
    for chosen, theirs in zip(indices.split(AT_ONCE), factors.split(AT_ONCE), strict=True):
        images, told = seen_by(subject, chosen, theirs)
        drawn = [
            model.inference.kl(model.layers(images, told, noise.to(images)))
            for noise in noise_of(subject, chosen, draws, KL_STEP).split(len(chosen))
        ]
        yield torch.stack(drawn).double().mean(dim=0).cpu()


def mean_codes(subject: Subject, model: Hierarchy, indices: Tensor, factors: Tensor) -> list[Tensor]:
    """Posterior means of z of every layer, top first, [B, D_l]."""
    parts = [
        model.at_means(*seen_by(subject, chosen, theirs)).codes
        for chosen, theirs in zip(indices.split(AT_ONCE), factors.split(AT_ONCE), strict=True)
    ]
    return [torch.cat(of_layer).cpu() for of_layer in zip(*parts, strict=True)]


def noise_of(subject: Subject, indices: Tensor, samples: int, step: int) -> Tensor:
    """Standard normal [S B, D], the first of each image first; that of an image depends on its number alone."""
    width = sum(hierarchy_of(subject).layer_widths)
    # The image's number is part of the seed: then it does not matter how many are taken at once.
    seeds = [subject.run.seed ^ (int(index) << 32) for index in indices]
    drawn = normal(seeds, "metric", [step], samples * width)[:, 0]
    return drawn.unflatten(1, (samples, width)).transpose(0, 1).flatten(0, 1)


def seen_by(subject: Subject, indices: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Images and what the model is told of them, on the data set's device."""
    device = subject.data.device
    return subject.data.images(indices.to(device)), subject.told(indices.to(device), factors.to(device))


def hierarchy_of(subject: Subject) -> Hierarchy:
    """The model, which `not_hierarchical` has looked at."""
    assert isinstance(subject.model, Hierarchy)
    return subject.model


LAYERS = Task(
    LAYER_SCORES,
    measure_layers,
    options={"images": 1_000, "draws": 10, "threshold": 0.01, "bins": 20},
    objection=not_hierarchical,
)
LAYERS_LIKELIHOOD = Task(
    LIKELIHOOD_SCORES,
    measure_layers_likelihood,
    options={"images": 100, "importance_samples": 100},
    objection=not_hierarchical,
)
