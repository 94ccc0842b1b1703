"""Train and score everything that a study asks for and its output folder does not yet hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from disbench.datasets import load

from .bad_input import BadInput, unknown
from .cohort_plan import ON_CPU, plan_for, program
from .executors import EXECUTORS
from .executors.local import cores
from .lowering import LOWERINGS
from .progress import Progress
from .run import Plan, Run, cohorts, without
from .store import Store
from .study import Study, load_study

DEVICES = ("auto", "cpu", "cuda")


def sweep(
    study: str | Path | Study,
    *,
    out: str | Path | None = None,
    on: str = "local",
    device: str = "auto",
    overrides: Mapping[str, Any] | None = None,
    cohort_size: int | None = None,
    lowering: str | None = None,
    workers: int = 1,
    quiet: bool = True,
) -> pd.DataFrame:
    """Run a study and return its rows, one a run: configuration, provenance, status and every score.

    Args:
        study: a shipped study's name, a TOML file, or a `Study`.
        out: output folder, default `runs/<study>`; finished runs in it are kept.
        on: key of `EXECUTORS`.
        device: auto, cpu, cuda or cuda:N.
        overrides: dotted keys of the study file with values, e.g. `{"steps": 100, "seeds": 1}`.
        cohort_size: models trained together; by default what suits the device: one on a CPU, on a GPU as many as
            fit and pay, found by trial. Too many for the memory are halved until they fit.
        lowering: key of `LOWERINGS`: how convolutions are carried out; by default what suits the device.
        workers: cohorts at a time, each in a process of its own if more than one. (A script that asks for more needs
            the usual `if __name__ == "__main__":`.) Part of the hardware as far as the last bits are concerned.
        quiet: no progress on standard error.

    Raises:
        BadInput: anything about the study, folder, executor or device that cannot be used.
    """
    if on not in EXECUTORS:
        raise unknown("executor", on, EXECUTORS)
    if cohort_size is not None and cohort_size < 1:
        raise BadInput(f"cohort size must be at least 1, got {cohort_size}")
    if lowering is not None and lowering not in LOWERINGS:
        raise unknown("lowering", lowering, LOWERINGS)
    if workers < 1:
        raise BadInput(f"workers must be at least 1, got {workers}")
    place = chosen_device(device)
    checked = load_study(study, overrides)
    store = Store.claimed(out or Path("runs") / checked.name, checked)
    wanted = with_earlier_metrics(checked.runs(), store.rows())
    groups = cohorts(wanted, planner(store, place, cohort_size, lowering, quiet=quiet))
    todo = without(groups, store.finished(checked.evaluation.metrics))
    runs = [run for cohort in todo for run in cohort.runs]
    images = sum(run.steps * run.batch_size for run in runs)
    # Counted over the whole study: a resumed sweep must give each process the threads that the first one gave.
    at_a_time = min(workers, len(groups))
    with Progress(len(runs), images, quiet=quiet) as progress:
        for end in EXECUTORS[on](todo, store, checked.name, place, at_a_time, progress):
            progress.models_end(len(end.cohort.runs))
            if end.error and not quiet:
                progress.line(f"failed: {end.cohort.shared.label}: {end.error}")
    return store.rows()


def planner(
    store: Store,
    device: torch.device,
    size: int | None = None,
    lowering: str | None = None,
    *,
    quiet: bool = True,
) -> Callable[[list[Run]], Plan]:
    """How each family is to be trained: as asked for, as before, or as a trial on the device says."""

    def plan(members: list[Run]) -> Plan:
        run = members[0]
        key = program(run)
        known = ON_CPU if device.type == "cpu" else store.plan(key) or (ON_CPU if size is not None else None)
        if known is None:
            if not quiet:
                print(f"trying sizes of cohorts for {run.objective} on {run.data_set}", file=sys.stderr)
            known = plan_for(run, load(run.data_set).to(device), len(members))
            store.save_plan(key, known)
        return Plan(size or known.size, lowering or known.lowering)

    return plan


def with_earlier_metrics(runs: Sequence[Run], rows: pd.DataFrame) -> list[Run]:
    """The runs, each to be scored by what it was scored by before too: asking for other scores loses none."""
    done = rows[rows["status"] == "done"]
    earlier = dict(zip(done["run_id"], done["metrics"], strict=True))

    def widened(run: Run) -> Run:
        names = dict.fromkeys([*run.evaluation.metrics, *earlier.get(run.run_id, ())])
        return replace(run, evaluation=replace(run.evaluation, metrics=tuple(names)))

    return [widened(run) for run in runs]


def default_workers(device: torch.device) -> int:
    """Processes that use a device best: one for each core of a CPU, one for a GPU."""
    return cores() if device.type == "cpu" else 1


def chosen_device(device: str) -> torch.device:
    """The torch device that a name means here, or `BadInput`."""
    kind, _, number = device.partition(":")
    if kind not in DEVICES or (number and not (kind == "cuda" and number.isascii() and number.isdecimal())):
        raise unknown("device", device, DEVICES)
    if kind == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise BadInput(
            f"device {device} is not there: this machine has {torch.cuda.device_count()} CUDA devices"
        )
    return torch.device(device)
