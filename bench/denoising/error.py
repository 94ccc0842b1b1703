"""How far images are from those that they should be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def mean_squared_error(images: Any, clean: Any) -> float:
    """Mean over images and values of the squared difference; lower is better."""
    return float(np.square(np.asarray(images, dtype=np.float64) - np.asarray(clean, dtype=np.float64)).mean())


def psnr(squared_error: float, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels: 10 log10(peak^2 / mean squared error); higher is better.

    Of the mean squared error over all images. A mean of ratios image by image, as often printed, is infinite where a
    single image is met exactly.

    Args:
        squared_error: from 0; infinite decibels at 0.
        peak: the largest value that a pixel takes.

    Raises:
        ValueError: an error below 0, or a peak that is not above it.
    """
    if not squared_error >= 0 or not peak > 0:
        raise ValueError(
            f"psnr: expected an error of at least 0 and a peak above 0, got {squared_error}, {peak}"
        )
    return math.inf if squared_error == 0 else 10 * math.log10(peak**2 / squared_error)
