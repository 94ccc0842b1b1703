"""What must hold between the terms of the KL, whatever the posteriors: residuals of each estimator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri

from disbench.metrics import KLDecomposition, kl_decomposition

from ..posteriors import GaussianPosteriors, grid_posteriors

SIZES = (3, 4, 5, 4, 4)
"""Classes of the grid: 960 rows, few enough for a batch of them all."""

BATCH_SIZE = 64
NARROW, WIDE = 0.07, 0.3

TERMS = ("mutual_information_nats", "total_correlation_nats", "dimensionwise_kl_nats")


def aligned_posteriors(deviation: float, sizes: Sequence[int] = SIZES) -> GaussianPosteriors:
    """A latent a factor over a full grid, one width for all: q(z) is the product of its marginals, so TC is 0."""
    classes = np.stack(np.unravel_index(np.arange(prod(sizes)), tuple(sizes)), axis=1)
    mean = ndtri((classes + 0.5) / np.array(sizes))
    meaning = f"a latent a factor, deviation {deviation:g}: TC is 0"
    return GaussianPosteriors("aligned", meaning, mean, np.full_like(mean, 2 * math.log(deviation)))


def decomposition_identities(
    sizes: Sequence[int], seed: int, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """The terms of three families of posteriors by each estimator, and how far they miss what must hold.

    Every row gives one code, the same for all estimators. Batches are of 64 rows, and of all N: there stratified
    sampling is the mixture itself, and weighted sampling the mixture with each log density lower by log N.

    Args:
        sizes: classes of the grid's five factors; batches of all N rows take N^2 D numbers.
        seed: of codes.
        say: called with a line after each family.

    Returns:
        A mapping for each family and estimator: `family`, `meaning`, `rows`, `estimator`, `batch_size` (None for the
        mixture), the terms and `kl_nats`, and

        - `sum_residual_nats`: I + TC + dimension-wise KL - KL; 0 up to rounding.
        - `dimensions_residual_nats`: sum_j I(x; z_j) - (I + TC), or sum_j KL(q(z_j) || p(z_j)) less the dimension-wise
          KL, whichever is larger; 0 up to rounding.
        - `bound_nats`, at least I: no density of the estimate is below 1/N of a code's own, so log N; of weighted
          sampling log (M N). And `room_nats`, the bound less I, at least 0.
        - `closed_form_difference_nats`: KL of the codes less its closed form, with its exact standard error
          `closed_form_error_nats`.
        - `exact_residual_nats`: the largest difference of a term from the mixture's, constants set aside; where the
          batch is all rows, else None.
    """
    families = [aligned_posteriors(WIDE, sizes)]
    families += [grid_posteriors(name, width, sizes) for name, width in (("narrow", NARROW), ("wide", WIDE))]
    found = []
    for family in families:
        rows = len(family.mean)
        exact = _terms(family, "mixture", rows, seed)
        found.append(_record(family, "mixture", None, exact, exact))
        for estimator in ("mss", "mws"):
            for size in (min(BATCH_SIZE, rows), rows):
                terms = _terms(family, estimator, size, seed)
                found.append(_record(family, estimator, size, terms, exact))
        say(f"identities of {family.name}: largest residual {_largest(found, family.name):.1e} nats")
    return found


def _terms(family: GaussianPosteriors, estimator: Any, batch_size: int, seed: int) -> KLDecomposition:
    return kl_decomposition(
        family.mean, family.logvar, estimator=estimator, samples=len(family.mean), batch_size=batch_size,
        seed=seed, dtype=torch.float64,
    )  # fmt: skip


def _record(
    family: GaussianPosteriors,
    estimator: str,
    size: int | None,
    terms: KLDecomposition,
    exact: KLDecomposition,
) -> dict[str, Any]:
    """One line of the table."""
    rows, latents = family.mean.shape
    values = np.array([getattr(terms, term) for term in TERMS])
    information, correlation, dimensionwise = values
    bound = math.log(rows * (size or 1)) if estimator == "mws" else math.log(rows)
    by_dimension = (
        terms.mutual_information_per_dimension_nats.sum() - (information + correlation),
        terms.dimensionwise_kl_per_dimension_nats.sum() - dimensionwise,
    )
    # Of log q(z | x) - log p(z) at mean + deviation * noise: its variance over the noise, row by row.
    variance = np.exp(family.logvar)
    spread = (0.5 * (variance - 1) ** 2 + family.mean**2 * variance).sum(axis=1)
    residual = None
    if size == rows:
        shift = math.log(rows) * np.array([1, latents - 1, -latents]) * (estimator == "mws")
        residual = float(np.abs(values - shift - [getattr(exact, term) for term in TERMS]).max())
    return {
        "family": family.name,
        "meaning": family.meaning,
        "rows": rows,
        "latents": latents,
        "estimator": estimator,
        "batch_size": size,
        **dict(zip(TERMS, values.tolist(), strict=True)),
        "kl_nats": terms.kl_nats,
        "sum_residual_nats": float(values.sum() - terms.kl_nats),
        "dimensions_residual_nats": float(max(by_dimension, key=abs)),
        "bound_nats": bound,
        "room_nats": bound - float(information),
        "closed_form_difference_nats": terms.kl_nats - float(terms.kl_per_dimension_nats.sum()),
        "closed_form_error_nats": float(np.sqrt(spread.sum()) / rows),
        "exact_residual_nats": residual,
    }


def _largest(records: Sequence[dict[str, Any]], family: str) -> float:
    """Of what is 0 up to rounding."""
    return max(
        abs(record[name])
        for record in records
        if record["family"] == family
        for name in ("sum_residual_nats", "dimensions_residual_nats")
    )
