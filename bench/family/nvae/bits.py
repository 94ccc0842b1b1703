"""The task `bits`: how many bits a pixel costs, and which groups of latents carry them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from disbench.metrics import Score

from ...objectives import bernoulli_errors
from ...randomness import normal
from ...run import Run
from ...tasks import Subject, Task
from .model import NVAE, Inference

ACTIVE_NATS = 0.1
"""KL above which a group says something."""

FIRST_STEP = 1000
"""Step of the role `metric` that the first sample of every image is drawn at."""

AT_ONCE = 128
"""Images in one pass. Changes no number beyond rounding."""

SCORES = (
    Score(
        "bits_per_dimension", "lower", "bits", "negative ELBO over pixels and ln 2, scored images of the task"
    ),
    Score(
        "importance_weighted_nats", "higher", "nats", "importance-weighted bound on log p(x), the same images"
    ),
    Score("importance_weighted_bits", "lower", "bits", "its negative over pixels and ln 2"),
    Score("active_groups", None, "units", f"groups of latents with a KL above {ACTIVE_NATS:g} nats"),
    Score("group_kl_nats", None, "nats", "KL of each group to its prior, top first", "curve"),
)


def bits_per_dimension(nats: float, dimensions: int) -> float:
    """Nats of an image to bits for each of its pixels and channels: nats / (dimensions ln 2), lower is better."""
    return nats / (dimensions * math.log(2))


def bounds(images: Tensor, passes: list[Inference]) -> tuple[Tensor, Tensor]:
    """ELBO with the KL of each group in closed form, averaged over passes, and their importance-weighted bound, [B]."""
    likelihood = torch.stack([-bernoulli_errors(images, seen.logits) for seen in passes])
    kl = torch.stack([seen.kl.sum(dim=1) for seen in passes])
    weights = likelihood + torch.stack([seen.log_weight for seen in passes])
    return (likelihood - kl).mean(dim=0), weights.logsumexp(dim=0) - math.log(len(passes))


def measure(subject: Subject, *, images: int, samples: int) -> dict[str, Any]:
    """Columns of `SCORES`.

    Args:
        subject: an NVAE.
        images: how many of the evaluated ones are asked, held out of training where there are such.
        samples: codes an image, of the ELBO and of the importance-weighted bound (Burda et al. 2016).
    """
    model = subject.model
    assert isinstance(model, NVAE)
    device, width = subject.data.device, model.layout.width
    (chosen, _), parts = subject.asked_of_bound(images), []
    for start, batch in enumerate(chosen.split(AT_ONCE)):
        indices = batch.to(device)
        seen, told = subject.data.images(indices), subject.told(indices, subject.data.factors(indices))
        passes = []
        for sample in range(samples):
            step = FIRST_STEP + start * samples + sample
            noise = normal([subject.run.seed], "metric", [step], len(batch) * width)[0, 0]
            passes.append(model.infer(seen, told, noise.reshape(-1, width).to(device)))
        kl = torch.stack([one.kl for one in passes]).mean(dim=0)
        parts.append((*bounds(seen, passes), kl))
    elbo, weighted, kl = (torch.cat(column).double().mean(dim=0).cpu() for column in zip(*parts, strict=True))
    dimensions = math.prod(subject.data.image_shape)
    return {
        "bits_per_dimension": bits_per_dimension(-float(elbo), dimensions),
        "importance_weighted_nats": float(weighted),
        "importance_weighted_bits": bits_per_dimension(-float(weighted), dimensions),
        "active_groups": float((kl > ACTIVE_NATS).sum()),
        "group_kl_nats": kl.tolist(),
    }


def objection(run: Run) -> str | None:
    """Only NVAE has groups whose densities it can be asked for."""
    return None if run.objective == "nvae" else "needs an NVAE"


BITS = Task(SCORES, measure, {"images": 500, "samples": 10}, objection)
