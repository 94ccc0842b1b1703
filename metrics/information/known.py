"""Distributions whose mutual information is known, to measure what an estimator makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats


@dataclass(frozen=True)
class Known:
    """A pair of quantities with a known mutual information."""

    name: str
    nats: float
    """I(left; right), from a closed form or by quadrature to 1e-9."""
    right: Literal["continuous", "classes"]
    meaning: str
    """One line."""
    sample: Callable[[int, np.random.Generator], tuple[Floats, NDArray[np.generic]]]
    """(rows, generator) to left [N] and right [N]."""
    deviation: float = 0.0
    """Of the Gaussian noise through which a class is seen."""


def _gaussian(correlation: float) -> Known:
    def sample(rows: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        left, noise = random.standard_normal((2, rows))
        return left, correlation * left + math.sqrt(1 - correlation**2) * noise

    return Known(
        f"gaussian_{correlation:g}",
        -0.5 * math.log1p(-(correlation**2)),
        "continuous",
        f"two Gaussians of correlation {correlation:g}: -1/2 ln(1 - rho^2)",
        sample,
    )


def _sum_of_uniforms(width: float) -> Known:
    """Y = x + u, x uniform on 0 .. 1, u on 0 .. width < 1: h(y) - h(u) = width / 2 - ln(width)."""

    def sample(rows: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        left, noise = random.random((2, rows))
        return left, left + width * noise

    return Known(
        f"uniform_{width:g}",
        width / 2 - math.log(width),
        "continuous",
        f"a uniform and its sum with another, {width:g} times as wide: w / 2 - ln w",
        sample,
    )


def _classes(classes: int, deviation: float) -> Known:
    """A class number 0 .. C - 1, equally frequent, seen through Gaussian noise."""

    def sample(rows: int, random: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
        labels = random.integers(classes, size=rows)
        return labels + deviation * random.standard_normal(rows), labels

    return Known(
        f"classes_{classes}_{deviation:g}",
        class_in_noise_nats(classes, deviation),
        "classes",
        f"{classes} classes one apart, seen through Gaussian noise of deviation {deviation:g}",
        sample,
        deviation,
    )


def class_in_noise_nats(classes: int, deviation: float) -> float:
    """I(class; class + noise): entropy of the equal mixture of Gaussians one apart, less that of one, by quadrature."""
    low, high = -12 * deviation, classes - 1 + 12 * deviation
    grid, step = np.linspace(low, high, 8 * int((high - low) / min(deviation, 1.0)) + 1, retstep=True)
    exponents = -0.5 * ((grid - np.arange(classes)[:, None]) / deviation) ** 2
    density = np.exp(exponents).mean(axis=0) / (deviation * math.sqrt(2 * math.pi))
    entropy = -(density * np.log(np.maximum(density, 1e-300))).sum() * step  # nothing is left at either end
    return float(entropy - math.log(deviation * math.sqrt(2 * math.pi * math.e)))


KNOWN: Mapping[str, Known] = {
    known.name: known
    for known in (
        _gaussian(0.0),
        _gaussian(0.5),
        _gaussian(0.9),
        _gaussian(0.99),
        _sum_of_uniforms(0.1),
        _classes(3, 0.1),
        _classes(3, 1.0),
        _classes(40, 1.0),
        _classes(40, 10.0),
    )
}
"""By name."""
