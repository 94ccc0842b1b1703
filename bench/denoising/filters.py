"""Classical filters, and which of them suits a noise best: what a model that has learned images has to beat."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .error import mean_squared_error

Images = NDArray[Any]
Filter = Callable[[Images], Images]
"""Images [N, C, H, W] to images of that shape."""

TINY = 1e-12


def untouched(images: Images) -> Images:
    """The images as they are."""
    return images


def median(images: Images, side: int) -> Images:
    """The median of a square around each pixel."""
    from scipy.ndimage import median_filter  # late: only models that are asked to denoise need it

    filtered: Images = median_filter(images, size=(1, 1, side, side), mode="nearest")
    return filtered


def blur(images: Images, sigma: float) -> Images:
    """A Gaussian kernel of that deviation in pixels."""
    from scipy.ndimage import gaussian_filter

    blurred: Images = gaussian_filter(images, sigma=(0, 0, sigma, sigma), mode="nearest")
    return blurred


def wiener(images: Images, side: int) -> Images:
    """The adaptive filter of Lim 1990 (p. 548): local means where the local variance is that of noise.

    The variance of noise is taken to be the mean of an image's local variances, as `scipy.signal.wiener` does.
    """
    from scipy.ndimage import uniform_filter

    square = partial(uniform_filter, size=(1, 1, side, side), mode="nearest")
    local = square(images)
    variance = np.maximum(square(images * images) - local * local, 0.0)
    of_noise = variance.mean(axis=(1, 2, 3), keepdims=True)
    share = np.maximum(variance - of_noise, 0.0) / np.maximum(variance, TINY)
    filtered: Images = local + share * (images - local)
    return filtered


FILTERS: dict[str, Filter] = {
    "none": untouched,
    **{f"median {side} x {side}": partial(median, side=side) for side in (3, 5)},
    **{f"Gaussian {sigma:g}": partial(blur, sigma=sigma) for sigma in (0.5, 0.75, 1.0, 1.5, 2.0)},
    **{f"Wiener {side} x {side}": partial(wiener, side=side) for side in (3, 5, 7)},
}
"""By the name that says the parameter."""


def best_filter(noisy: Tensor, clean: Tensor) -> str:
    """The key of `FILTERS` whose error is least on images of which both are known, [N, C, H, W] each."""
    spoilt, truth = noisy.double().cpu().numpy(), clean.double().cpu().numpy()
    errors = {name: mean_squared_error(apply(spoilt), truth) for name, apply in FILTERS.items()}
    return min(errors, key=errors.__getitem__)


def filtered(noisy: Tensor, name: str) -> Images:
    """Images [N, C, H, W] through a key of `FILTERS`."""
    return FILTERS[name](noisy.double().cpu().numpy())
