"""Slurm's own commands: what is in the queue, what became of a job, the end of jobs, limits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..bad_input import BadInput
from ..one_line import one_line

SECONDS = 60.0
"""After which a command that does not answer is given up."""

PREFERENCES = ("SQUEUE_", "SCANCEL_", "SACCT_")
"""Variables by which a user has these commands filter, ask and print otherwise than a program expects."""

NAMES_A_CALL = 50

WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
RUNNING = {"RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING", "RESIZING"}
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip
"""States of a job as Slurm writes them; a word that is in none of these (SUSPENDED, STOPPED) is a job that is there."""

NO_FAULT = {"BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED"}
"""Ends that say nothing against the cohort: its machine was taken away."""

DEFAULT_ARRAY = 1000
"""Elements of a job array where Slurm does not say how many it takes; its own default is one more."""


class Element(NamedTuple):
    """An element of a job array in Slurm's queue."""

    job: str
    """`JOB_N`, as squeue, scontrol and scancel take it."""
    state: str
    """Slurm's word."""
    reason: str = ""

    @property
    def is_there(self) -> bool:
        """Whether it waits or runs, and more is to come of it."""
        return self.state not in ENDED

    @property
    def word(self) -> str:
        """waiting, running, or Slurm's word in small letters."""
        if self.state in WAITING:
            return "waiting"
        return "running" if self.state in RUNNING else self.state.lower()


class Unanswered(Exception):
    """Slurm gave no answer: its controller is being restarted, or the command is not there. Not that there is none."""


def answer(*command: str) -> str:
    """What a command prints, or `Unanswered` with what it says instead."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFERENCES)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, env=plain
        )
    except FileNotFoundError as error:
        raise Unanswered(
            f"no {command[0]} on PATH: this is no machine from which Slurm takes jobs"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unanswered(one_line(error)) from error
    if done.returncode:
        raise Unanswered(one_line(done.stderr or f"{command[0]} ended with {done.returncode}"))
    return done.stdout


def needed(*commands: str) -> None:
    """`BadInput` unless these commands are there."""
    for command in commands:
        if shutil.which(command) is None:
            raise BadInput(
                f"--on slurm needs {command}, which is not on PATH: sweep on a login node of the cluster"
                " (where a module has to be loaded for Slurm, load it first)"
            )


def elements(names: Collection[str]) -> dict[str, dict[int, Element]]:
    """What Slurm knows of the jobs with these names, by name and number in the array; `Unanswered` if it is silent.

    Ended ones are there for as long as Slurm keeps them (MinJobAge, five minutes by default).
    """
    found: dict[str, dict[int, Element]] = {}
    ordered = sorted(names)
    for start in range(0, len(ordered), NAMES_A_CALL):
        asked = ",".join(ordered[start : start + NAMES_A_CALL])
        told = answer(
            "squeue", "--noheader", "--array", "--states=all", f"--name={asked}", "--format=%F|%K|%T|%j|%r"
        )
        for name, number, element in parsed(told.splitlines()):
            if name in names:
                found.setdefault(name, {})[number] = element
    return found


def parsed(lines: Iterable[str]) -> Iterable[tuple[str, int, Element]]:
    """Lines of squeue (job, number in the array, state, name, reason) as name, number and element; others left out."""
    for line in lines:
        parts = line.strip().split("|", 4)
        if len(parts) == 5 and parts[0].isdecimal() and parts[1].isdecimal():
            job, number, state, name, reason = parts
            yield name, int(number), Element(f"{job}_{number}", state, reason)


def accounted(job: str) -> str | None:
    """The state in which a job ended, by the accounting; None where there is none, or it does not know."""
    if not job or shutil.which("sacct") is None:
        return None
    try:
        told = answer(
            "sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={job}"
        )
    except Unanswered:
        return None
    words = told.split()  # "CANCELLED by 1000" is one state
    return words[0] if words and words[0] in ENDED else None


def end(found: Iterable[Element]) -> None:
    """End elements that wait or run, whole arrays at once where all of an array is meant."""
    jobs = sorted({element.job.split("_")[0] for element in found})
    for start in range(0, len(jobs), NAMES_A_CALL):
        try:
            answer("scancel", *jobs[start : start + NAMES_A_CALL])
        except Unanswered as error:
            raise BadInput(f"scancel: {error}") from error


def largest_array() -> int:
    """Elements that a job array may have."""
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer("scontrol", "show", "config"), re.MULTILINE)
    except Unanswered:
        found = None
    return max(1, int(found[1])) if found else DEFAULT_ARRAY
