"""MIWAE: the importance-weighted bound of images with pixels missing, of what is seen of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from disbench.datasets import DataSet, Entry
from disbench.metrics import log_gaussian

from ..imputation.masks import MASKS, observed_pixels, require_missing
from ..models import ForwardPass, Model
from ..objectives import Objective, Options, Setting, Telling, Told
from ..run import Run
from .member import Member

OBSERVED = "observed"
"""Of `ForwardPass.extra`: [B, 1, H, W], 1 where a pixel is seen."""


def miwae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, missing: float, missing_kind: str
) -> Tensor:
    """-log mean_k p(x_obs, z_k) / q(z_k | x_obs), mean over images; it has no strength (Mattei and Frellsen 2019).

    Missing pixels enter neither side: the encoder sees zeros there, the likelihood leaves them out. Where nothing is
    missing it is IWAE's bound, term by term. The codes z_1 .. z_K of an image are as many as the forward pass has for
    each: the option `importance_samples`. `missing` and `missing_kind` have made the masks before it is asked.
    """
    images = len(outcome.images)
    samples = len(outcome.codes) // images
    seen = outcome.extra[OBSERVED].expand_as(outcome.images).flatten(1)
    logits = outcome.logits.unflatten(0, (samples, images)).flatten(2)
    pixels = outcome.images.flatten(1)
    likelihood = ((pixels * logits - F.softplus(logits)) * seen).sum(dim=2)  # [K, B]
    codes = outcome.codes.unflatten(0, (samples, images))
    nothing = torch.zeros_like(codes)
    prior = log_gaussian(codes, nothing, nothing).sum(dim=2)
    posterior = log_gaussian(codes, outcome.mean, outcome.logvar).sum(dim=2)
    weights = likelihood + prior - posterior
    return math.log(samples) - weights.logsumexp(dim=0).mean()


def see_what_is_there(model: Model, images: Tensor, observed: Tensor, noise: Tensor) -> ForwardPass:
    """One pass over images whose missing pixels are 0, of a model that is told nothing of which they are.

    Args:
        model: any plain one.
        images: [B, C, H, W], complete.
        observed: [B, H W], 1 where a pixel is seen.
        noise: [S B, D].
    """
    seen = observed.unflatten(1, (1, *images.shape[2:]))
    outcome: ForwardPass = model(images * seen, images.new_zeros(len(images), 0), noise)
    return outcome._replace(
        images=images.to(noise.dtype), extra={**outcome.extra, OBSERVED: seen.to(noise.dtype)}
    )


def pixels_of(options: Options, condition: str | None, data_set: Entry) -> int:
    """H W: a pixel is missing with all of its channels; `BadInput` where the options say no share of them."""
    share = options["missing"]
    assert isinstance(share, int | float)
    require_missing(str(options["missing_kind"]), share)
    return math.prod(data_set.image_shape[1:])


def incomplete(run: Run, data: DataSet, seeds: Sequence[int]) -> Told:
    """Which pixels of an image are in the data set of a seed, [S, B, H W]: the same whenever the image is met."""
    kind, share = str(run.options["missing_kind"]), float(run.options["missing"])
    of_seeds = torch.tensor(list(seeds), device=data.device)

    def told(indices: Tensor, factors: Tensor) -> Tensor:
        return observed_pixels(kind, of_seeds, indices, data.image_shape, share).flatten(2).float()

    return told


def complete(run: Run, data: DataSet) -> Told:
    """Every pixel: scores are of whole images."""
    pixels = math.prod(data.image_shape[1:])
    return lambda indices, factors: torch.ones(*indices.shape, pixels, device=indices.device)


MEMBER = Member(
    objectives={
        "miwae": Objective(
            miwae,
            "MIWAE",
            None,
            "Mattei and Frellsen 2019",
            loss_options={"missing": 0.5, "missing_kind": tuple(MASKS)},
            importance_samples=5,
            telling=Telling(pixels_of, incomplete, complete, to_model=False),
            forward=see_what_is_there,
        )
    }
)
