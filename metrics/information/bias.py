"""What each estimator of mutual information makes of distributions whose mutual information is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from .binned import binned_mutual_information, equal_width_bins, mutual_information_matrix
from .known import KNOWN, Known
from .nearest_neighbours import ksg_class_information, ksg_mutual_information
from .posterior import posterior_bin_information, posterior_information

Estimate: TypeAlias = Callable[[Known, int, np.random.Generator], float]
"""(distribution, rows, generator) to nats."""

Estimator: TypeAlias = tuple[Literal["continuous", "classes"], Estimate]
"""What it takes beside a continuous quantity, and how it is called."""


@dataclass(frozen=True)
class Bias:
    """One estimator on one distribution."""

    distribution: str
    estimator: str
    rows: int
    nats: float
    """The truth."""
    bias_nats: float
    """Mean estimate over draws, less the truth."""
    deviation_nats: float
    """Of one estimate: standard deviation over draws."""


def measured_bias(
    *,
    rows: int = 1_000,
    draws: int = 20,
    seed: int = 0,
    estimators: Mapping[str, Estimator] | None = None,
) -> list[Bias]:
    """Every estimator on every distribution that it takes.

    Args:
        rows: of each sample.
        draws: samples, at least 2.
        seed: of samples; a function of it, the distribution, the estimator's place and the draw.
        estimators: by name; `ESTIMATORS` when left out.

    Returns:
        By distribution, then estimator, in the order of `KNOWN` and of the estimators.
    """
    if draws < 2:
        raise ValueError(f"draws: at least 2 for a deviation, got {draws}")
    found = []
    for place, known in enumerate(KNOWN.values()):
        for number, (name, (kind, estimate)) in enumerate((estimators or ESTIMATORS).items()):
            if kind != known.right:
                continue
            streams = (
                np.random.Generator(np.random.Philox([seed, place, number, draw])) for draw in range(draws)
            )
            values = [estimate(known, rows, stream) for stream in streams]
            bias, deviation = float(np.mean(values)) - known.nats, float(np.std(values, ddof=1))
            found.append(Bias(known.name, name, rows, known.nats, bias, deviation))
    return found


def bias_page(*, rows: int = 1_000, draws: int = 20, seed: int = 0) -> str:
    """The same as two tables in Markdown: bias and, behind it, the deviation of one estimate, in nats."""
    found = {(b.distribution, b.estimator): b for b in measured_bias(rows=rows, draws=draws, seed=seed)}
    parts = []
    for kind in ("continuous", "classes"):
        names = [name for name, (takes, _) in ESTIMATORS.items() if takes == kind]
        lines = [
            f"| {rows:,} rows | I, nats | " + " | ".join(names) + " |",
            "|---|---:|" + "---:|" * len(names),
        ]
        for known in KNOWN.values():
            if known.right == kind:
                cells = [found[known.name, name] for name in names]
                shown = " | ".join(f"{cell.bias_nats:+.3f} ± {cell.deviation_nats:.3f}" for cell in cells)
                lines.append(f"| {known.meaning} | {known.nats:.3f} | {shown} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _bins_of_two(bins: int) -> Estimator:
    def estimate(known: Known, rows: int, random: np.random.Generator) -> float:
        binned = equal_width_bins(np.column_stack(known.sample(rows, random)), bins=bins)
        return float(binned_mutual_information(binned[:, :1], binned[:, 1:])[0, 0])

    return "continuous", estimate


def _neighbours_of_two(neighbours: int) -> Estimator:
    def estimate(known: Known, rows: int, random: np.random.Generator) -> float:
        return ksg_mutual_information(*known.sample(rows, random), neighbours=neighbours)

    return "continuous", estimate


def _bins(bins: int) -> Estimator:
    def estimate(known: Known, rows: int, random: np.random.Generator) -> float:
        left, right = known.sample(rows, random)
        return float(mutual_information_matrix(left[:, None], right[:, None], bins=bins)[0, 0])

    return "classes", estimate


def _neighbours(neighbours: int) -> Estimator:
    def estimate(known: Known, rows: int, random: np.random.Generator) -> float:
        return ksg_class_information(*known.sample(rows, random), neighbours=neighbours)

    return "classes", estimate


def _posterior(share: float, *, binned: bool = False) -> Estimator:
    """Of latents of unit deviation; posteriors are as wide as a share of a class's noise, the rest is in the means."""

    def estimate(known: Known, rows: int, random: np.random.Generator) -> float:
        _, labels = known.sample(rows, random)
        spread = math.sqrt(1 - share**2) * known.deviation * random.standard_normal(rows)
        mean = labels.astype(float) + spread
        unit = math.hypot(mean.std(), share * known.deviation)
        mean, logvar = (
            (mean - mean.mean()) / unit,
            np.full(rows, 2 * math.log(share * known.deviation / unit)),
        )
        arrays = mean[:, None], logvar[:, None], labels[:, None]
        if binned:
            return float(posterior_bin_information(*arrays)[0, 0])
        return float(posterior_information(*arrays, seed=int(random.integers(2**32)))[0, 0])

    return "classes", estimate


ESTIMATORS: Mapping[str, Estimator] = {
    "20 x 20 bins": _bins_of_two(20),
    "KSG, k = 3": _neighbours_of_two(3),
    "20 bins": _bins(20),
    "neighbours, k = 3": _neighbours(3),
    "neighbours, k = 10": _neighbours(10),
    "posterior": _posterior(1.0),
    "posterior, half": _posterior(0.5),
    "posterior, a tenth": _posterior(0.1),
    "posterior, half, 100 bins": _posterior(0.5, binned=True),
}
"""By name: what they take, and how. Posteriors are as wide as a class's noise, half of it, a tenth of it."""

SETTINGS: Mapping[str, Estimator] = {
    **ESTIMATORS,
    "10 x 10 bins": _bins_of_two(10),
    "50 x 50 bins": _bins_of_two(50),
    "KSG, k = 1": _neighbours_of_two(1),
    "KSG, k = 10": _neighbours_of_two(10),
    "10 bins": _bins(10),
    "50 bins": _bins(50),
    "neighbours, k = 1": _neighbours(1),
}
"""The same, and the same with other numbers of bins and neighbours."""
