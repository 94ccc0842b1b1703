"""Weak supervision: VAEs of pairs of images that share all factors but a few (Locatello et al. 2020)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ...models import ForwardPass, Model
from ...objectives import Objective, Setting, kl, reconstruction
from ..member import Member
from .pairs import CHANGES, KNOWN, PAIR_OPTIONS, PAIRS
from .sharing import (
    Average,
    Posteriors,
    arithmetic_mean,
    averaged,
    below_halfway,
    distances,
    most_alike,
    of_unchanged,
    product,
)


def shared_latents(first: Posteriors, second: Posteriors, told: Tensor) -> Tensor:
    """Which latents P pairs share, bool [P, D], by what is told of each pair.

    Told [P, 0]: nothing; the distance of the posteriors decides. [P, 1]: how many factors differ; so many latents, the
    farthest apart, are not shared. [P, K]: which factors differ; latent j is shared if factor j is.
    """
    latents = first.mean.shape[-1]
    if told.shape[-1] > 1:
        return of_unchanged(told, latents)
    distance = distances(first, second)
    return most_alike(distance, told) if told.shape[-1] else below_halfway(distance)


def in_pairs(average: Average, model: Model, images: Tensor, told: Tensor, noise: Tensor) -> ForwardPass:
    """One pass over pairs: encode each image, average what a pair shares, draw and decode for each image.

    The first half of the batch are the pairs' first images, the second half their partners. Each image keeps noise of
    its own, in shared latents too, as in the study: two draws of one average.
    """
    nothing = images.new_zeros((len(images), 0))
    mean, logvar = (part.to(noise.dtype) for part in model.encode(images, nothing))
    pairs = len(images) // 2
    first = Posteriors(mean[:pairs], logvar[:pairs])
    second = Posteriors(mean[pairs : 2 * pairs], logvar[pairs : 2 * pairs])
    shared = shared_latents(first, second, told[:pairs])
    first, second = averaged(first, second, shared, average)
    mean = torch.cat((first.mean, second.mean, mean[2 * pairs :]))
    logvar = torch.cat((first.logvar, second.logvar, logvar[2 * pairs :]))
    codes = mean + torch.exp(0.5 * logvar) * noise
    logits = model.decode(codes.to(images.dtype), nothing).to(noise.dtype)
    return ForwardPass(images.to(noise.dtype), logits, mean, logvar, codes)


def paired_bound(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, pairs: str, changed: int, known: str = ""
) -> Tensor:
    """-log p(x | z) + beta KL(q(z | pair) || p(z)), mean over both images of all pairs; strength is beta.

    Half of what Locatello et al. 2020 write, who add the two images of a pair up; their library halves it too.
    The options are those of the pairs, which have done their work by now.
    """
    return reconstruction(outcome) + strength * kl(outcome).sum()


MEMBER = Member(
    objectives={
        "ada_gvae": Objective(
            paired_bound,
            "Ada-GVAE",
            "β",
            "Locatello et al. 2020",
            loss_options=PAIR_OPTIONS,
            choosing=PAIRS,
            forward=partial(in_pairs, arithmetic_mean),
        ),
        "ada_ml_vae": Objective(
            paired_bound,
            "Ada-ML-VAE",
            "β",
            "Locatello et al. 2020",
            loss_options=PAIR_OPTIONS,
            choosing=PAIRS,
            forward=partial(in_pairs, product),
        ),
        "group_vae": Objective(
            paired_bound,
            "GroupVAE",
            "β",
            "Hosoya 2019",
            loss_options={**PAIR_OPTIONS, **KNOWN},
            choosing=PAIRS,
            telling=CHANGES,
            forward=partial(in_pairs, arithmetic_mean),
        ),
        "ml_vae": Objective(
            paired_bound,
            "ML-VAE",
            "β",
            "Bouchacourt et al. 2018",
            loss_options={**PAIR_OPTIONS, **KNOWN},
            choosing=PAIRS,
            telling=CHANGES,
            forward=partial(in_pairs, product),
        ),
    }
)
