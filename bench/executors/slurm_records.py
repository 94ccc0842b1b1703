"""What is remembered of jobs in `OUT/slurm`: JSON, read as what anybody may have written, and never a pickle.

    OUT/slurm/submissions/ID.json    the tasks of a job array, written before it is handed over; ID is its checksum
    OUT/slurm/submissions/ID.cancelled    the same, once `disbench cancel` has ended it
    OUT/slurm/tasks/ID-N.json        how far task N is, and how it ended
    OUT/slurm/logs/JOB_N.log         what it printed

No job's number is believed: Slurm is asked for jobs by a name that has the ID in it, so a record that somebody made up
names no job, and a copy of the folder has no jobs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..run import Cohort, Plan, Run
from ..store import Store
from ..store.listing import listed
from ..store.small_files import parsed_json, read_json, read_small
from ..store.times import file_system_time

ID = re.compile(r"[0-9a-f]{24}")

STATUSES = ("done", "diverged", "failed")

HANDING_OVER_SECONDS = 60.0
"""Age up to which a record without jobs is that of a sweep which is about to hand it over."""

CANCELLED_SECONDS = 3600.0
"""For which sweeps that wait can read that something was cancelled."""


class Task(NamedTuple):
    """What one element of a job array does."""

    cohort: Cohort
    tries: int = 0
    """Deaths of earlier tasks with this cohort."""
    wanted: int | None = None
    """Not None: find the plan for so many models of its run (`trial_plan`) instead of finishing the cohort."""


@dataclass(frozen=True)
class Submission:
    """Tasks that are handed over together."""

    folder: str
    """Of the results, as the tasks see it."""
    study_name: str
    device: str
    threads: int
    tasks: tuple[Task, ...]
    nonce: str = field(default_factory=lambda: uuid4().hex)
    """So that nobody can guess the ID, and equal tasks handed over twice have two."""

    @cached_property
    def content(self) -> bytes:
        """The record."""
        tasks = [
            {
                "runs": [run.configuration for run in task.cohort.runs],
                "lowering": task.cohort.lowering,
                "tries": task.tries,
                "wanted": task.wanted,
            }
            for task in self.tasks
        ]
        about = {name: getattr(self, name) for name in ("folder", "study_name", "device", "threads", "nonce")}
        return json.dumps({**about, "tasks": tasks}).encode()

    @cached_property
    def submission_id(self) -> str:
        """Checksum of the record."""
        return checksum(self.content)

    @property
    def job_name(self) -> str:
        """For people, and to find the jobs by."""
        study = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.study_name)[:40]
        return f"disbench-{study}-{self.submission_id}"

    @classmethod
    def of(cls, content: bytes) -> Submission:
        """What a record says; ValueError, TypeError or KeyError if that is nothing."""
        about = parsed_json(content)
        tasks = []
        for told in about.pop("tasks"):
            runs = tuple(Run.from_configuration(configuration) for configuration in told["runs"])
            tries, wanted = told["tries"], told["wanted"]
            if not runs or type(tries) is not int or not (wanted is None or type(wanted) is int):
                raise ValueError("a task is none")
            tasks.append(Task(Cohort(runs, str(told["lowering"])), tries, wanted))
        texts = {name: str(about[name]) for name in ("folder", "study_name", "device", "nonce")}
        found = cls(**texts, threads=int(about["threads"]), tasks=tuple(tasks))
        found.__dict__["content"] = content
        return found


def checksum(content: bytes) -> str:
    """24 hexadecimal digits of a record's SHA-256."""
    return hashlib.sha256(content).hexdigest()[:24]


@dataclass(frozen=True)
class Report:
    """What a task says of itself."""

    job: str = ""
    """`JOB_N`, once it has begun."""
    images: int = 0
    """Trained by this task, over all its starts."""
    statuses: Mapping[str, str] | None = None
    """Of its runs, once their rows are in the store."""
    error: str | None = None
    bad_input: str | None = None
    """What is the user's to mend: the sweep stops with it."""
    left: bool = False
    """It ended because it had to, with its state kept, and could not be queued again."""
    plan: Plan | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come of the task."""
        return self.statuses is not None or self.bad_input is not None or self.plan is not None

    @property
    def content(self) -> str:
        """As JSON."""
        plan = None if self.plan is None else vars(self.plan)
        return json.dumps({**vars(self), "plan": plan})

    @classmethod
    def of(cls, told: Any) -> Report:
        """What JSON says; ValueError, TypeError or KeyError if that is nothing."""
        job, images, statuses, plan = told["job"], told["images"], told["statuses"], told["plan"]
        if not re.fullmatch(r"[0-9_]{0,40}", job) or type(images) is not int:
            raise ValueError("no job and images")
        if statuses is not None and set(statuses.values()) - set(STATUSES):
            raise ValueError("unknown statuses")
        if plan is not None and (type(plan["size"]) is not int or plan["size"] < 1):
            raise ValueError("no plan")
        texts = {name: None if told[name] is None else str(told[name]) for name in ("error", "bad_input")}
        left, found = bool(told["left"]), None if plan is None else Plan(plan["size"], str(plan["lowering"]))
        return cls(job, images, statuses, left=left, plan=found, **texts)


class Ledger:
    """The records of a results folder."""

    def __init__(self, store: Store) -> None:
        self.folder = store.folder.absolute()
        self.home = self.folder / "slurm"
        self.records = self.home / "submissions"
        self.tasks = self.home / "tasks"
        self.logs = self.home / "logs"

    def make(self) -> None:
        """Make the folders; `BadInput` if that cannot be."""
        try:
            for folder in (self.records, self.tasks, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{self.home} cannot be written: {error.strerror or error}") from error

    def record(self, submission_id: str) -> Path:
        """Where a submission is written down."""
        return self.records / f"{submission_id}.json"

    def keep(self, submission: Submission) -> None:
        """Write a submission down."""
        path = self.record(submission.submission_id)
        write_atomically(path, lambda temporary: temporary.write_bytes(submission.content))

    def submission(self, submission_id: str) -> Submission:
        """A submission by its ID.

        Raises:
            OSError: it is not there.
            ValueError: it is not what was handed over.
        """
        content = read_small(self.record(submission_id))
        if checksum(content) != submission_id:
            raise ValueError(f"{self.record(submission_id)} is not what was handed over")
        try:
            return Submission.of(content)
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{self.record(submission_id)} is no record of tasks") from error

    def submissions(self) -> list[Submission]:
        """Every submission of this very folder; what is none, or was copied here from another folder, is left out."""
        found = []
        for path in listed(self.records, ".json"):
            if ID.fullmatch(path.stem):
                try:
                    submission = self.submission(path.stem)
                    if Path(submission.folder).samefile(self.folder):
                        found.append(submission)
                except (OSError, ValueError):
                    continue
        return found

    def is_young(self, submission: Submission) -> bool:
        """Whether its sweep may still be handing it over."""
        try:
            age = file_system_time(self.records) - self.record(submission.submission_id).stat().st_mtime
        except OSError:
            return False
        return age < HANDING_OVER_SECONDS

    def cancel(self, submission: Submission) -> None:
        """Remember that it was ended on purpose: sweeps that wait for it begin nothing again."""
        path = self.record(submission.submission_id)
        if path.exists():
            path.touch()  # from now on it is kept for so long
            path.replace(path.with_suffix(".cancelled"))

    def is_cancelled(self, submission: Submission) -> bool:
        """Whether it was ended on purpose."""
        return self.record(submission.submission_id).with_suffix(".cancelled").exists()

    def forget(self, submission: Submission) -> None:
        """Remove a submission of which nothing waits or runs."""
        self.record(submission.submission_id).unlink(missing_ok=True)
        for number in range(len(submission.tasks)):
            self.report_file(submission.submission_id, number).unlink(missing_ok=True)

    def forget_cancelled(self) -> None:
        """Remove what is left of submissions that were cancelled a while ago."""
        for path in listed(self.records, ".cancelled"):
            if file_system_time(self.records) - path.stat().st_mtime > CANCELLED_SECONDS:
                for report in listed(self.tasks, ".json"):
                    if report.name.startswith(f"{path.stem}-"):
                        report.unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def report_file(self, submission_id: str, number: int) -> Path:
        """Where a task says how far it is."""
        return self.tasks / f"{submission_id}-{number}.json"

    def report(self, submission: Submission, number: int) -> Report | None:
        """What a task says of itself; None if it has not begun, or what is there is no report of it."""
        runs = {run.run_id for run in submission.tasks[number].cohort.runs}
        try:
            found = Report.of(read_json(self.report_file(submission.submission_id, number)))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return found if found.statuses is None or set(found.statuses) == runs else None

    def refresh(self) -> None:
        """Have the file system look anew: on NFS, opening a folder asks the server which names it has."""
        listed(self.tasks, ".json")
