"""Scores of models as numbers, and which side of each is the better one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from disbench.metrics import METRICS

from ..bad_input import BadInput
from ..evaluation import SCORES
from ..tables import scores_named
from .rank_correlation import LEAST, Floats

NOBODY = "no model has it"
"""Why a score is left out that was asked for and that a group has not."""

SUPERVISED = tuple(
    score.column
    for metric in METRICS.values()
    for score in metric.scores
    if "factors" in metric.inputs and score.kind == "number" and score.direction is not None
)
"""Scores that know the factors and have a better side: what is wanted where there are no factors."""

UNSUPERVISED = tuple(
    name
    for name, score in SCORES.items()
    if score.kind == "number"
    and name
    not in {
        known.column
        for metric in METRICS.values()
        for known in metric.scores
        if {"factors", "condition"} & set(metric.inputs)
    }
)
"""Scores that know neither factors nor condition."""

STUDY = ("beta_vae_score", "factor_vae_score", "mig", "dci_disentanglement", "modularity", "sap")
"""The six scores of disentanglement in Locatello et al. (2019)."""


def score_values(models: pd.DataFrame, named: Sequence[str] | None = None) -> pd.DataFrame:
    """The scores [models, scores] as numbers, NaN where missing; those that no model has only if they are named."""
    scalar = [name for name, score in SCORES.items() if score.kind == "number"]
    table = models.reindex(columns=list(dict.fromkeys(named)) if named is not None else scalar).astype(float)
    table = table.where(np.isfinite(table))
    return table if named is not None else table.loc[:, table.notna().any()]


def oriented(values: pd.DataFrame) -> pd.DataFrame:
    """The same with scores turned round of which lower is better; those without a better side as they are."""
    return values * [sign(name) for name in values]


def sign(name: str) -> float:
    """-1 for a score of which lower is better, else 1."""
    return -1.0 if SCORES[name].direction == "lower" else 1.0


def with_a_better_side(names: Sequence[str]) -> list[str]:
    """Names of scores, checked.

    Raises:
        BadInput: a name is unknown, or of a score that is better neither high nor low.
    """
    checked = scores_named(names)
    for name in checked:
        if SCORES[name].direction is None:
            raise BadInput(
                f"score {name} has no better side, so no model is best by it; take one marked ↑ or ↓ in"
                " `disbench metrics`"
            )
    return checked


def judging(scores: Sequence[str] | None, models: pd.DataFrame) -> list[str]:
    """Scores to judge models by: the named ones, else those of `STUDY` that any has, else of `SUPERVISED`.

    Raises:
        BadInput: as `with_a_better_side`.
    """
    if scores is not None:
        return with_a_better_side(scores)
    return known_of(STUDY, models) or known_of(SUPERVISED, models)


def known_of(names: Iterable[str], models: pd.DataFrame) -> list[str]:
    """Those of the names that any of these models has."""
    return [name for name in names if name in models and models[name].notna().any()]


def why_left_out(values: Floats) -> str | None:
    """Why a score orders no models, if it does not."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return NOBODY
    if len(known) < LEAST:
        return f"only {len(known)} {'model has' if len(known) == 1 else 'models have'} it"
    return f"the same for all {len(known)} models" if (known == known[0]).all() else None
