"""The seam between a sweep and the place that it runs on.

A sweep builds a place from a `Request`, enters it, asks it for its devices and for the plan of each family, hands it
cohorts, and reads how each ended. What a task does with its cohort is `task.take`, wherever it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import torch

from ..progress import Progress
from ..resources import Resources
from ..run import Cohort, Plan, Run
from ..store import Store
from ..work import CohortEnd


@dataclass(frozen=True)
class Request:
    """What a sweep asks of a place, before it has any cohorts for it."""

    store: Store
    """Its folder is one that every task sees under the same path; it may not be there yet."""
    study_name: str
    device: str = "auto"
    """As the user wrote it: auto, cpu, cuda or cuda:N; what it means, the place knows."""
    resources: Resources = field(default_factory=Resources)
    """Of a task; only what the place says that it takes."""
    wait: bool = True
    """False: hand the cohorts over and do not wait for their ends. Only a `Detached` place is asked for that."""


class Executor(Protocol):
    """A place that takes cohorts and reports how each ended, in any order.

    It may die at any point and be built again for the cohorts that the store does not have.
    """

    takes: ClassVar[tuple[str, ...]]
    """The fields of `Resources` that it can use; the user is refused others."""

    def __init__(self, request: Request) -> None:
        """Check what can be checked without touching anything.

        Raises:
            BadInput: its engine is not installed (`engine.imported`), the device is not there, resources clash.
        """

    def __enter__(self) -> Self:
        """Connect; whatever is begun here ends with `__exit__`."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go: end what would outlive the sweep for nothing."""

    def devices(self) -> list[torch.device]:
        """The device of each task that can run at a time, as its task will name it: the queue is cut for so many.

        All of one type. A place that cannot know how many it will get (a batch queue) gives its best guess; at least
        one. It must be the same for a sweep that goes on as for the one before, as far as the place is the same: the
        cut of the queue, and so the last bits of the numbers, depend on it.
        """

    def plan(self, run: Run, wanted: int) -> Plan:
        """How a family of `wanted` models is to be trained, tried out by `cohort_plan.trial_plan` where tasks run.

        Asked on GPUs only, once for each program (`cohort_plan.program`): the store keeps the answer. If devices
        differ, try the one with the least memory.
        """

    def finish(self, cohorts: Sequence[Cohort], at_a_time: int, progress: Progress) -> Iterator[CohortEnd]:
        """Finish the cohorts, in this order as far as the place can, at most `at_a_time` of them at a time.

        A place that grows may take more of them, up to `workers`.

        A cohort whose task dies, or raises `LostDevice` to die, is begun again in another process, from its checkpoint.
        After a few times without getting any further it ends as `work.fail`; a node that is taken away is no fault
        of the cohort and need not count. Images that the dead task had counted stay counted: a resumed training counts
        what it trains, not what it was resumed with. Nothing is raised for a cohort's own fault.

        Raises:
            BadInput: what a task raised as `BadInput` (a full disk, a damaged file) would meet the next one too.
        """


class Job(NamedTuple):
    """Work that goes on without the sweep that gave it away."""

    name: str
    """As the engine's own commands know it."""
    state: str
    """waiting, running, or the engine's word for anything else."""
    models: int


@runtime_checkable
class Detached(Protocol):
    """What a place has besides if its cohorts go on when the sweep ends: a class's own functions, called on the class.

    Sweeping again attaches: `finish` must not hand over a second time what is waiting or running. What the place has to
    remember for that lies in a folder of its own, `OUT/<its name>`; `disbench status` asks for jobs where there is one.
    """

    @staticmethod
    def jobs(store: Store) -> list[Job]:
        """What is waiting or running for a folder; empty where this place never had anything of it."""

    @staticmethod
    def cancel(store: Store) -> list[Job]:
        """End all of it, and say what that was; checkpoints and finished models stay."""


RETRIES = 1
"""Times that a batch queue is handed a cohort again after the death of its job: once is bad luck, twice is the cohort,
and each time it waits with all others. Where another process is at hand, see `Deaths`."""
