"""What a task is given, and where: the table `[cluster]` of a study file, and `--cluster` on the command line.

    [cluster]
    partition = "gpu"
    time = "04:00:00"
    cpus = 4

A task is one cohort. Nothing of this changes a number, so it is part of no run's identity, and two sweeps of one
folder may differ in all of it. Values end up in a job's script: they are words without blanks, never commands.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from .bad_input import BadInput
from .strict import Strict, first_objection

TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")
"""As Slurm writes it: minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, ..."""

WORD = re.compile(r"[A-Za-z0-9_.,:@%+=/&|*!\[\]()<>-]+")
"""What a value may be made of: nothing that a shell or a new line would make something else of."""

OWN = (
    "array", "bcast", "chdir", "container", "epilog", "error", "export", "export-file", "gid", "input", "job-name",
    "no-requeue", "open-mode", "output", "prolog", "requeue", "signal", "task-epilog", "task-prolog", "uid", "wait",
    "wrap",
)  # fmt: skip
"""Parameters of sbatch that are the executor's own, or that run or write what a study has no business to."""


def written_time(value: Any) -> Any:
    """TOML reads 04:00:00 as a time of the day, and 90 as a number."""
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="seconds")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def checked_time(value: str) -> str:
    """A limit above zero, as Slurm writes it."""
    if not TIME.fullmatch(value) or seconds_of(value) == 0:
        raise ValueError('should be a time like "04:00:00", "2-12:00" (days-hours:minutes) or 90 (minutes)')
    return value


def seconds_of(time: str) -> int:
    """Seconds of a time as Slurm writes it."""
    found = TIME.fullmatch(time)
    assert found is not None
    days, *parts = (found[name] for name in ("days", "first", "second", "third"))
    numbers = [int(part) for part in parts if part is not None]
    units = (3600, 60, 1) if days is not None or len(numbers) == 3 else (60, 1)
    return 86_400 * int(days or 0) + sum(n * unit for n, unit in zip(numbers, units, strict=False))


def checked_word(value: str) -> str:
    """A word without blanks, quotes and the like."""
    if not WORD.fullmatch(value):
        raise ValueError("should be a word of letters, digits and _.,:@%+=/&|*!()[]<>-")
    return value


def checked_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Names of long options of sbatch that are not ours, with words, numbers or true."""
    for name, value in parameters.items():
        if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) or name.replace("_", "-") in OWN:
            raise ValueError(f"should have no {name!r}: long options of sbatch, other than {', '.join(OWN)}")
        if isinstance(value, str):
            checked_word(value)
    return parameters


Count = Annotated[int, Field(ge=1)]
Word = Annotated[str, AfterValidator(checked_word)]
Time = Annotated[str, BeforeValidator(written_time), AfterValidator(checked_time)]
Parameters = Annotated[dict[str, str | int | bool], AfterValidator(checked_parameters)]


class Resources(Strict):
    """What a task gets; None is what the place does by itself. Each executor says which of these it takes."""

    workers: Count | None = None
    """Tasks at a time; None: as many as the place has."""
    cpus: Count | None = None
    """Cores of a task, and so its threads."""
    gpus: Annotated[float, Field(ge=0, le=1)] | None = None
    """Of a task: a cohort trains on one GPU, or on a part of one that it shares. None: 1 on cuda, 0 on cpu."""
    memory_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Of the machine, for a task, in 10^9 bytes."""
    address: Word | None = None
    """Of a Ray cluster that is there already."""
    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    time: Time | None = None
    """Limit of a job, in Slurm's notation; a job that meets it is queued again and goes on from its checkpoint."""
    constraint: Word | None = None
    sbatch: Parameters = Field(default_factory=dict)
    """Further long options of sbatch, without their dashes; true for one that takes no value."""

    def given(self) -> dict[str, Any]:
        """What is not left to the place."""
        return self.model_dump(exclude_defaults=True)

    def gpus_on(self, kind: str) -> float:
        """GPUs of a task that trains on a device of this kind (cpu, cuda)."""
        if kind == "cpu":
            return 0.0
        if self.gpus == 0:
            raise BadInput("gpus = 0 leaves a task no device to train on; --device cpu trains on the CPU")
        return 1.0 if self.gpus is None else self.gpus

    @property
    def time_seconds(self) -> int | None:
        """The limit of a job."""
        return None if self.time is None else seconds_of(self.time)


def resources_for(
    place: str, takes: Sequence[str], of_study: Resources, given: Mapping[str, Any]
) -> Resources:
    """What tasks at a place get: the study's table, and what was given on the command line over it.

    A study file may serve several places, so what this one has no use for is passed over there; given by hand it is
    refused.

    Args:
        place: key of `EXECUTORS`.
        takes: keys that it can use.
        of_study: the study's `[cluster]`.
        given: by hand, by key; `sbatch.nice` is a key in a table.
    """
    asked: dict[str, Any] = {}
    for key, value in given.items():
        table, dot, inner = key.partition(".")
        if table in Resources.model_fields and table not in takes:
            raise BadInput(f"--cluster {table}: --on {place} has no use for it; it takes: {', '.join(takes)}")
        if dot and isinstance(asked.get(table, {}), dict):
            asked[table] = {**asked.get(table, {}), inner: value}
        else:
            asked[key] = value
    usable = {key: value for key, value in of_study.given().items() if key in takes}
    if isinstance(asked.get("sbatch"), dict):
        asked["sbatch"] = {**usable.get("sbatch", {}), **asked["sbatch"]}
    try:
        return Resources.model_validate({**usable, **asked})
    except ValidationError as error:
        raise BadInput(f"--cluster: {first_objection(error, takes)}") from error
