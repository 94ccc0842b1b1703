"""The work on one cohort: train, keep the weights, score, keep the rows. What every executor runs somewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from disbench.datasets import DataSet

from .bad_input import BadInput
from .cohort import train
from .evaluation import encode, scores, task_scores
from .likelihood import likelihood_scores
from .lost_device import LostDevice, is_lost_device
from .out_of_memory import is_out_of_memory
from .provenance import commit, device_name, now, versions
from .run import Cohort, Run
from .run_model import Parameters, is_finite, one_model, with_parameters
from .store import Store
from .training_part import is_held_out, training_part

SAVED_EVERY_SECONDS = 60.0
"""Of scoring: a cohort's models are scored one after the other, and a kill should cost no hour of it."""


@dataclass(frozen=True)
class CohortEnd:
    """How a cohort ended; its rows are in the store by then."""

    cohort: Cohort
    statuses: Mapping[str, str]
    """Run id to done, diverged or failed."""
    error: str | None = None


def finish(
    cohort: Cohort, data: DataSet, store: Store, study_name: str, on_images: Callable[[int], None]
) -> CohortEnd:
    """Do the work and say how it ended; an exception ends as failed rows, too little memory as smaller cohorts.

    Raises:
        BadInput: a full disk, a damaged file: what is the user's to mend, and would meet the next cohort too.
        LostDevice: this process can use the device no more, and would fail the next cohort too; nothing is kept of it.
    """
    lost: BaseException
    counted = 0

    def count(images: int) -> None:
        nonlocal counted
        counted += images
        on_images(images)

    try:
        return ended(cohort, work(cohort, data, store, study_name, count))
    except (BadInput, LostDevice):
        raise
    except Exception as error:
        # Without the traceback, whose frames keep the memory that it says is missing.
        lost = error.with_traceback(None)
    if is_lost_device(lost):
        raise LostDevice(in_short(lost)) from lost
    if is_out_of_memory(lost) and len(cohort.runs) > 1:
        on_images(-counted)
        return in_halves(cohort, data, store, study_name, on_images)
    return fail(cohort, in_short(lost), store, study_name, data.device)


def in_short(error: BaseException) -> str:
    """What a row says of an error: its kind and its first line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def in_halves(
    cohort: Cohort, data: DataSet, store: Store, study_name: str, on_images: Callable[[int], None]
) -> CohortEnd:
    """Finish a cohort that was too large for the memory as two of half its size."""
    if data.device.type == "cuda":
        torch.cuda.empty_cache()
    store.checkpoint(cohort).remove()
    middle = len(cohort.runs) // 2
    halves = (cohort.runs[:middle], cohort.runs[middle:])
    ends = [finish(replace(cohort, runs=runs), data, store, study_name, on_images) for runs in halves]
    statuses = {**ends[0].statuses, **ends[1].statuses}
    return CohortEnd(cohort, statuses, ends[0].error or ends[1].error)


def ended(cohort: Cohort, rows: Sequence[Mapping[str, Any]]) -> CohortEnd:
    """How a cohort with these rows ended."""
    errors = [row.get("error") for row in rows if row["status"] == "failed"]
    return CohortEnd(cohort, {row["run_id"]: row["status"] for row in rows}, errors[0] if errors else None)


def fail(cohort: Cohort, error: str, store: Store, study_name: str, device: torch.device) -> CohortEnd:
    """Keep rows without scores, and the error, for a cohort whose work came to nothing."""
    store.save_rows(
        cohort,
        [row(cohort, run, study_name, device) | {"status": "failed", "error": error} for run in cohort.runs],
    )
    return CohortEnd(cohort, {run.run_id: "failed" for run in cohort.runs}, error)


def work(
    cohort: Cohort, data: DataSet, store: Store, study_name: str, on_images: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Finish a cohort; how each run ended. What an interrupted try has trained and scored is not done again."""
    started = time.perf_counter()
    parameters = store.parameters(cohort)
    tried_before = parameters is not None
    if parameters is None:
        checkpoint = store.checkpoint(cohort)
        parameters, history = train(
            cohort,
            training_part(cohort.shared, data),
            lowering=cohort.lowering,
            on_images=on_images,
            checkpoint=checkpoint,
        )
        store.save_history(cohort, history.rows())
        store.save_weights(cohort, parameters)
        checkpoint.remove()
    else:
        parameters = {name: value.to(data.device) for name, value in parameters.items()}
        on_images(sum(run.steps * run.batch_size for run in cohort.runs))
    train_seconds = (time.perf_counter() - started) / len(cohort.runs)

    ends = scored_before(cohort, store) if tried_before else []
    known = {end["run_id"] for end in ends}
    waiting: list[dict[str, Any]] = []
    saved_at = time.monotonic()
    for position, run in enumerate(cohort.runs):
        if run.run_id in known:
            continue
        if waiting and time.monotonic() - saved_at >= SAVED_EVERY_SECONDS:
            store.save_rows(cohort, waiting)
            waiting, saved_at = [], time.monotonic()
        started = time.perf_counter()
        weights = one_model(parameters, position)
        outcome = outcome_of(run, weights, data)
        waiting.append(
            row(cohort, run, study_name, data.device)
            | {"data_source": data.source, "train_seconds": train_seconds}
            | {"evaluate_seconds": time.perf_counter() - started}
            | outcome
        )
        ends.append(waiting[-1])
    if waiting:
        store.save_rows(cohort, waiting)
    return ends


def scored_before(cohort: Cohort, store: Store) -> list[dict[str, Any]]:
    """Id and status of the runs that an interrupted try has scored by all that is asked for."""
    plan = cohort.shared.evaluation
    finished = store.finished(plan.metrics, plan.likelihood) & {run.run_id for run in cohort.runs}
    rows = store.rows(["run_id", "status"]).to_dict("records") if finished else []
    return [
        {str(name): value for name, value in found.items()} for found in rows if found["run_id"] in finished
    ]


def outcome_of(run: Run, weights: Parameters, data: DataSet) -> dict[str, Any]:
    """Status and scores of one trained model; what goes wrong with it is its own row's, not its neighbours'."""
    if not is_finite(weights):
        return {"status": "diverged"}
    try:
        model = with_parameters(run, weights)
        encoded = encode(run, model, data)
        if not encoded.is_finite():
            return {"status": "diverged"}
        trained_on = len(training_part(run, data))
        found = scores(run, encoded, trained_on, is_held_out(run, encoded.indices, encoded.factors, data))
        found |= task_scores(run, model, data, encoded)
        return {"status": "done", **found, **likelihood_scores(run, model, data)}
    except BadInput:
        raise
    except Exception as error:
        if is_lost_device(error):
            raise  # nor would its neighbours be scored
        return {"status": "failed", "error": in_short(error)}


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
        "metrics": list(run.evaluation.scored_by),
        "device": device_name(device),
        "commit": commit(),
        "versions": json.dumps(versions()),
        "finished_at": now(),
    }
