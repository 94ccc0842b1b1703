"""The work on one cohort: train, keep the weights, score, keep the rows. What every executor runs somewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch

from disbench.datasets import DataSet

from .cohort import is_finite, one_model, train, with_parameters
from .evaluation import encode, scores
from .provenance import commit, device_name, now, versions
from .run import Cohort, Run
from .store import Store


def work(
    cohort: Cohort, data: DataSet, store: Store, study_name: str, on_images: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Finish a cohort and return its rows. Weights from an earlier, interrupted try are used, not trained again."""
    started = time.perf_counter()
    parameters = store.parameters(cohort)
    if parameters is None:
        parameters = train(cohort, data, on_images=on_images)
        store.save_weights(cohort, parameters)
    else:
        parameters = {name: value.to(data.device) for name, value in parameters.items()}
        on_images(sum(run.steps * run.batch_size for run in cohort.runs))
    train_seconds = (time.perf_counter() - started) / len(cohort.runs)

    rows = []
    for position, run in enumerate(cohort.runs):
        started = time.perf_counter()
        weights = one_model(parameters, position)
        outcome: dict[str, Any] = {"status": "diverged"}
        if is_finite(weights):
            outcome = {
                "status": "done",
                **scores(run, encode(run, with_parameters(run, weights), data), len(data)),
            }
        rows.append(
            row(cohort, run, study_name, data.device)
            | {"data_source": data.source, "train_seconds": train_seconds}
            | {"evaluate_seconds": time.perf_counter() - started}
            | outcome
        )
    store.save_rows(cohort, rows)
    return rows


def failed_rows(
    cohort: Cohort, error: Exception, study_name: str, device: torch.device
) -> list[Mapping[str, Any]]:
    """Rows of a cohort whose work raised: no scores, and the error."""
    what = f"{type(error).__name__}: {error}"
    return [row(cohort, run, study_name, device) | {"status": "failed", "error": what} for run in cohort.runs]


def row(cohort: Cohort, run: Run, study_name: str, device: torch.device) -> dict[str, Any]:
    """What is known of a run whatever became of it: identity, configuration, provenance."""
    configuration = asdict(run)
    return {
        "study": study_name,
        "run_id": run.run_id,
        "cohort_id": cohort.cohort_id,
        "data_set": run.data_set,
        "architecture": run.architecture,
        "objective": run.objective,
        "condition": run.condition,
        "strength": run.strength,
        "seed": run.seed,
        "configuration": json.dumps(configuration, sort_keys=True),
        "metrics": list(run.evaluation.metrics),
        "device": device_name(device),
        "commit": commit(),
        "versions": json.dumps(versions()),
        "finished_at": now(),
    }
