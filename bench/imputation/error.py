"""How far imputed pixels are from what was there."""

from __future__ import annotations

import torch
from torch import Tensor

from .likelihoods import Bernoulli


def rmse(means: Tensor, x: Tensor, observed: Tensor) -> float:
    """Root mean squared error over all missing pixels of all images; 0 is best, NaN where none is missing.

    Args:
        means: [N, C, H, W], what was filled in.
        x: [N, C, H, W], what was there.
        observed: bool, of the shape of x or broadcast to it.
    """
    missing = ~observed.expand_as(x)
    squares = ((means - x).double() ** 2 * missing).sum()
    return float((squares / missing.sum()).sqrt())


def independent_nats(chances: Tensor, x: Tensor, observed: Tensor) -> Tensor:
    """Log-likelihood [N] of the missing pixels where each has a chance of its own to be white, in nats an image.

    Args:
        chances: [N, C, H, W], above 0 and below 1.
        x: [N, C, H, W], what was there; grey pixels by the cross-entropy, as of models.
        observed: bool, of the shape of x or broadcast to it.
    """
    nats = Bernoulli().log_density(torch.logit(chances.double()), x.double())
    return (nats * ~observed.expand_as(x)).flatten(1).sum(dim=1)
