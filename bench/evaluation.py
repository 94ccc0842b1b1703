"""Scoring a finished model: encode once, then every metric is a function of the codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from disbench.datasets import DataSet
from disbench.metrics import METRICS, Score, compute, gaussian_kl

from .catalogue import OBJECTIVES
from .likelihood import MARGINAL_LIKELIHOOD_SCORES
from .models import KL_NATS, Model
from .objectives import bernoulli_errors
from .randomness import integers, normal
from .run import Run
from .run_model import Conditioning, code_width
from .task_catalogue import TASKS
from .tasks import Subject

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
        *(task.scores for task in TASKS.values()),
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
    kl: Tensor
    """[N], KL(q(z | x) || p(z)) in nats."""
    train: int

    def is_finite(self) -> bool:
        """Whether every code and every reconstruction is a number."""
        return all(
            bool(torch.isfinite(part).all())
            for part in (self.mean, self.logvar, self.reconstruction, self.kl)
        )


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
def encode(run: Run, model: Model, data: DataSet) -> Encoded:
    """Encode the images that the run is scored on, and reconstruct each once."""
    indices, train = evaluated_indices(run, len(data))
    width = code_width(run)
    noise = normal([run.seed], "metric", [1], len(indices) * width)[0, 0].reshape(-1, width)
    told, parts = Conditioning.of(run).evaluation(data), []
    for batch, batch_noise in zip(
        indices.to(data.device).split(ENCODED_AT_ONCE),
        noise.to(data.device).split(ENCODED_AT_ONCE),
        strict=True,
    ):
        factors = data.factors(batch)
        outcome = model(data.images(batch), told(batch, factors), batch_noise)
        errors = bernoulli_errors(outcome.images, outcome.logits)
        kl = outcome.extra.get(KL_NATS, gaussian_kl(outcome.mean, outcome.logvar)).sum(dim=1)
        parts.append((factors, outcome.mean, outcome.logvar, errors, kl))
    factors, mean, logvar, reconstruction, kl = (
        torch.cat(column).cpu() for column in zip(*parts, strict=True)
    )
    return Encoded(indices, factors, mean, logvar, reconstruction, kl, train)


def scores(run: Run, encoded: Encoded, dataset_size: int, held_out: Tensor | None = None) -> dict[str, Any]:
    """Result columns of one run: likelihood terms and every metric that the run asks for and its codes allow.

    `dataset_size` is N, as the minibatch estimators of the aggregate posterior need it. A conditional model is scored
    over the factors that it is not told, and for what still leaks of the one that it is. `held_out` [N] says which
    evaluated images a model that was trained on a part did not see.
    """
    told = Conditioning.of(run).told_when_scored
    column = told[0] if len(told) == 1 and run.condition is not None else None
    kept = [k for k in range(encoded.factors.shape[1]) if k not in told]
    objective = OBJECTIVES[run.objective]
    posterior = objective.codes == "posterior"
    arrays: dict[str, Any] = {
        "codes": encoded.mean,
        "mean": encoded.mean if posterior else None,
        "logvar": encoded.logvar if posterior else None,
        "factors": encoded.factors[:, kept] if kept else None,
        "condition": encoded.factors[:, column] if column is not None else None,
    }
    return {
        **terms_of(encoded, held_out, bound=objective.bound),
        **compute(
            possible(run.evaluation.metrics, arrays),
            **arrays,
            train=encoded.train,
            whole=run.evaluation.whole,
            seed=run.seed,
            options=with_dataset_size(run, dataset_size),
        ),
    }


def terms_of(encoded: Encoded, held_out: Tensor | None, *, bound: bool) -> dict[str, float]:
    """Likelihood scores of all images [N], and of those on each side of a split that any of them is on.

    Without the bound where reconstruction and KL are none.
    """
    every = torch.ones(len(encoded.indices), dtype=torch.bool)
    sides = {"": every}
    if held_out is not None:
        sides |= {"held_out_": held_out, "kept_": ~held_out}
    found = {}
    for name, side in sides.items():
        if side.any():
            if bound:
                found[f"elbo_{name}nats"] = -float((encoded.reconstruction + encoded.kl)[side].mean())
            found[f"reconstruction_{name}nats"] = float(encoded.reconstruction[side].mean())
    return found


def rows_for_tasks(run: Run, encoded: Encoded) -> tuple[Tensor, int]:
    """Which evaluated rows tasks see, and how many of them train.

    No image is on both sides: rows are drawn with replacement, and a test image that trained is a leak. Of a whole data
    set, which is encoded in its order, a random part as large as the study's.
    """
    plan, size = run.evaluation, len(encoded.indices)
    rows, train = torch.arange(size), encoded.train
    if plan.whole:
        order = integers([run.seed], "metric", [3], size, below=2**31)[0, 0].argsort(stable=True)
        rows = order[: plan.samples + plan.test_samples]
        train = min(plan.samples, 2 * len(rows) // 3)
    first, last = rows[:train], rows[train:]
    seen = torch.isin(encoded.indices[last], encoded.indices[first])
    return torch.cat((first, last if seen.all() else last[~seen])), train


def task_scores(run: Run, model: Model, data: DataSet, encoded: Encoded) -> dict[str, Any]:
    """Result columns of the tasks that a run names and its model can be asked; no cell where it cannot."""
    found: dict[str, Any] = {}
    names = [name for name in run.evaluation.metrics if name in TASKS and TASKS[name].defined_for(run)]
    if not names:
        return found
    condition = Conditioning.of(run)
    rows, train = rows_for_tasks(run, encoded)
    subject = Subject(
        run, model, data, condition.evaluation(data),
        encoded.indices[rows], encoded.factors[rows], encoded.mean[rows], train, condition.told_when_scored,
    )  # fmt: skip
    for name in names:
        task = TASKS[name]
        options = {**task.options, **run.evaluation.options.get(name, {})}
        with torch.no_grad():
            found |= task.measure(subject, **options)
    return found


def with_dataset_size(run: Run, dataset_size: int) -> dict[str, dict[str, Any]]:
    """The run's options of metrics, with the batch and data set that the minibatch estimators stand for."""
    minibatch = {"dataset_size": dataset_size, "batch_size": run.batch_size}
    estimators = {f"kl_decomposition_{name}": minibatch for name in ("mws", "mss")}
    given = run.evaluation.options
    names = {*estimators, *(name for name in given if name in METRICS)}
    return {name: {**estimators.get(name, {}), **given.get(name, {})} for name in names}


def possible(metrics: tuple[str, ...], arrays: Mapping[str, Any]) -> list[str]:
    """The metrics whose inputs are there: a digit model told its digit has no factor left to be scored on."""
    missing = {name for name, value in arrays.items() if value is None}
    return [name for name in metrics if name in METRICS and not missing & set(METRICS[name].inputs)]
