"""What any model has to beat: the mean of training images, and of those that are nearest in what is seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

NEIGHBOURS = 5
"""As scikit-learn's imputer has it unasked."""


class Filled(NamedTuple):
    """A baseline's answer."""

    means: Tensor
    """[N, C, H, W]: what it fills in; where a pixel is seen, the pixel."""
    chances: Tensor
    """[N, C, H, W], the chance that a pixel is white, away from 0 and 1, so that it has a likelihood."""


def mean_imputation(training: Tensor, x: Tensor, observed: Tensor) -> Filled:
    """Each missing pixel is its mean over training images.

    Args:
        training: [M, C, H, W], complete, in [0, 1].
        x: [N, C, H, W]; of a missing pixel the value is not looked at.
        observed: bool, of the shape of x or broadcast to it.

    Returns:
        Means, and (M mean + 1/2) / (M + 1) for the likelihood: as if half a white and half a black image more had been
        seen (Krichevsky and Trofimov 1981).
    """
    chances = _shares(training).expand_as(x)
    return Filled(torch.where(observed, x, training.mean(dim=0).expand_as(x)), chances)


def knn_imputation(training: Tensor, x: Tensor, observed: Tensor, neighbours: int = NEIGHBOURS) -> Filled:
    """Each missing pixel is its mean over the training images that are nearest in what is seen.

    What scikit-learn's `KNNImputer`, fitted on the training images, fills in, as a test sees to: its distances over the
    pixels that are seen, all neighbours alike, the mean of all images where no pixel is seen. It looks for neighbours
    pixel by pixel; training images are complete, so that one search does for all pixels.

    Args:
        training: [M, C, H, W], complete, in [0, 1], M at least `neighbours`.
        x: [N, C, H, W]; of a missing pixel the value is not looked at.
        observed: bool, of the shape of x or broadcast to it.
        neighbours: k.

    Returns:
        Means, and (k mean + p) / (k + 1) for the likelihood, p what mean imputation has: as if one image of the average
        stood among the neighbours.
    """
    from sklearn.metrics.pairwise import nan_euclidean_distances

    seen = observed.expand_as(x)
    holes = torch.where(seen, x, torch.full_like(x, torch.nan)).flatten(1).double().cpu().numpy()
    distances = nan_euclidean_distances(holes, training.flatten(1).double().cpu().numpy())
    nearest = torch.from_numpy(np.argpartition(distances, neighbours - 1, axis=1)[:, :neighbours])
    filled = training[nearest.to(training.device)].mean(dim=1)
    some = seen.flatten(1).any(dim=1)[:, None, None, None]
    filled = torch.where(some, filled, training.mean(dim=0))
    chances = (neighbours * filled + _shares(training)) / (neighbours + 1)
    return Filled(torch.where(seen, x, filled), chances)


def _shares(training: Tensor) -> Tensor:
    """The chance of white by pixel, [C, H, W], strictly between 0 and 1."""
    return (training.sum(dim=0) + 0.5) / (len(training) + 1)
