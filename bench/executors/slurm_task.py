"""What a job on Slurm runs: `python -m disbench.bench.executors.slurm_task OUT ID`, once for each task of a submission.

Before a job's time is over Slurm sends USR2: the state is kept and the job queued again. When a job is to end for
another reason (preemption, `scancel`, `scontrol requeue`) Slurm sends TERM: the state is kept, and Slurm does the rest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

import torch

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..checkpoint import Left
from ..cohort_plan import trial_plan
from ..lost_device import LostDevice
from ..store import Store
from .slurm_records import ID, Ledger, Report, Submission
from .task import prepare, take

REPORT_SECONDS = 5.0
"""Between two words on how far the training is."""

PATIENCE_SECONDS = {signal.SIGUSR2: 60.0, signal.SIGTERM: 20.0}
"""Until the next moment at which a training can be kept. Without one (it is scored, or a step takes that long) the task
ends where it stands, and goes on from the last state that was kept. Slurm kills 30 seconds after TERM, by default."""

IDLE_STARTS = 3
"""Times that a job is queued again though it has trained nothing since it began: its time may be too short for that."""


class TaskReport:
    """Tells the sweep how far a task is, now and then."""

    def __init__(self, path: Path, before: Report | None, job: str) -> None:
        self.path, self.report = path, Report(job, before.images if before else 0)
        self.began_with = self.report.images
        self.spoke = 0.0

    def images(self, count: int) -> None:
        """Count trained images."""
        first = self.report.images == self.began_with
        self.report = replace(self.report, images=self.report.images + count)
        if first or time.monotonic() - self.spoke >= REPORT_SECONDS:
            self.say()

    def say(self, **more: object) -> None:
        """Write what is known."""
        self.spoke = time.monotonic()
        self.report = replace(self.report, **more)  # type: ignore[arg-type]
        write_atomically(self.path, lambda temporary: temporary.write_text(self.report.content))


class Departure:
    """Leaves the task in order when Slurm says so."""

    def __init__(self, report: TaskReport, job: str, starts: int) -> None:
        self.report, self.job, self.starts = report, job, starts
        self.asked: int | None = None
        """The signal that came."""

    def listen(self) -> None:
        """From now on."""
        for number in PATIENCE_SECONDS:
            signal.signal(number, self.ask)
        signal.signal(signal.SIGALRM, self.go)

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """A signal came: leave at the next moment at which the training can be kept, but do not wait too long."""
        first, self.asked = self.asked is None, self.asked or number
        if first:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS[signal.Signals(number)])

    def leaves(self) -> bool:
        """Whether it is time to go."""
        return self.asked is not None

    def go(self, number: int = 0, frame: FrameType | None = None) -> None:
        """End, and be queued again if the time was over."""
        for other in (*PATIENCE_SECONDS, signal.SIGALRM):
            signal.signal(other, signal.SIG_IGN)
        queued_again = False
        try:
            if self.asked == signal.SIGUSR2 and (
                self.report.report.images > self.report.began_with or self.starts < IDLE_STARTS
            ):
                self.report.say()
                queued_again = requeued(self.job)
                if not queued_again:
                    self.report.say(left=True)
        finally:
            sys.stdout.flush()
            # Not through the interpreter's end, which this may have interrupted anywhere.
            os._exit(0 if queued_again else 1)


def requeued(job: str) -> bool:
    """Have Slurm queue the job again; whether it does."""
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"disbench: {job} cannot be queued again: {error}", file=sys.stderr, flush=True)
        return False
    return True


def run_task(folder: Path, submission_id: str, number: int, job: str, starts: int) -> int:
    """Do the work of a task and say how it ended; the exit status."""
    ledger = Ledger(Store(folder))
    submission = ledger.submission(submission_id)
    path = ledger.report_file(submission_id, number)
    report = TaskReport(path, ledger.report(submission, number), job)
    departure = Departure(report, job, starts)
    departure.listen()
    try:
        report.say()
        report.say(**outcome(submission, number, folder, report.images, departure.leaves))
    except Left:
        departure.go()
    except LostDevice as error:
        print(f"disbench: {error}", file=sys.stderr, flush=True)
        os._exit(1)  # at once: what is left of the device's library may hang at an ordinary end
    except (BadInput, OSError) as error:
        report.say(bad_input=str(error))
        return 2
    return 0


def outcome(
    submission: Submission,
    number: int,
    folder: Path,
    on_images: Callable[[int], None],
    leaves: Callable[[], bool],
) -> dict[str, object]:
    """The fields of a report that say how a task ended."""
    device, task = torch.device(submission.device), submission.tasks[number]
    prepare(device, submission.threads)
    if task.wanted is not None:
        return {"plan": trial_plan(task.cohort.shared, task.wanted, device)}
    end = take(task.cohort, folder, submission.study_name, device, on_images, leaves)
    return {"statuses": dict(end.statuses), "error": end.error}


def main(arguments: list[str]) -> int:
    """Read what sbatch was given, and what Slurm says of the job."""
    folder, submission_id = arguments
    if not ID.fullmatch(submission_id):
        raise SystemExit(f"{submission_id!r} is no submission")
    number = int(os.environ["SLURM_ARRAY_TASK_ID"])
    job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{number}"
    starts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    return run_task(Path(folder), submission_id, number, job, starts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
