"""Unsupervised disentanglement ranking: models that found the same codes are likely to have found the factors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

from .arrays import Array, Floats, as_matrix


def udr(
    codes: Sequence[Array],
    kl: Sequence[Array],
    *,
    correlation: Literal["lasso", "spearman"] = "lasso",
    penalty: float = 0.1,
    threshold: float = 0.01,
) -> NDArray[np.float64]:
    """How far each model's informative latents are those of the other models, one to one: no factors needed.

    For a pair of models, R[a, b] says how much latent a of the one tells of latent b of the other. Each informative
    latent b scores r_b^2 / sum_a R[a, b] with r_b its largest R, each informative a likewise; the pair's score is their
    sum over the number of informative latents of both. A model's score is the median over its pairs.

    Args:
        codes: one [N, D_m] a model, the codes of the same N inputs in the same order. Latents of different models may
            differ in number.
        kl: one [D_m] a model, E_x KL(q(z_j | x) || p(z_j)) in nats.
        correlation: "lasso" takes |weights| of an L1-penalised regression of each standardised latent on all of the
            other model; "spearman" the |rank correlation|, faster.
        penalty: alpha of the lasso; 0.1 in the paper.
        threshold: a latent is informative if its KL is above it, in nats; 0.01 in the paper.

    Returns:
        [M], 0 .. 1; higher is better. A model without informative latents scores 0.

    Raises:
        ValueError: fewer than two models, arrays that do not fit, NaN or infinite, or an unknown correlation.

    Reference:
        Duan et al. 2020, "Unsupervised Model Selection for Variational Disentangled Representation Learning", eq. 3.
    """
    if correlation not in ("lasso", "spearman"):
        raise ValueError(f'correlation: expected "lasso" or "spearman", got {correlation!r}')
    if len(codes) < 2 or len(codes) != len(kl):
        raise ValueError(
            f"codes, kl: expected one of each for two models or more, got {len(codes)} and {len(kl)}"
        )
    tables = [as_matrix(table, f"codes[{number}]") for number, table in enumerate(codes)]
    informative = []
    for number, (table, divergence) in enumerate(zip(tables, kl, strict=True)):
        values = as_matrix(np.asarray(divergence)[None], f"kl[{number}]")[0]
        if len(table) != len(tables[0]):
            raise ValueError(
                f"codes[{number}]: expected the {len(tables[0])} rows of the first, got {len(table)}"
            )
        if len(values) != table.shape[1]:
            raise ValueError(f"kl[{number}]: expected one a latent, {table.shape[1]}, got {len(values)}")
        informative.append(values > threshold)
    ranked = correlation == "spearman"
    prepared = [_standardised(rankdata(table, axis=0) if ranked else table) for table in tables]
    scores = np.zeros((len(tables), len(tables)))
    for i, j in zip(*np.triu_indices(len(tables), 1), strict=True):
        if ranked:
            forward = np.abs(prepared[i].T @ prepared[j]) / len(prepared[i])
            both = (forward, forward)
        else:
            both = (
                _weights(prepared[i], prepared[j], penalty),
                _weights(prepared[j], prepared[i], penalty).T,
            )
        ways = [_pair(relation, informative[i], informative[j]) for relation in both]
        scores[i, j], scores[j, i] = ways
    off = ~np.eye(len(tables), dtype=bool)
    return np.array([np.median(scores[model][off[model]]) for model in range(len(tables))])


def _standardised(values: Floats) -> Floats:
    deviation = values.std(axis=0)
    standard: Floats = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return standard


def _weights(left: Floats, right: Floats, penalty: float) -> Floats:
    """|weight| of each latent on the left in predicting each on the right: [D_left, D_right]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = Lasso(alpha=penalty).fit(left, right)
    return np.abs(np.reshape(model.coef_, (right.shape[1], left.shape[1]))).T


def _pair(relation: Floats, left: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    """Score of one pair from R [D_left, D_right] and which latents are informative."""
    count = int(left.sum() + right.sum())
    if not left.any() or not right.any():
        return 0.0
    total = 0.0
    for matrix, counted in ((relation, right), (relation.T, left)):
        best, whole = matrix.max(axis=0), matrix.sum(axis=0)
        alone = np.divide(best**2, whole, out=np.zeros_like(best), where=whole > 0)
        total += float(alone[counted].sum())
    return total / count
