"""Diagonal Gaussians of one layer: their product, their draws, and one in the units of another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    """N(mean, exp(logvar)), unit by unit; both [B, D]."""

    mean: Tensor
    logvar: Tensor


def standard_like(z: Tensor) -> Gaussian:
    """N(0, I) for codes of a shape and type."""
    nothing = torch.zeros_like(z)
    return Gaussian(nothing, nothing)


def merged(likelihood: Gaussian, prior: Gaussian) -> Gaussian:
    """The two weighted by their precisions, which is their normalised product.

    Args:
        likelihood: what the deterministic upward pass says of a layer, [B, D].
        prior: what the layer above says of it, [B, D].

    Returns:
        Precision the sum of the precisions, mean the mean weighted by them. A likelihood of infinite variance leaves
        the prior, exactly.

    Reference:
        Sonderby et al. 2016, eqs. 17-20. 1 / (precision + precision) is a variance, whatever power of sigma an
        edition prints on its left.
    """
    # In logarithms: a precision of e^90 is no number of float32, a share between two of them is.
    share = torch.sigmoid(prior.logvar - likelihood.logvar)
    mean = prior.mean + share * (likelihood.mean - prior.mean)
    return Gaussian(mean, -torch.logaddexp(-likelihood.logvar, -prior.logvar))


def drawn(gaussian: Gaussian, noise: Tensor) -> Tensor:
    """A reparameterised draw [B, D]; noise 0 is the mean."""
    return gaussian.mean + torch.exp(0.5 * gaussian.logvar) * noise


def relative(gaussian: Gaussian, unit: Gaussian) -> Gaussian:
    """A Gaussian in the coordinates in which `unit` is N(0, I); the KL between the two stays what it is."""
    scale = torch.exp(-0.5 * unit.logvar)
    return Gaussian((gaussian.mean - unit.mean) * scale, gaussian.logvar - unit.logvar)


def standardised(z: Tensor, unit: Gaussian) -> Tensor:
    """A code [B, D] in the coordinates in which `unit` is N(0, I): the noise that would have drawn it from there."""
    return (z - unit.mean) * torch.exp(-0.5 * unit.logvar)
