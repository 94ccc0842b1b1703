"""What a sweep would do, before it does any of it: models, cohorts, time, disk. Nothing is written or tried out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import torch

from .checkpoint import interrupted
from .cohort_plan import ON_CPU, once_a_program, program
from .executors import EXECUTORS
from .history import COLUMNS, points_of
from .placement import Cost, cost_of, makespan
from .queue import flops_an_image, queued
from .run import Cohort, Plan, Run
from .run_model import build_model
from .store import Store, refuse_other_study
from .study import Study
from .study_loading import load_study
from .sweep import Workers, check_choices, further_scores, request_of, with_earlier_metrics
from .training_state import helper_module

ASSUMED_SIZE = 64
"""Models of a cohort on a GPU on which none was tried yet."""

ASSUMED_RATE = {"cpu": 125e9, "cuda": 10e12}
"""FLOP a second of a worker where no model was finished yet: of the study net on a core of an AMD EPYC
(results/speed/cpu: 3,045 images of 82 MFLOP on two), and a guess for a GPU."""

WHENCE = {
    "cpu": "a core of an AMD EPYC in results/speed/cpu",
    "cuda": "a guess: no GPU was measured",
}

ROW_FILE_BYTES, ROW_BYTES = 45_000, 300
"""Of a cohort's file of rows, and of each row in it: eight models of `quick` in eight files and in one."""

HISTORY_FILE_BYTES = 2_000
"""Of a cohort's history beside its points, whose numbers have eight bytes."""


@dataclass(frozen=True)
class Forecast:
    """What a sweep would do."""

    study: str
    folder: str
    on: str
    models: int
    done: int
    """Of them: finished with all that is asked for, or diverged."""
    cohorts: int
    cohorts_left: int
    interrupted: int
    """Cohorts that would go on from a checkpoint; the time is as if they began."""
    models_a_cohort: int
    """The largest of them."""
    sizes_from: str
    devices: list[str]
    """Of the tasks that run at a time."""
    device_hours: float
    """Of what is left."""
    hours: float
    """From the first to the last cohort that is left, over all devices."""
    hours_from: str
    weights_bytes: int
    history_bytes: int
    rows_bytes: int
    checkpoint_bytes: int
    """At most at a time; the others are what is left adds and keeps."""


def forecast(
    study: str | Path | Study,
    *,
    out: str | Path | None = None,
    on: str = "local",
    device: str = "auto",
    overrides: Mapping[str, Any] | None = None,
    scale: str | None = None,
    cluster: Mapping[str, Any] | None = None,
    cohort_size: int | None = None,
    lowering: str | None = None,
    workers: Workers = None,
) -> Forecast:
    """What `sweep` with these arguments would do.

    Raises:
        BadInput: as `sweep`.
    """
    check_choices(on, device, cohort_size, lowering, workers)
    checked = load_study(study, overrides, scale)
    folder = Path(out or checked.default_folder())
    store = Store(folder)
    if store.study_file.exists():
        refuse_other_study(store, checked)
    rows = store.rows() if store.study_file.exists() else None
    with EXECUTORS[on](request_of(checked, folder, on, device, cluster or {}, workers)) as place:
        devices = place.devices()
    kind = devices[0].type
    wanted = checked.runs() if rows is None else with_earlier_metrics(checked.runs(), rows)
    plan, sizes_from = known_plans(store, kind, cohort_size)
    queue = queued(wanted, plan, len(devices), cut=cohort_size is None)
    finished = store.finished(*further_scores(checked)) if rows is not None else set()
    begun = interrupted(store.checkpoints)
    todo = queue.left(finished, begun)
    seconds, hours_from = seconds_a_run(rows, kind)
    each = [cost_of(cohort, seconds) for cohort in todo]
    disk = Disk.of(todo)
    running = sorted((checkpoint_bytes(cohort) for cohort in todo), reverse=True)[: queue.at_a_time]
    return Forecast(
        study=checked.name,
        folder=str(folder),
        on=on,
        models=len(wanted),
        done=len({run.run_id for run in wanted} & finished),
        cohorts=len(queue.cohorts),
        cohorts_left=len(todo),
        interrupted=sum([run.run_id for run in cohort.runs] in begun for cohort in todo),
        models_a_cohort=max(len(cohort.runs) for cohort in queue.cohorts),
        sizes_from=sizes_from(),
        devices=[str(device) for device in devices[: queue.at_a_time]],
        device_hours=sum(each) / 3600,
        hours=makespan(each, queue.at_a_time) / 3600,
        hours_from=hours_from(),
        weights_bytes=disk.weights,
        history_bytes=disk.history,
        rows_bytes=disk.rows,
        checkpoint_bytes=sum(running),
    )


def known_plans(
    store: Store, kind: str, size: int | None
) -> tuple[Callable[[list[Run]], Plan], Callable[[], str]]:
    """How each family would be trained, without a trial; and, once it was asked, where that is from."""
    origins: dict[str, None] = {}

    def plan(members: list[Run]) -> Plan:
        kept = None if kind == "cpu" else store.plan(program(members[0]))
        if size is not None:
            origins["as asked for"] = None
            return Plan(size)
        if kind == "cpu":
            origins["one model fills a core"] = None
            return ON_CPU
        if kept is not None:
            origins["as tried in this folder"] = None
            return kept
        origins[f"{ASSUMED_SIZE} assumed; a sweep tries sizes on the device"] = None
        return Plan(ASSUMED_SIZE)

    return plan, lambda: "; ".join(origins)


class Measured(NamedTuple):
    """What finished models of a program took, in seconds, as medians: one that was resumed says too little."""

    example: Run
    an_image: float
    scoring: float


def measured(rows: pd.DataFrame, kind: str) -> dict[str, Measured]:
    """What is known of each program from rows that are done on this kind of device."""
    on_cpu = rows["device"].str.startswith("CPU").fillna(False)
    done = rows[(rows["status"] == "done") & (on_cpu == (kind == "cpu"))]
    runs = [Run.from_configuration(json.loads(configuration)) for configuration in done["configuration"]]
    seen = pd.DataFrame(
        {
            "program": [program(run) for run in runs],
            "an_image": done["train_seconds"].to_numpy() / [run.steps * run.batch_size for run in runs],
            "scoring": done["evaluate_seconds"].to_numpy(),
        }
    )
    medians = seen.groupby("program").median()
    examples = {program(run): run for run in runs}
    return {
        str(row.Index): Measured(examples[str(row.Index)], row.an_image, row.scoring)
        for row in medians.itertuples()
    }


def seconds_a_run(rows: pd.DataFrame | None, kind: str) -> tuple[Cost, Callable[[], str]]:
    """Seconds of its device that a run takes, training and scoring; and, once it was asked, where that is from."""
    known = measured(rows, kind) if rows is not None else {}
    origins: dict[str, None] = {}

    def found(run: Run) -> Measured:
        own = known.get(program(run))
        if own:
            origins["measured: finished models in this folder"] = None
            return own
        flops = flops_an_image(run)
        if known:
            origins["where no such model is finished, from FLOP and the others that are"] = None
            rate = median(flops_an_image(other.example) / other.an_image for other in known.values())
            return Measured(run, flops / rate, median(other.scoring for other in known.values()))
        rate, whence = ASSUMED_RATE[kind], WHENCE[kind]
        origins[f"assumed: {rate / 1e12:g} TFLOP/s a worker ({whence}); scoring not counted"] = None
        return Measured(run, flops / rate, 0.0)

    measure = once_a_program(found)
    return (
        lambda run: measure(run).an_image * run.steps * run.batch_size + measure(run).scoring,
        lambda: "; ".join(origins),
    )


class Disk(NamedTuple):
    """Bytes that cohorts leave."""

    weights: int
    history: int
    rows: int

    @classmethod
    def of(cls, cohorts: Sequence[Cohort]) -> Disk:
        """Of these, if each is written by itself."""
        weights = sum(4 * numbers(cohort.shared)[0] * len(cohort.runs) for cohort in cohorts)
        history = sum(HISTORY_FILE_BYTES + history_bytes(cohort) for cohort in cohorts)
        rows = sum(ROW_FILE_BYTES + ROW_BYTES * len(cohort.runs) for cohort in cohorts)
        return cls(weights, history, rows)


@once_a_program
def numbers(run: Run) -> tuple[int, int]:
    """Parameters of a model, and of its helper network."""
    helper = helper_module(Cohort((run,)))
    return count(build_model(run)), count(helper) if helper else 0


def count(module: torch.nn.Module) -> int:
    """Parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def history_bytes(cohort: Cohort) -> int:
    """Of all points, uncompressed."""
    run = cohort.shared
    return 8 * len(points_of(run.steps)) * (len(COLUMNS) + 3 + run.latents) * len(cohort.runs)


def checkpoint_bytes(cohort: Cohort) -> int:
    """Of a training in work: weights and two moments, of helpers too, and the history so far."""
    return 3 * 4 * sum(numbers(cohort.shared)) * len(cohort.runs) + history_bytes(cohort)


def as_mapping(found: Forecast) -> dict[str, Any]:
    """For JSON."""
    return asdict(found)


def as_text(found: Forecast) -> str:
    """For people."""
    left = found.models - found.done
    begun = f", {found.interrupted} of them begun" if found.interrupted else ""
    places = ", ".join(f"{number} on {device}" for device, number in Counter(found.devices).items())
    kept = found.weights_bytes + found.history_bytes + found.rows_bytes
    lines = [
        f"study      {found.study}: {found.models} models in {found.cohorts} cohorts,"
        f" of {found.models_a_cohort} at most ({found.sizes_from})",
        f"folder     {found.folder}: {found.done} models done; {left} in {found.cohorts_left} cohorts left{begun}",
        f"devices    {found.on}, {len(found.devices)} at a time: {places}",
        f"time       {duration(found.device_hours)} of device time, {duration(found.hours)} from start to end",
        f"           ({found.hours_from or 'nothing is left to do'})",
        f"disk       {size(kept)}: weights {size(found.weights_bytes)}, history {size(found.history_bytes)},"
        f" rows {size(found.rows_bytes)}; checkpoints {size(found.checkpoint_bytes)} at most at a time",
    ]
    return "\n".join(lines)


def duration(hours: float) -> str:
    """Hours in the unit that suits them."""
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def size(amount: int) -> str:
    """Bytes in the unit that suits them."""
    value, units = float(amount), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g} {units[0]}"
