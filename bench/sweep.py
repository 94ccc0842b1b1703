"""Train and score everything that a study asks for and its output folder does not yet hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from .bad_input import BadInput, unknown
from .checkpoint import interrupted
from .cohort_plan import ON_CPU, program
from .devices import checked_device
from .executors import EXECUTORS, Detached, Executor, Request
from .lowering import LOWERINGS
from .progress import Progress
from .queue import queued
from .resources import resources_for
from .run import LIKELIHOOD, Plan, Run, likelihood_in
from .store import Store
from .study import Study
from .study_loading import load_study

Workers = int | Literal["all"] | None


def sweep(
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
    wait: bool = True,
    quiet: bool = True,
) -> pd.DataFrame:
    """Run a study and return its rows, one a run: configuration, provenance, status and every score.

    Args:
        study: a shipped study's name, a TOML file, or a `Study`.
        out: output folder, default `runs/<study>`; finished runs in it are kept.
        on: key of `EXECUTORS`.
        device: auto, cpu, cuda (every GPU) or cuda:N.
        overrides: dotted keys of the study file with values, e.g. `{"steps": 100, "seeds": 1}`.
        scale: smoke, reduced or full, where the study has sizes; `overrides` come on top.
        cluster: what a task gets, over the study's own `[cluster]`: fields of `Resources` that the place takes.
        cohort_size: models trained together; by default what suits the device: one on a CPU, on a GPU as many as
            fit and pay, found by trial, and fewer in the last cohorts where devices would idle. Too many for the memory
            are halved until they fit.
        lowering: key of `LOWERINGS`: how convolutions are carried out; by default what suits the device.
        workers: cohorts at a time; over `cluster`, and "all" is as many as the place has, its GPUs or its cores. By
            default all, but on this machine one, in this process: more have processes of their own, and a script that
            asks for them needs the usual `if __name__ == "__main__":`. Part of the hardware as far as the last bits are
            concerned.
        wait: False returns when the place has the work (`Detached` places only), with the rows that there are.
        quiet: no progress on standard error.

    Raises:
        BadInput: anything about the study, folder, executor, its resources or its device that cannot be used.
    """
    check_choices(on, device, cohort_size, lowering, workers, wait)
    checked = load_study(study, overrides, scale)
    folder = Path(out or checked.default_folder())
    with EXECUTORS[on](request_of(checked, folder, on, device, cluster or {}, workers, wait)) as place:
        store = Store.claimed(folder, checked)
        wanted = with_earlier_metrics(checked.runs(), store.rows())
        plan = planner(store, place, cohort_size, lowering, quiet=quiet)
        queue = queued(wanted, plan, len(place.devices()), cut=cohort_size is None)
        todo = queue.left(store.finished(*further_scores(checked)), interrupted(store.checkpoints))
        runs = [run for cohort in todo for run in cohort.runs]
        images = sum(run.steps * run.batch_size for run in runs)
        with Progress(len(runs), images, quiet=quiet) as progress:
            for end in place.finish(todo, queue.at_a_time, progress):
                progress.models_end(len(end.cohort.runs))
                store.tidy()
                if end.error and not quiet:
                    progress.line(f"failed: {end.cohort.shared.label}: {end.error}")
        return store.rows()


def check_choices(
    on: str, device: str, cohort_size: int | None, lowering: str | None, workers: Workers, wait: bool = True
) -> None:
    """`BadInput` for choices that make sense for no study."""
    if on not in EXECUTORS:
        raise unknown("executor", on, EXECUTORS)
    checked_device(device)
    if cohort_size is not None and cohort_size < 1:
        raise BadInput(f"cohort size must be at least 1, got {cohort_size}")
    if lowering is not None and lowering not in LOWERINGS:
        raise unknown("lowering", lowering, LOWERINGS)
    if isinstance(workers, int) and workers < 1:
        raise BadInput(f"workers must be at least 1, got {workers}")
    if not wait and not isinstance(EXECUTORS[on], Detached):
        raise BadInput(f"--no-wait: on {on} the work ends with the sweep, which has to wait for it")


def request_of(
    study: Study,
    folder: Path,
    on: str,
    device: str,
    cluster: Mapping[str, Any],
    workers: Workers,
    wait: bool = True,
) -> Request:
    """What is asked of a place."""
    resources = resources_for(on, EXECUTORS[on].takes, study.cluster, cluster)
    if workers is None:
        workers = resources.workers or (1 if on == "local" else "all")
    at_most = workers if isinstance(workers, int) else None
    resources = resources.model_copy(update={"workers": at_most})
    return Request(Store(folder), study.name, device, resources, wait)


def planner(
    store: Store, place: Executor, size: int | None = None, lowering: str | None = None, *, quiet: bool = True
) -> Callable[[list[Run]], Plan]:
    """How each family is to be trained: as asked for, as before, or as a trial on the place's devices says."""
    on_cpu = place.devices()[0].type == "cpu"

    def plan(members: list[Run]) -> Plan:
        run = members[0]
        key = program(run)
        known = ON_CPU if on_cpu else store.plan(key) or (ON_CPU if size is not None else None)
        if known is None:
            if not quiet:
                print(f"trying sizes of cohorts for {run.objective} on {run.data_set}", file=sys.stderr)
            known = place.plan(run, len(members))
            store.save_plan(key, known)
        return Plan(size or known.size, lowering or known.lowering)

    return plan


def further_scores(study: Study) -> tuple[list[str], dict[str, Any] | None]:
    """The metrics and the settings of the likelihood by which finished models are to be scored."""
    likelihood = study.evaluation.likelihood
    return study.evaluation.metrics, likelihood.model_dump() if likelihood else None


def with_earlier_metrics(runs: Sequence[Run], rows: pd.DataFrame) -> list[Run]:
    """The runs, each to be scored by what it was scored by before too: asking for other scores loses none.

    Of two settings of the likelihood those asked for now count.
    """
    done = rows[rows["status"] == "done"]
    earlier = {row.run_id: row for row in done[["run_id", "metrics", "configuration"]].itertuples()}

    def widened(run: Run) -> Run:
        known = earlier.get(run.run_id)
        if known is None:
            return run
        names = dict.fromkeys([*run.evaluation.metrics, *(() if known.metrics is None else known.metrics)])
        metrics = tuple(name for name in names if name != LIKELIHOOD)
        likelihood = run.evaluation.likelihood
        if likelihood is None and LIKELIHOOD in names:
            likelihood = likelihood_in(known.configuration)
        return replace(run, evaluation=replace(run.evaluation, metrics=metrics, likelihood=likelihood))

    return [widened(run) for run in runs]
