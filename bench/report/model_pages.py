"""A page for each model, inside the one page: what it is, what it scores, what each latent does, how it learnt."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from disbench.datasets import entry
from disbench.metrics import CollapseDiagnosis

from ..analysis.collapse import diagnosis_of
from ..analysis.posteriors import Family, families, family_posteriors, records
from ..bad_input import BadInput
from ..evaluation import SCORES
from ..figures.traversals import Sheet, sheet_of
from ..one_line import one_line
from ..store import Store
from ..tables import ARROWS, GROUP, variants_by_objective
from .curves import Curve, curves_of
from .model_table import words_of
from .pictures import fitted
from .provenance import told_versions

MODEL_PAGES = 60
"""Models that get a page where nothing else is asked for."""

FEWER_PAGES, MANY = 20, 1_000
"""So many of a study of more models than that: each encodes 2,500 images, and figures show the rest."""

PICTURE_BYTES = 120_000
"""A model's pictures take no more."""

DIAGNOSED_IMAGES = 2_000
"""As many as the figure of collapse looks at."""


@dataclass(frozen=True)
class Latent:
    """One latent: shares are for the bars behind the numbers, 0 .. 1."""

    number: int
    kl: float
    kl_share: float
    variance: float | None
    """Of its posterior mean."""
    kind: str
    """active, mixed, passive; empty where there was no model to ask."""
    unused: float | None
    """Share of images in which the posterior is the prior."""
    knows: list[tuple[str, float]]
    """Nats that it tells of each factor, as text, and as a share of what there is to tell."""


@dataclass(frozen=True)
class ModelPage:
    """All that a page shows."""

    run_id: str
    words: str
    seed: int
    status: str
    error: str
    scores: list[tuple[str, str, str, str]]
    """Column, value, arrow or unit, meaning."""
    latents: list[Latent]
    factors: list[str]
    diagnosis: list[tuple[str, str]]
    sheet: str
    """The address of a picture: images, reconstructions, traversals."""
    labels: list[str]
    """Of its rows."""
    why_no_sheet: str
    curves: list[Curve]
    facts: list[tuple[str, str]]


def model_pages(store: Store, rows: pd.DataFrame, most: int | None) -> list[ModelPage]:
    """Pages of at most `most` models, in the study's order: first seeds of all settings before second ones."""
    rows = rows.assign(variant=variants_by_objective(rows))
    chosen = rows.loc[sorted(by_seed(rows)[:most], key=rows.index.get_loc)]
    looks = looked_into(store, chosen[chosen["status"] == "done"])
    points = dict(iter(store.history(set(chosen["run_id"])).groupby("run_id")))
    files = store.files_of(chosen["run_id"])
    return [
        page_of(row, looks, points.get(row["run_id"]), files.get(row["run_id"], ""))
        for row in records(chosen)
    ]


def default_pages(store: Store) -> int:
    """How many models get a page where nothing else is asked for."""
    return FEWER_PAGES if len(store.register().run_ids) > MANY else MODEL_PAGES


def by_seed(rows: pd.DataFrame) -> list[Any]:
    """Labels of rows: the first model of every setting, then the second, in the order of seeds."""
    ordered = rows.sort_values("seed", kind="stable")
    place = ordered.groupby(GROUP, sort=False, dropna=False).cumcount()
    return list(place.sort_values(kind="stable").index)


@dataclass(frozen=True)
class Look:
    """What only the model itself can tell."""

    diagnosis: CollapseDiagnosis
    sheet: Sheet


def looked_into(store: Store, rows: pd.DataFrame) -> dict[str, Look | str]:
    """By run id: the diagnosis of collapse and the pictures, or why there are none."""
    found, left_out = families(store, rows)
    looks: dict[str, Look | str] = {}
    why = "; ".join(left_out.values())
    for family in found:
        try:
            looks |= looks_of(store, family)
        except (BadInput, ValueError) as error:
            looks |= dict.fromkeys(map(str, family.rows["run_id"]), one_line(error))
    return {
        str(run_id): looks.get(str(run_id), why or "its weights are not in the folder")
        for run_id in rows["run_id"]
    }


def looks_of(store: Store, family: Family) -> dict[str, Look]:
    """Every model of a family, over the same images."""
    encoded = family_posteriors(store, family, DIAGNOSED_IMAGES)
    return {
        str(row["run_id"]): Look(diagnosis_of(model), sheet_of(*store.model(row), family.data))
        for row, model in zip(records(family.rows), encoded, strict=True)
    }


def page_of(
    row: Mapping[str, Any], looks: Mapping[str, Look | str], points: pd.DataFrame | None, file: str
) -> ModelPage:
    """One model's page."""
    run_id = str(row["run_id"])
    found = looks.get(run_id, "")
    look = found if isinstance(found, Look) else None
    factors, latents = latents_of(row, look.diagnosis if look else None)
    return ModelPage(
        run_id=run_id,
        words=words_of(dict(row)),
        seed=int(row["seed"]),
        status=str(row["status"]),
        error=one_line(row["error"]) if isinstance(row["error"], str) else "",
        scores=[
            (name, f"{float(row[name]):.6g}", ARROWS[score.direction].strip() or score.unit, score.meaning)
            for name, score in SCORES.items()
            if score.kind == "number" and not pd.isna(row[name])
        ],
        latents=latents,
        factors=factors,
        diagnosis=diagnosis_lines(look.diagnosis) if look else [],
        sheet=address(look.sheet) if look else "",
        labels=look.sheet.labels if look else [],
        why_no_sheet=found if isinstance(found, str) else "",
        curves=curves_of(points) if points is not None else [],
        facts=facts_of(row, file),
    )


def address(sheet: Sheet) -> str:
    """A mosaic as a data address."""
    stream = io.BytesIO()
    grey = bool((sheet.picture == sheet.picture[..., :1]).all())
    Image.fromarray(sheet.picture[..., 0] if grey else sheet.picture).save(stream, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(fitted(stream.getvalue(), PICTURE_BYTES)).decode()


def latents_of(row: Mapping[str, Any], diagnosis: CollapseDiagnosis | None) -> tuple[list[str], list[Latent]]:
    """The factors that latents are compared with, and a line for each latent, in their own order."""
    kl = vector(row["kl_per_dimension_nats"])
    if kl is None and diagnosis is not None:
        kl = diagnosis.kl_per_dimension_nats
    if kl is None:
        return [], []
    names, largest = factors_scored(row)
    known = matrix(row["mutual_information"], len(kl), len(names))
    most = max(float(kl.max()), 1e-9)
    latents = []
    for number_of, nats in enumerate(kl):
        told = [] if known is None else list(zip(known[number_of], largest, strict=True))
        latents.append(
            Latent(
                number=number_of + 1,
                kl=float(nats),
                kl_share=float(nats) / most,
                variance=float(diagnosis.mean_variance[number_of]) if diagnosis else None,
                kind=diagnosis.kinds[number_of] if diagnosis else "",
                unused=float(diagnosis.collapsed_inputs[number_of]) if diagnosis else None,
                knows=[
                    (f"{nats_told:.2f}", min(nats_told / most_told, 1.0)) for nats_told, most_told in told
                ],
            )
        )
    return (names if known is not None else []), latents


def factors_scored(row: Mapping[str, Any]) -> tuple[list[str], list[float]]:
    """Names of the factors that a model is scored on, all but the one it is told, and the nats of each."""
    try:
        data_set = entry(str(row["data_set"]))
    except (OSError, ValueError):
        return [], []
    kept = [k for k, name in enumerate(data_set.factor_names) if name != row["condition"]]
    return (
        [data_set.factor_names[k] for k in kept],
        [max(math.log(data_set.factor_sizes[k]), 1e-9) for k in kept],
    )


def vector(value: Any) -> NDArray[np.float64] | None:
    """A list of finite numbers, or nothing."""
    if value is None or np.ndim(value) != 1:
        return None
    found = np.asarray(value, dtype=np.float64)
    return found if len(found) and np.isfinite(found).all() else None


def matrix(value: Any, height: int, width: int) -> NDArray[np.float64] | None:
    """A table of finite numbers of this shape, or nothing: of a data set that has changed since, say."""
    if value is None or np.ndim(value) == 0 or not width:
        return None
    found = [vector(line) for line in value]
    if len(found) != height or any(line is None or len(line) != width for line in found):
        return None
    return np.stack([line for line in found if line is not None])


def diagnosis_lines(diagnosis: CollapseDiagnosis) -> list[tuple[str, str]]:
    """The diagnosis of collapse in words and numbers."""
    kinds = ", ".join(f"{diagnosis.kinds.count(kind)} {kind}" for kind in ("active", "mixed", "passive"))
    lines = [
        ("Latents", f"{kinds}, at {diagnosis.epsilon:g} nats and {diagnosis.delta:.0%} of the images"),
        ("Active units", f"{diagnosis.active_units} whose mean varies by more than 0.01"),
        (
            "I(x; z) of each latent",
            ", ".join(f"{nats:.2f}" for nats in diagnosis.mutual_information_per_dimension_nats),
        ),
        (
            "Total correlation",
            f"{diagnosis.total_correlation_of_means_nats:.3f} nats of means,"
            f" {diagnosis.total_correlation_of_samples_nats:.3f} of samples (Gaussian)",
        ),
    ]
    if diagnosis.active_units_given_condition is not None:
        lines.insert(
            2, ("Within classes", f"{diagnosis.active_units_given_condition} stay active given the condition")
        )
    return lines


def facts_of(row: Mapping[str, Any], file: str) -> list[tuple[str, str]]:
    """Where the row is and where it comes from."""
    versions = ", ".join(f"{name} {found}" for name, found in told_versions(row["versions"] or "").items())
    seconds = {"Trained": row["train_seconds"], "Scored": row["evaluate_seconds"]}
    told = {
        "Run": row["run_id"],
        "Row in": file,
        "Cohort": row["cohort_id"],
        "Finished": row["finished_at"],
        **{name: f"{value:.1f} s" for name, value in seconds.items() if not pd.isna(value)},
        "Device": row["device"],
        "Commit": row["commit"],
        "Data": row["data_source"],
        "Versions": versions,
        "Configuration": row["configuration"],
    }
    return [(name, one_line(value)) for name, value in told.items() if isinstance(value, str) and value]
