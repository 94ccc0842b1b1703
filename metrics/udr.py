"""Unsupervised disentanglement ranking: models that found the same codes are likely to have found the factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, Floats, as_matrix

SWEEPS = 10_000
"""Over the weights of a lasso, at most: latents that are nearly copies of each other take thousands."""

SETTLED = 1e-10
"""Weights that move less in a sweep are taken for settled."""


def udr(
    codes: Sequence[Array],
    kl: Sequence[Array],
    *,
    correlation: Literal["lasso", "spearman"] = "lasso",
    penalty: float = 0.1,
    threshold: float = 0.01,
    average: Literal["latents", "models"] = "latents",
) -> NDArray[np.float64]:
    """How far each model's informative latents are those of the other models, one to one: no factors needed.

    For model m and another, R[a, b] says how much latent a of the other tells of latent b of m. With r_b the largest
    of column b and r_a that of row a, the pair scores

        1 / (d_other + d_m) * (sum_b r_b^2 / sum_a R[a, b] + sum_a r_a^2 / sum_b R[a, b]),

    over the d informative latents of both. A model's score is the median over the other models. They should be of the
    same setting and differ in seed alone: the median then says how repeatable that setting's codes are.

    Args:
        codes: one [N, D_m] a model, the codes (posterior means) of the same N inputs in the same order. Latents of
            different models may differ in number.
        kl: one [D_m] a model, E_x KL(q(z_j | x) || p(z_j)) in nats.
        correlation: "lasso" takes |weights| of an L1-penalised regression of each standardised latent of m on all
            informative ones of the other; "spearman" the |rank correlation|.
        penalty: alpha of the lasso: |y - X w|^2 / (2 N) + alpha |w|_1 is least; 0.1 in the paper.
        threshold: a latent is informative if its KL is above it, in nats; 0.01 in the paper. Others are left out of
            regressions and sums.
        average: "latents" is the equation above, in which every latent counts the same; "models" takes the mean over
            the latents of m, that over those of the other, and half their sum. The two differ only where the models
            have unequally many informative latents.

    Returns:
        [M], 0 .. 1; higher is better. Equal, permuted and sign-flipped latents score 1 (by the lasso 1 - `penalty`,
        which it takes off each weight); latents that are spread evenly over D others about D^-1.5. A pair of which
        one has no informative latents scores 0. One informative latent that all models share is enough for 1: read
        their number beside.

    Raises:
        ValueError: fewer than two models, arrays that do not fit, NaN or infinite, a negative penalty, or an unknown
            word.

    Reference:
        Duan et al. 2020, "Unsupervised Model Selection for Variational Disentangled Representation Learning", eq. 3.
        `disentanglement_lib` is `average="models"`, stops at a pair without informative latents, and ends its
        regressions at a tolerance of 1e-4.
    """
    from scipy.stats import rankdata

    for word, given, known in (
        ("correlation", correlation, ("lasso", "spearman")),
        ("average", average, ("latents", "models")),
    ):
        if given not in known:
            raise ValueError(f'{word}: expected "{known[0]}" or "{known[1]}", got {given!r}')
    if not penalty >= 0:
        raise ValueError(f"penalty: expected a number >= 0, got {penalty}")
    if len(codes) < 2 or len(codes) != len(kl):
        raise ValueError(
            f"codes, kl: expected one of each for two models or more, got {len(codes)} and {len(kl)}"
        )
    tables = [as_matrix(table, f"codes[{model}]") for model, table in enumerate(codes)]
    rows, prepared = len(tables[0]), []
    for model, (table, divergence) in enumerate(zip(tables, kl, strict=True)):
        listed = divergence if hasattr(divergence, "detach") else np.asarray(divergence)
        values = as_matrix(listed[None], f"kl[{model}]")[0]
        if len(table) != rows:
            raise ValueError(f"codes[{model}]: expected the {rows} rows of the first, got {len(table)}")
        if len(values) != table.shape[1]:
            raise ValueError(f"kl[{model}]: expected one a latent, {table.shape[1]}, got {len(values)}")
        informative = table[:, values > threshold]
        prepared.append(
            _standardised(rankdata(informative, axis=0) if correlation == "spearman" else informative)
        )

    together = np.hstack(prepared)
    products = together.T @ together / rows  # correlations of all latents of all models with each other
    ends = np.cumsum([table.shape[1] for table in prepared])
    blocks = [slice(end - table.shape[1], end) for end, table in zip(ends, prepared, strict=True)]
    pairs = np.zeros((len(blocks), len(blocks)))
    for other, mine in enumerate(blocks):
        tells = products[mine]
        relation = np.abs(tells if correlation == "spearman" else _lasso(tells[:, mine], tells, penalty))
        for model, block in enumerate(blocks):
            pairs[model, other] = _pair(relation[:, block], average)
    others = ~np.eye(len(blocks), dtype=bool)
    return np.array([np.median(row[kept]) for row, kept in zip(pairs, others, strict=True)])


def _standardised(values: Floats) -> Floats:
    deviation = values.std(axis=0)
    standard: Floats = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return standard


def _lasso(products: Floats, targets: Floats, penalty: float) -> Floats:
    """Weights [D, T] of T lassos on the same D columns, by coordinate descent on their products X'X / N and X'Y / N."""
    weights = np.zeros_like(targets)
    alive = np.flatnonzero(products.diagonal() > 0)
    for _ in range(SWEEPS):
        moved = 0.0
        for column in alive:
            scale = products[column, column]
            pull = targets[column] - products[column] @ weights + scale * weights[column]
            new = np.sign(pull) * np.maximum(np.abs(pull) - penalty, 0) / scale
            moved = max(moved, float(np.abs(new - weights[column]).max()))
            weights[column] = new
        if moved < SETTLED:
            break
    return weights


def _pair(relation: Floats, average: str) -> float:
    """Score of one pair from R [D_other, D_m]."""
    if not relation.size:
        return 0.0
    sides = []
    for matrix in (relation, relation.T):
        best, whole = matrix.max(axis=0), matrix.sum(axis=0)
        sides.append(np.divide(best**2, whole, out=np.zeros_like(best), where=whole > 0))
    if average == "models":
        return float(np.mean([side.mean() for side in sides]))
    return float(np.concatenate(sides).mean())
