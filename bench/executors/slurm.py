"""On a Slurm cluster: cohorts as elements of job arrays, which go on whether or not a sweep waits for them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

import torch

from ..bad_input import BadInput
from ..devices import checked_device
from ..progress import Progress
from ..run import Cohort, Plan, Run
from ..store import Store
from ..work import CohortEnd, fail
from . import slurm_commands
from .contract import RETRIES, Job, Request
from .engine import imported
from .local import open_data_set
from .slurm_commands import NO_FAULT, Element, Unanswered, accounted, largest_array, needed
from .slurm_records import Ledger, Report, Submission, Task
from .slurm_script import hand_over

WORKERS = 16
"""Tasks at a time for which the queue is cut where nobody says how many the cluster gives. It limits nothing."""

POLL_SECONDS = (1.0, 15.0)
"""Between two questions to Slurm: soon after something happened, and in the long run."""

SILENCE_SECONDS = 60.0
"""For which Slurm may give no answer before a sweep has begun; one that waits goes on waiting."""

RECORDED = 20_000
"""Models in the record of an array, at most: every one of its tasks reads all of it."""

ABSENCES = 2
"""Answers in a row without a job after which it has ended: the file system may be slower to say how."""


class Key(NamedTuple):
    """A task that was handed over."""

    submission_id: str
    number: int


@dataclass
class Watched:
    """A task that waits or runs for this sweep."""

    submission: Submission
    number: int
    cohort: Cohort
    """What this sweep wants of it; the task may do more."""
    images: int = 0
    """That its reports have said so far."""
    job: str = ""
    state: str | None = None
    """The last that Slurm said."""
    reason: str = ""
    """Why it waits, in Slurm's words."""
    seen_running: bool = False
    absences: int = 0

    @property
    def task(self) -> Task:
        """What was handed over."""
        return self.submission.tasks[self.number]


@dataclass
class Found:
    """What earlier sweeps have left."""

    busy: dict[str, Key] = field(default_factory=dict)
    """The task that each run waits for or is trained by."""
    tries: dict[str, int] = field(default_factory=dict)
    """Deaths of the tasks that each run was in."""
    why: dict[str, str] = field(default_factory=dict)
    """What is known of the last of them."""
    submissions: dict[str, Submission] = field(default_factory=dict)


class Slurm:
    """A Slurm cluster, as seen from a machine on which `sbatch` works.

    Each cohort is an element of a job array. Jobs find their work in `OUT/slurm` (see `slurm_records`), which every
    node must see under the same path; what they leave is in the store, as everywhere.
    """

    takes: ClassVar[tuple[str, ...]] = (
        "workers", "cpus", "gpus", "memory_gb", "partition", "account", "qos", "time", "constraint", "sbatch",
    )  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.request = request
        self.resources = request.resources
        self.device = device_of(request)
        needed("sbatch", "squeue", "scancel")
        imported("submitit", extra="slurm")
        self.ledger = Ledger(request.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing ends here: jobs go on by themselves."""

    def devices(self) -> list[torch.device]:
        """As many as `workers`, or `WORKERS`: a batch queue does not say how many it will give."""
        return [self.device] * (self.resources.workers or WORKERS)

    def plan(self, run: Run, wanted: int) -> Plan:
        """Tried by a job of its own, which is waited for: on whichever GPU Slurm gives."""
        watched = self.submitted([Task(Cohort((run,)), wanted=wanted)])
        (key,) = watched
        trial = watched[key]
        for _ in self.asked(watched):
            report = self.report_of(trial, None)
            if report is not None and report.bad_input is not None:
                raise BadInput(report.bad_input)
            if report is not None and report.plan is not None:
                self.ledger.forget(trial.submission)
                return report.plan
            if trial.absences >= ABSENCES:
                self.ledger.forget(trial.submission)
                raise BadInput(f"sizes of cohorts could not be tried: {self.cause(trial)}")
        raise AssertionError("asked until it ends")

    def finish(self, cohorts: Sequence[Cohort], at_a_time: int, progress: Progress) -> Iterator[CohortEnd]:
        """Hand over what is not with Slurm yet, and wait for all of it."""
        found = self.attached()
        for name in dict.fromkeys(cohort.shared.data_set for cohort in cohorts):
            open_data_set(
                name, progress
            )  # a cache is built once, and a file that is not there is missed here
        fresh: list[Task] = []
        watched: dict[Key, Watched] = {}
        for cohort in cohorts:
            for key, part in parts(cohort, found.busy).items():
                if key is not None:
                    attach(watched, key, part, found.submissions[key.submission_id])
                    continue
                tries = max(found.tries.get(run.run_id, 0) for run in part.runs)
                if tries > RETRIES:
                    known = [found.why[run.run_id] for run in part.runs if run.run_id in found.why]
                    yield self.failed(part, f"{known[0]}, {tries} times in all")
                else:
                    fresh.append(Task(part, tries))
        for one in watched.values():
            report = self.ledger.report(one.submission, one.number)
            one.images = report.images if report else 0
        if watched and not progress.quiet:
            progress.line(f"{len(watched)} cohorts are with Slurm already")
        watched |= self.submitted(fresh)
        if self.request.wait:
            yield from self.awaited(watched, progress)
            self.tidy()

    def awaited(self, watched: dict[Key, Watched], progress: Progress) -> Iterator[CohortEnd]:
        """The ends of tasks, as they come; what dies is handed over again."""
        for _ in self.asked(watched, progress):
            again: list[Task] = []
            for key, one in list(watched.items()):
                report = self.report_of(one, progress)
                if report is not None and report.bad_input is not None:
                    with contextlib.suppress(
                        BadInput, Unanswered
                    ):  # what the task says is what must be mended
                        withdraw(self.ledger, [one.submission for one in watched.values()])
                    raise BadInput(report.bad_input)
                if report is not None and report.statuses is not None:
                    del watched[key]
                    wanted, other = same_as(one.cohort, one.task.cohort)
                    if wanted:
                        statuses = {run.run_id: report.statuses[run.run_id] for run in wanted.runs}
                        yield CohortEnd(wanted, statuses, report.error)
                    if other:  # it was to be scored by less than is wanted now
                        again.append(Task(other))
                    continue
                if one.absences < ABSENCES or (not one.job and self.ledger.is_young(one.submission)):
                    continue
                del watched[key]
                finished = self.in_store(one.cohort)
                if finished is not None:
                    yield CohortEnd(one.cohort, finished)
                    continue
                if self.ledger.is_cancelled(one.submission):
                    raise BadInput(
                        f"what worked for {self.request.store.folder} was cancelled; the same command goes on with it"
                    )
                tries, why = one.task.tries + self.fault(one, report), self.cause(one)
                if tries > RETRIES:
                    yield self.failed(one.cohort, f"{why}, {tries} times in all")
                    continue
                again.append(Task(one.cohort, tries))
                if not progress.quiet:
                    progress.line(f"{one.cohort.shared.label}: {why}; begun again from its last checkpoint")
            watched |= self.submitted(again)

    def asked(self, watched: Mapping[Key, Watched], progress: Progress | None = None) -> Iterator[None]:
        """Ask Slurm for the states of tasks again and again, as long as there are any; a pause before each time."""
        shortest, longest = POLL_SECONDS
        pause, before = shortest, None
        silent, held = "", set[str]()
        while watched:
            time.sleep(pause)
            names = {one.submission.job_name for one in watched.values()}
            try:
                elements = slurm_commands.elements(names)
                silent = ""
            except Unanswered as error:
                if progress is not None and not progress.quiet and str(error) != silent:
                    progress.line(f"Slurm does not answer, asked again: {error}")
                silent, pause = str(error), longest
                continue
            for one in watched.values():
                note(one, elements.get(one.submission.job_name, {}).get(one.number))
                if (
                    "held" in one.reason.lower()
                    and one.reason not in held
                    and progress
                    and not progress.quiet
                ):
                    held.add(one.reason)
                    progress.line(f"{one.job} waits until `scontrol release {one.job}`: {one.reason}")
            self.ledger.refresh()
            yield
            states = [(key, one.state) for key, one in watched.items()]
            pause = shortest if states != before else min(1.5 * pause, longest)
            before = states

    def report_of(self, one: Watched, progress: Progress | None) -> Report | None:
        """What a task that has begun says of itself; images are counted."""
        if one.state in slurm_commands.WAITING and not one.seen_running:
            return None
        report = self.ledger.report(one.submission, one.number)
        if progress is not None:
            if one.state == "RUNNING" and not one.seen_running:
                one.seen_running = True
                progress.cohort_starts(one.cohort)
            if report is not None and report.images != one.images:
                progress.images(report.images - one.images)
                one.images = report.images
        return report

    def submitted(self, tasks: Sequence[Task]) -> dict[Key, Watched]:
        """Hand over tasks as job arrays, each as large as Slurm allows.

        Raises:
            BadInput: sbatch refuses; what it took before stays with Slurm.
        """
        if not tasks:
            return {}
        self.ledger.make()
        watched: dict[Key, Watched] = {}
        most_models = max(len(task.cohort.runs) for task in tasks)
        arrays = dealt(tasks, max(1, min(largest_array(), RECORDED // most_models)))
        widths = shared_out(self.resources.workers, len(arrays))
        jobs: list[str] = []
        for place, array in enumerate(arrays):
            submission = Submission(
                str(self.ledger.folder),
                self.request.study_name,
                self.device.type,
                self.resources.cpus or 1,
                tuple(array),
            )
            self.ledger.keep(submission)
            lanes = len(widths)
            after = jobs[place - lanes] if place >= lanes else None
            try:
                jobs.append(hand_over(submission, self.ledger, self.resources, widths[place % lanes], after))
            except BadInput:
                self.ledger.forget(submission)
                raise
            for number, task in enumerate(array):
                key = Key(submission.submission_id, number)
                watched[key] = Watched(submission, number, task.cohort)
        return watched

    def attached(self) -> Found:
        """What waits or runs already, and how often what does not has died."""
        found, deadline = Found(), time.monotonic() + SILENCE_SECONDS
        known = self.ledger.submissions()
        names = [submission.job_name for submission in known]
        while True:
            try:
                elements = slurm_commands.elements(names)
                break
            except Unanswered as error:
                if time.monotonic() > deadline:
                    raise BadInput(f"Slurm does not answer: {error}") from error
                time.sleep(POLL_SECONDS[0])
        for submission in known:
            jobs = elements.get(submission.job_name, {})
            found.submissions[submission.submission_id] = submission
            expected = not jobs and self.ledger.is_young(submission)
            for number, task in enumerate(submission.tasks):
                if task.wanted is not None:
                    continue
                element = jobs.get(number)
                report = self.ledger.report(submission, number)
                over = report is not None and report.ended
                if not over and (expected or (element is not None and element.is_there)):
                    found.busy |= {
                        run.run_id: Key(submission.submission_id, number) for run in task.cohort.runs
                    }
                elif not over:
                    one = Watched(submission, number, task.cohort)
                    note(one, element)
                    one.job = one.job or (report.job if report else "")
                    tries = task.tries + self.fault(one, report)
                    for run in task.cohort.runs:
                        found.tries[run.run_id] = max(tries, found.tries.get(run.run_id, 0))
                        found.why[run.run_id] = self.cause(one)
            if self.is_over(submission, jobs):
                self.ledger.forget(submission)
        self.ledger.forget_cancelled()
        return found

    def fault(self, one: Watched, report: Report | None) -> int:
        """1 if a task that is gone without an end died by itself, 0 if its machine, its time or its start was taken."""
        if report is not None and report.left:
            return 0
        if one.state is None:
            one.state = accounted(one.job)
        if one.state is None:
            return int(report is not None)  # it had begun; otherwise it may never have been handed over
        return int(one.state not in NO_FAULT)

    def cause(self, one: Watched) -> str:
        """What is known of the end of a task that came to nothing."""
        state = one.state or "without a state that Slurm still knows"
        log = self.ledger.logs / f"{one.job}.log"
        where = f"log: {log}" if one.job and log.exists() else "it has no log"
        return f"its job {one.job or 'on Slurm'} ended as {state} ({where})"

    def failed(self, cohort: Cohort, why: str) -> CohortEnd:
        """Keep failed rows of a cohort."""
        return fail(cohort, why, self.request.store, self.request.study_name, self.device)

    def in_store(self, cohort: Cohort) -> dict[str, str] | None:
        """How the runs of a cohort ended by their rows, if all are finished: by a task whose report is gone."""
        rows = self.request.store.rows(["run_id", "status"])
        statuses = {str(row.run_id): str(row.status) for row in rows.itertuples() if row.status != "failed"}
        wanted = [run.run_id for run in cohort.runs]
        return {name: statuses[name] for name in wanted} if set(wanted) <= statuses.keys() else None

    def tidy(self) -> None:
        """Forget submissions of which nothing waits or runs any more."""
        known = self.ledger.submissions()
        try:
            elements = slurm_commands.elements([submission.job_name for submission in known])
        except Unanswered:
            return  # the next sweep does it
        for submission in known:
            if self.is_over(submission, elements.get(submission.job_name, {})):
                self.ledger.forget(submission)

    def is_over(self, submission: Submission, jobs: Mapping[int, Element]) -> bool:
        """Whether nothing more is to come of any of its tasks."""
        if not jobs and self.ledger.is_young(submission):
            return False
        there = [number for number, element in jobs.items() if element.is_there]
        reports = (self.ledger.report(submission, number) for number in there)
        return all(report is not None and report.ended for report in reports)

    @staticmethod
    def jobs(store: Store) -> list[Job]:
        """What waits or runs for a folder; nothing, with a warning, where Slurm cannot be asked."""
        try:
            return [Job(element.job, element.word, models) for _, element, models in at_work(Ledger(store))]
        except Unanswered as error:
            store.notices.say(f"whether jobs wait or run on Slurm cannot be told: {error}")
            return []

    @staticmethod
    def cancel(store: Store) -> list[Job]:
        """End it, with scancel; running tasks keep their state first."""
        ledger = Ledger(store)
        try:
            found = at_work(ledger)
        except Unanswered as error:
            raise BadInput(f"jobs on Slurm cannot be cancelled: {error}") from error
        withdraw(ledger, [submission for submission, _, _ in found], [element for _, element, _ in found])
        return [Job(element.job, element.word, models) for _, element, models in found]


def device_of(request: Request) -> torch.device:
    """Where tasks train: `auto` is a GPU if GPUs are asked for, else the CPU; which GPU, Slurm says.

    Raises:
        BadInput: a GPU by number, a part of one, or none where a GPU is to be trained on.
    """
    gpus = request.resources.gpus
    kind, _, number = checked_device(request.device).partition(":")
    if number:
        raise BadInput(f"--on slurm: Slurm says which GPU a task gets; --device cuda, not {request.device}")
    if kind == "auto":
        kind = "cuda" if gpus else "cpu"
    if request.resources.gpus_on(kind) not in (0.0, 1.0):
        raise BadInput(f"--on slurm gives a task whole GPUs, not {gpus:g} of one")
    return torch.device(kind)


def at_work(ledger: Ledger) -> list[tuple[Submission, Element, int]]:
    """Every task of a folder that waits or runs: its submission, what Slurm says, and its number of models."""
    known = ledger.submissions()
    if not known:
        return []
    elements = slurm_commands.elements([submission.job_name for submission in known])
    return [
        (
            submission,
            element,
            0 if submission.tasks[number].wanted else len(submission.tasks[number].cohort.runs),
        )
        for submission in known
        for number, element in sorted(elements.get(submission.job_name, {}).items())
        if element.is_there and number < len(submission.tasks)
    ]


def withdraw(
    ledger: Ledger, submissions: Iterable[Submission], elements: Collection[Element] | None = None
) -> None:
    """End all that waits or runs of some submissions, so that no sweep takes their end for a death."""
    chosen = {submission.submission_id: submission for submission in submissions}
    if elements is None:
        elements = [
            element for submission, element, _ in at_work(ledger) if submission.submission_id in chosen
        ]
    for submission in chosen.values():
        ledger.cancel(submission)
    slurm_commands.end(elements)


def note(one: Watched, element: Element | None) -> None:
    """Remember what Slurm says of a task."""
    if element is not None:
        one.job, one.state, one.reason = element
    one.absences = 0 if element is not None and element.is_there else one.absences + 1


def parts(cohort: Cohort, busy: Mapping[str, Key]) -> dict[Key | None, Cohort]:
    """A cohort by the tasks that its runs are with already; None for those that are with none."""
    runs: dict[Key | None, list[Run]] = {}
    for run in cohort.runs:
        runs.setdefault(busy.get(run.run_id), []).append(run)
    return {key: replace(cohort, runs=tuple(members)) for key, members in runs.items()}


def attach(watched: dict[Key, Watched], key: Key, part: Cohort, submission: Submission) -> None:
    """Wait for a task that is there already; for all runs of this sweep that are in it."""
    if key in watched:
        part = replace(part, runs=(*watched[key].cohort.runs, *part.runs))
    watched[key] = Watched(submission, key.number, part)


def same_as(wanted: Cohort, handed: Cohort) -> tuple[Cohort | None, Cohort | None]:
    """The runs of a cohort that a task did just so, and the others, which it scored otherwise."""
    same = tuple(run for run in wanted.runs if run in handed.runs)
    other = tuple(run for run in wanted.runs if run not in handed.runs)
    return (
        replace(wanted, runs=same) if same else None,
        replace(wanted, runs=other) if other else None,
    )


def dealt(tasks: Sequence[Task], largest: int) -> list[list[Task]]:
    """Tasks as arrays of at most so many, dealt in turn: each array begins with what should begin first."""
    count = -(-len(tasks) // largest)
    return [list(tasks[place::count]) for place in range(count)]


def shared_out(at_a_time: int | None, arrays: int) -> list[int | None]:
    """How many tasks of each array may run at a time, so that together they are as many as may.

    Fewer values than arrays mean that an array begins when the one so many places before it has ended.
    """
    if at_a_time is None:
        return [None] * arrays
    lanes = min(at_a_time, arrays)
    return [at_a_time // lanes + (place < at_a_time % lanes) for place in range(lanes)]
