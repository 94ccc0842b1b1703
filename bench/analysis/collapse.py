"""The diagnosis of posterior collapse of every model of a study, from its stored weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from disbench.metrics import CollapseDiagnosis, diagnose_collapse

from ..bad_input import BadInput
from ..store import Store
from ..tables import GROUP
from .posteriors import Posteriors, families, family_posteriors, nothing_to_run, records

AT_NATS = (0.1, 1.0)
"""Further epsilons at which the table says how many latents are collapsed."""


@dataclass(frozen=True)
class StudyCollapse:
    """What is collapsed in each model of a study."""

    models: pd.DataFrame
    """A row a model: data set, condition, objective, variant, strength, seed, run_id, and the numbers of `summary`."""
    diagnoses: Mapping[str, CollapseDiagnosis]
    """By run id, in the order of `models`."""
    left_out: Mapping[str, str]
    """Families without models to look into, or not all of them, and why."""
    images: int
    """On how many images, where the data set has as many."""


def study_collapse(
    store: Store | str | Path,
    *,
    images: int = 2_000,
    epsilon: float = 0.01,
    delta: float = 0.01,
    progress: Callable[[int, int], None] | None = None,
) -> StudyCollapse:
    """`disbench.metrics.diagnose_collapse` of every finished model, over the same images of its data set.

    Args:
        store: a sweep's output folder.
        images: drawn once a data set, the same for all models; a data set of no more is taken whole.
        epsilon: nats below which an input does not use a latent.
        delta: share of inputs that may, of a collapsed latent.
        progress: called with (models done, of how many).

    Returns:
        See `StudyCollapse`.

    Raises:
        BadInput: no study there, no finished model with weights and images, epsilon or delta out of range.
    """
    store = store if isinstance(store, Store) else Store.existing(store)
    store.study()  # refused if it makes no sense to this version
    rows = store.rows()
    found, left_out = families(store, rows)
    if not found:
        raise nothing_to_run(store, rows, left_out)
    lines: list[dict[str, Any]] = []
    diagnoses: dict[str, CollapseDiagnosis] = {}
    total = sum(len(family.rows) for family in found)
    for family in found:
        encoded = family_posteriors(store, family, images)
        for row, model in zip(records(family.rows), encoded, strict=True):
            try:
                diagnosis = diagnosis_of(model, epsilon=epsilon, delta=delta)
            except ValueError as error:
                raise BadInput(f"{family.title}, seed {row['seed']}: {error}") from error
            diagnoses[str(row["run_id"])] = diagnosis
            lines.append({name: row[name] for name in (*GROUP, "seed", "run_id")} | summary(diagnosis))
            if progress is not None:
                progress(len(lines), total)
    return StudyCollapse(pd.DataFrame(lines), diagnoses, left_out, images)


def diagnosis_of(model: Posteriors, *, epsilon: float = 0.01, delta: float = 0.01) -> CollapseDiagnosis:
    """The diagnosis of one model's posteriors; given its condition if it has one."""
    return diagnose_collapse(
        model.mean, model.logvar, condition=model.condition, epsilon=epsilon, delta=delta
    )


def summary(diagnosis: CollapseDiagnosis) -> dict[str, float]:
    """A diagnosis in single numbers: counts of latents, and nats.

    `active_latents`, `mixed_latents` and `passive_latents` are kinds; `active_units` counts means that vary (Burda et
    al. 2016), and those that do so within classes of the condition; `collapsed_at_<epsilon>` counts latents that are
    collapsed at a larger epsilon. KL(q(z) || p(z)) is not here: from so few images it reads high by what ln N cuts off
    I(x; z).
    """
    kinds = {f"{kind}_latents": diagnosis.kinds.count(kind) for kind in ("active", "mixed", "passive")}
    within = diagnosis.active_units_given_condition
    return {
        "active_units": diagnosis.active_units,
        "active_units_given_condition": np.nan if within is None else within,
        **kinds,
        **{f"collapsed_at_{bound:g}": collapsed_at(diagnosis, bound) for bound in AT_NATS},
        "kl_nats": float(diagnosis.kl_per_dimension_nats.sum()),
        "total_correlation_of_means_nats": diagnosis.total_correlation_of_means_nats,
        "total_correlation_of_samples_nats": diagnosis.total_correlation_of_samples_nats,
    }


def collapsed_at(diagnosis: CollapseDiagnosis, epsilon: float) -> int:
    """How many latents are (epsilon, delta)-collapsed, from the curve: at its largest epsilon that is no larger."""
    place = int(np.searchsorted(diagnosis.epsilons, epsilon * (1 + 1e-9), side="right")) - 1
    return round(float(diagnosis.collapse_curve[max(place, 0)]) * len(diagnosis.kinds))


def as_record(diagnosis: CollapseDiagnosis) -> dict[str, Any]:
    """Every field of a diagnosis as plain numbers and lists, for JSON."""
    return {
        name: value.tolist()
        if isinstance(value, np.ndarray)
        else None  # JSON knows no infinity, which copied codes have as their total correlation
        if isinstance(value, float) and math.isinf(value)
        else value
        for name, value in asdict(diagnosis).items()
    }
