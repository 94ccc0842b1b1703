"""Unsupervised disentanglement ranking over a study: which models' codes do other seeds find again?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from disbench.metrics import gaussian_kl, udr

from ..bad_input import BadInput
from ..store import Store
from ..tables import GROUP
from .groups import parted
from .posteriors import Family, families, family_posteriors, nothing_to_run
from .rank_correlation import LEAST, rank_correlation
from .score_values import SUPERVISED, known_of, sign


@dataclass(frozen=True)
class StudyUDR:
    """UDR of every model that has seeds beside it, and whether it says what scores with factors say."""

    models: pd.DataFrame
    """A row a model: data set, condition, objective, variant, strength, seed, run_id, `udr` (0 .. 1, higher is better),
    `informative` (latents with KL above the threshold), `family` (models in it)."""
    correlations: pd.DataFrame
    """A row a score: subject (data set and condition), score, correlation (Spearman's with UDR over the models, 1 where
    both prefer the same), low, high, p_value, models."""
    left_out: Mapping[str, str]
    """Families that have no UDR or not of all models, and why."""
    correlation: str
    """How latents of two models were compared, "lasso" or "spearman"."""
    images: int
    """On how many images, where the data set has as many."""


def study_udr(
    store: Store | str | Path,
    *,
    images: int = 2_000,
    correlation: Literal["lasso", "spearman"] = "lasso",
    penalty: float = 0.1,
    threshold: float = 0.01,
    progress: Callable[[int, int], None] | None = None,
) -> StudyUDR:
    """UDR of the models of a study, family by family, from their stored weights.

    A family shares everything but the seed. All its models encode the same images; each is compared with every other.

    Args:
        store: a sweep's output folder.
        images: drawn once a data set, the same for all models; a data set of no more is taken whole.
        correlation: as in `disbench.metrics.udr`, as are the next two.
        penalty: of the lasso.
        threshold: nats of KL from which a latent counts.
        progress: called with (models done, of how many).

    Returns:
        See `StudyUDR`.

    Raises:
        BadInput: no study there, no finished model, no family of two models with weights and images.

    Reference:
        Duan et al. 2020, "Unsupervised Model Selection for Variational Disentangled Representation Learning".
    """
    store = store if isinstance(store, Store) else Store.existing(store)
    store.study()  # refused if it makes no sense to this version
    if correlation not in ("lasso", "spearman"):
        raise BadInput(f"correlation must be lasso or spearman, got {correlation!r}")
    rows = store.rows()
    found, left_out = families(store, rows, least=2)
    if not found:
        raise nothing_to_run(store, rows, left_out)
    scored: list[pd.DataFrame] = []
    total, done = sum(len(family.rows) for family in found), 0
    for family in found:
        scored.append(_family_udr(store, family, images, correlation, penalty, threshold))
        done += len(family.rows)
        if progress is not None:
            progress(done, total)
    models = pd.concat(scored)
    columns = [*GROUP, "seed", "run_id", "udr", "informative", "family"]
    return StudyUDR(
        models[columns].reset_index(drop=True), _with_supervised(models), left_out, correlation, images
    )


def _family_udr(
    store: Store,
    family: Family,
    images: int,
    correlation: Literal["lasso", "spearman"],
    penalty: float,
    threshold: float,
) -> pd.DataFrame:
    """The family's rows with `udr`, `informative` and `family`."""
    encoded = family_posteriors(store, family, images)
    kl = [gaussian_kl(model.mean.double(), model.logvar.double()).mean(dim=0) for model in encoded]
    try:
        values = udr(
            [model.mean for model in encoded],
            kl,
            correlation=correlation,
            penalty=penalty,
            threshold=threshold,
        )
    except ValueError as error:
        raise BadInput(f"{family.title}: {error}") from error
    informative = [int((divergence > threshold).sum()) for divergence in kl]
    return family.rows.assign(udr=values, informative=informative, family=len(family.rows))


def _with_supervised(models: pd.DataFrame) -> pd.DataFrame:
    """Spearman's correlation of UDR with every supervised score, a data set and condition at a time."""
    parts = []
    for subject, members in parted(models, "data_set").items():
        names = known_of(SUPERVISED, members)
        if len(members) < LEAST or not names:
            continue
        signs = np.array([1.0, *(sign(name) for name in names)])
        table = members[["udr", *names]].to_numpy(dtype=np.float64) * signs
        related = rank_correlation(table)
        columns = {name: getattr(related, name)[0, 1:] for name in ("correlation", "low", "high", "p_value")}
        parts.append(
            pd.DataFrame({"subject": subject, "score": names, **columns, "models": related.rows[0, 1:]})
        )
    empty = pd.DataFrame(columns=["subject", "score", "correlation", "low", "high", "p_value", "models"])
    return pd.concat(parts, ignore_index=True) if parts else empty
