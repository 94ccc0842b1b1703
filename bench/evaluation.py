"""Scoring a finished model: encode once, then every metric is a function of the codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from disbench.datasets import DataSet
from disbench.metrics import METRICS, Score, compute, gaussian_kl

from .likelihood import MARGINAL_LIKELIHOOD_SCORES
from .models import VAE
from .randomness import integers, normal
from .run import Run
from .run_model import Conditioning

ENCODED_AT_ONCE = 128
"""Images in one forward pass: what stays in a CPU's cache. Changes no number."""

LIKELIHOOD_SCORES = (
    Score("elbo_nats", "higher", "nats", "evidence lower bound, mean over images"),
    Score(
        "reconstruction_nats", "lower", "nats", "-log p(x | z) with one posterior sample, mean over images"
    ),
)
"""What needs the decoder too and so cannot be a function of codes alone."""

HELD_OUT_SCORES = (
    Score("elbo_held_out_nats", "higher", "nats", "ELBO, mean over evaluated images held out of training"),
    Score(
        "reconstruction_held_out_nats",
        "lower",
        "nats",
        "-log p(x | z), mean over evaluated images held out of training",
    ),
    Score("elbo_kept_nats", "higher", "nats", "ELBO, mean over evaluated images that were trained on"),
    Score(
        "reconstruction_kept_nats",
        "lower",
        "nats",
        "-log p(x | z), mean over evaluated images that were trained on",
    ),
)
"""Of models trained on a part of their data set; empty for others."""

SCORES: dict[str, Score] = {
    score.column: score
    for scores in (
        LIKELIHOOD_SCORES,
        HELD_OUT_SCORES,
        MARGINAL_LIKELIHOOD_SCORES,
        *(metric.scores for metric in METRICS.values()),
    )
    for score in scores
}
"""Every result column: its direction, unit and meaning, declared once."""


class Encoded(NamedTuple):
    """What scoring knows of a model; N evaluated images, of which the first `train` train classifiers."""

    indices: Tensor
    """[N], which images."""
    factors: Tensor
    """[N, K]."""
    mean: Tensor
    """[N, D]."""
    logvar: Tensor
    """[N, D]."""
    reconstruction: Tensor
    """[N], -log p(x | z) in nats with one posterior sample."""
    train: int

    def is_finite(self) -> bool:
        """Whether every code and every reconstruction is a number."""
        return all(bool(torch.isfinite(part).all()) for part in (self.mean, self.logvar, self.reconstruction))


def evaluated_indices(run: Run, size: int) -> tuple[Tensor, int]:
    """Which images are scored [N], and how many of them train.

    Draws with replacement, as the study's protocol does, from the run's seed. A data set that is no larger than what
    was asked for is taken whole, shuffled, with two thirds of it to train. With `whole`, every image in order: metrics
    that sample draw from their codes.
    """
    plan = run.evaluation
    if plan.whole:
        return torch.arange(size), 2 * size // 3
    wanted = plan.samples + plan.test_samples
    if wanted >= size:
        order = integers([run.seed], "metric", [0], size, below=2**31)[0, 0].argsort(stable=True)
        return order, 2 * size // 3
    return integers([run.seed], "metric", [0], wanted, below=size)[0, 0], plan.samples


@torch.no_grad()
def encode(run: Run, model: VAE, data: DataSet) -> Encoded:
    """Encode the images that the run is scored on, and reconstruct each once."""
    indices, train = evaluated_indices(run, len(data))
    noise = normal([run.seed], "metric", [1], len(indices) * run.latents)[0, 0].reshape(-1, run.latents)
    condition, parts = Conditioning.of(run), []
    for batch, batch_noise in zip(
        indices.to(data.device).split(ENCODED_AT_ONCE),
        noise.to(data.device).split(ENCODED_AT_ONCE),
        strict=True,
    ):
        factors = data.factors(batch)
        outcome = model(data.images(batch), condition.one_hot(factors, torch.float32), batch_noise)
        per_pixel = torch.nn.functional.softplus(outcome.logits) - outcome.images * outcome.logits
        parts.append((factors, outcome.mean, outcome.logvar, per_pixel.flatten(1).sum(dim=1)))
    factors, mean, logvar, reconstruction = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    return Encoded(indices, factors, mean, logvar, reconstruction, train)


def scores(run: Run, encoded: Encoded, dataset_size: int, held_out: Tensor | None = None) -> dict[str, Any]:
    """Result columns of one run: likelihood terms and every metric that the run asks for and its codes allow.

    `dataset_size` is N, as the minibatch estimators of the aggregate posterior need it. A conditional model is scored
    over the factors that it was not told, and for what still leaks of the one it was. `held_out` [N] says which
    evaluated images a model that was trained on a part did not see.
    """
    told = Conditioning.of(run)
    kept = [k for k in range(encoded.factors.shape[1]) if not (told.size and k == told.column)]
    kl = gaussian_kl(encoded.mean, encoded.logvar).sum(dim=1)
    arrays: dict[str, Any] = {
        "codes": encoded.mean,
        "mean": encoded.mean,
        "logvar": encoded.logvar,
        "factors": encoded.factors[:, kept] if kept else None,
        "condition": encoded.factors[:, told.column] if told.size else None,
    }
    return {
        "elbo_nats": -float((encoded.reconstruction + kl).mean()),
        "reconstruction_nats": float(encoded.reconstruction.mean()),
        **by_side(encoded.reconstruction, kl, held_out),
        **compute(
            possible(run.evaluation.metrics, arrays),
            **arrays,
            train=encoded.train,
            whole=run.evaluation.whole,
            seed=run.seed,
            options=with_dataset_size(run, dataset_size),
        ),
    }


def by_side(reconstruction: Tensor, kl: Tensor, held_out: Tensor | None) -> dict[str, float]:
    """Likelihood scores of the images [N] on each side of a split that any of them is on."""
    if held_out is None:
        return {}
    sides = {"held_out": held_out, "kept": ~held_out}
    found = {}
    for name, side in sides.items():
        if side.any():
            found[f"elbo_{name}_nats"] = -float((reconstruction + kl)[side].mean())
            found[f"reconstruction_{name}_nats"] = float(reconstruction[side].mean())
    return found


def with_dataset_size(run: Run, dataset_size: int) -> dict[str, dict[str, Any]]:
    """The run's options of metrics, with the batch and data set that the minibatch estimators stand for."""
    minibatch = {"dataset_size": dataset_size, "batch_size": run.batch_size}
    estimators = {f"kl_decomposition_{name}": minibatch for name in ("mws", "mss")}
    given = run.evaluation.options
    return {name: {**estimators.get(name, {}), **given.get(name, {})} for name in {*estimators, *given}}


def possible(metrics: tuple[str, ...], arrays: Mapping[str, Any]) -> list[str]:
    """The metrics whose inputs are there: a digit model told its digit has no factor left to be scored on."""
    missing = {name for name, value in arrays.items() if value is None}
    return [name for name in metrics if not missing & set(METRICS[name].inputs)]
