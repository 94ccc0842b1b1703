"""Handing job arrays to Slurm, through submitit: its scripts and its sbatch, without its pickles.

What a job is to do is a record in the results folder (`slurm_records`), read as data by `slurm_task`. submitit would
write a pickle for every task and read it in the job; here it writes the script alone, into a folder that is ours and
gone when sbatch has it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..bad_input import BadInput
from ..one_line import one_line
from ..resources import Resources
from .engine import imported
from .slurm_records import Ledger, Submission

LEAD_SECONDS = 120
"""Before its limit at which a job is told to keep its state; Slurm tells it up to a minute earlier."""

PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "XDG_CACHE_HOME",
    "XDG_DATA_HOME", "DISBENCH_CACHE", "DISBENCH_DATA",
)  # fmt: skip
"""Variables that jobs get, beside Slurm's own: sbatch would give them all, keys and passwords among them."""

GPU_OPTIONS = ("gres", "gpus", "gpus_per_node", "gpus_per_task", "gpus_per_socket", "tres_per_task")
"""Options of sbatch by which a user may ask for GPUs in the words of the site."""

SPELT_OTHERWISE = {"time": "TIMELIMIT", "mem": "MEM_PER_NODE"}
"""Options that sbatch takes from the environment under another name than their own."""


def hand_over(
    submission: Submission,
    ledger: Ledger,
    resources: Resources,
    at_a_time: int | None,
    after: str | None = None,
) -> str:
    """Have sbatch take the tasks as a job array, and return the array's number.

    Args:
        submission: kept in the ledger by now.
        ledger: of the results folder.
        resources: of a task.
        at_a_time: elements that may run at a time; None: as many as Slurm likes.
        after: an array that must have ended first.

    Raises:
        BadInput: sbatch refuses; what it says is quoted.
    """
    submitit, asked = imported("submitit", extra="slurm"), options(submission, ledger, resources, after)
    with (
        tempfile.TemporaryDirectory(prefix="disbench-slurm-") as scripts,
        without_variables(overriding(asked)),
    ):
        executor = submitit.SlurmExecutor(scripts)
        count = len(submission.tasks)
        executor.update_parameters(
            array_parallelism=at_a_time or count,
            stderr_to_stdout=True,
            # The script becomes the task, so that signals for the script reach it; a step would need srun.
            use_srun=False,
            wckey=None,
            time=None,
            additional_parameters=asked,
        )
        executor.parameters["map_count"] = count
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):  # submitit prints what it raises
                job = executor._submit_command(command(submission))
        except submitit.core.utils.FailedSubmissionError as error:
            raise BadInput(f"sbatch: {one_line(error)}") from error
        except submitit.core.utils.UncompletedJobError as error:
            why = one_line(error or said.getvalue()).replace("sbatch: error: ", "")
            raise BadInput(f"sbatch refuses the jobs: {why}") from error
        return str(job.job_id)


def command(submission: Submission) -> str:
    """What the script becomes: this interpreter, which takes no module from the folder that it happens to be in."""
    task = [sys.executable, "-P", "-u", "-m", "disbench.bench.executors.slurm_task"]
    return f"exec {shlex.join([*task, submission.folder, submission.submission_id])}"


def options(
    submission: Submission, ledger: Ledger, resources: Resources, after: str | None = None
) -> dict[str, Any]:
    """Options of sbatch, by submitit's names."""
    seconds = resources.time_seconds
    lead = LEAD_SECONDS if seconds is None else min(LEAD_SECONDS, max(1, seconds // 4))
    own = {name.replace("-", "_"): value for name, value in resources.sbatch.items() if value is not False}
    asked: dict[str, Any] = {
        "job_name": submission.job_name,
        "output": escaped(ledger.logs) + "/%A_%a.log",
        "signal": f"B:USR2@{lead}",
        "requeue": True,
        "export": ",".join(name for name in PASSED_ON if name in os.environ),
        "ntasks": 1,
        "cpus_per_task": submission.threads,
        "dependency": after and f"afterany:{after}",
        "mem": None if resources.memory_gb is None else f"{max(1, int(resources.memory_gb * 1e9 / 2**20))}M",
        "time": resources.time,
        **{name: getattr(resources, name) for name in ("partition", "account", "qos", "constraint")},
    }
    if submission.device == "cuda" and not own.keys() & set(GPU_OPTIONS):
        asked["gpus_per_node"] = 1
    return {name: value for name, value in {**asked, **own}.items() if value is not None}


def overriding(asked: Collection[str]) -> set[str]:
    """Variables of the environment that sbatch would let count more than what its script says: of these options."""
    always = ("array_inx", "error", "input", "no_requeue", "open_mode", "wait")
    return {f"SBATCH_{SPELT_OTHERWISE.get(name, name).upper()}" for name in (*always, *asked)}


@contextlib.contextmanager
def without_variables(names: Collection[str]) -> Iterator[None]:
    """Take variables out of the environment for a moment."""
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def escaped(folder: Path) -> str:
    """A path in which sbatch replaces nothing."""
    return str(folder).replace("%", "%%")
