"""Two posteriors of a pair: how far they are apart, which latents the pair shares, and what a shared latent becomes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Posteriors(NamedTuple):
    """Diagonal Gaussians q(z | x) of P images, each [P, D]."""

    mean: Tensor
    logvar: Tensor


Average = Callable[[Posteriors, Posteriors], Posteriors]
"""What both posteriors of a pair become in the latents that it shares."""


def distances(first: Posteriors, second: Posteriors) -> Tensor:
    """KL(q(z_j | x_1) || q(z_j | x_2)) in nats of each latent, [P, D] (Locatello et al. 2020, section 4).

    Not symmetric: the first image of a pair is the one that was drawn, the second its partner. Their library leaves the
    half in front out, which changes neither the order of latents nor which side of the threshold one is on.
    """
    ratio = torch.exp(first.logvar - second.logvar)
    shift = (first.mean - second.mean).square() * torch.exp(-second.logvar)
    return 0.5 * (ratio + shift - 1.0 + second.logvar - first.logvar)


def below_halfway(distance: Tensor) -> Tensor:
    """Which latents an adaptive pair shares, bool [P, D]: distances up to halfway between its least and its largest.

    The threshold is each pair's own. Latents all at one distance, as those of an image with itself, are all shared; the
    paper's sign is a strict one, which differs in this case alone.
    """
    least, largest = distance.amin(dim=-1, keepdim=True), distance.amax(dim=-1, keepdim=True)
    return distance <= 0.5 * (least + largest)


def most_alike(distance: Tensor, changed: Tensor) -> Tensor:
    """Which latents a pair shares that differs in `changed` [P, 1] factors: the D - changed at the least distance.

    Bool [P, D]; of latents at one distance the first are taken. None where more factors changed than there are latents.
    """
    place = distance.argsort(dim=-1, stable=True).argsort(dim=-1)
    return place < distance.shape[-1] - changed


def of_unchanged(changed: Tensor, latents: int) -> Tensor:
    """Which latents a pair shares if latent j stands for factor j, bool [P, latents]; `changed` is 0 or 1, [P, K].

    Latents beyond the K-th stand for no factor and are always shared.
    """
    factors = changed.shape[-1]
    kept = changed[:, : min(latents, factors)] < 0.5
    spare = kept.new_ones((len(changed), max(0, latents - factors)))
    return torch.cat((kept, spare), dim=1)


def arithmetic_mean(first: Posteriors, second: Posteriors) -> Posteriors:
    """Mean of the two means, mean of the two variances (Hosoya 2019): GroupVAE's.

    Of variances, not of their logarithms nor of deviations; of both means, not twice of one.
    """
    return Posteriors(
        0.5 * (first.mean + second.mean), torch.logaddexp(first.logvar, second.logvar) - math.log(2.0)
    )


def product(first: Posteriors, second: Posteriors) -> Posteriors:
    """The normalised product of two Gaussians (Bouchacourt et al. 2018): precisions add up. ML-VAE's.

    1 / var = 1 / var_1 + 1 / var_2 and mean / var = mean_1 / var_1 + mean_2 / var_2, so that the same posterior twice
    has half its variance: two images tell more than one. The study's library has the same mean and twice this variance.
    """
    weight = torch.sigmoid(second.logvar - first.logvar)  # var_2 / (var_1 + var_2)
    mean = weight * first.mean + (1.0 - weight) * second.mean
    return Posteriors(mean, -torch.logaddexp(-first.logvar, -second.logvar))


def averaged(
    first: Posteriors, second: Posteriors, shared: Tensor, average: Average
) -> tuple[Posteriors, Posteriors]:
    """Both posteriors with their average in place of the latents that are `shared`, bool [P, D]."""
    mean, logvar = average(first, second)
    return (
        Posteriors(torch.where(shared, mean, first.mean), torch.where(shared, logvar, first.logvar)),
        Posteriors(torch.where(shared, mean, second.mean), torch.where(shared, logvar, second.logvar)),
    )
