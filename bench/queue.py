"""The queue of a study: its cohorts as devices take them, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from .cohort_plan import once_a_program, program
from .placement import Cost, longest_first, taken_up, with_stragglers_split
from .run import Cohort, Plan, Run, cohorts, without


@dataclass(frozen=True)
class Queue:
    """All cohorts of a study, whatever of it is done."""

    cohorts: list[Cohort]
    at_a_time: int
    """Counted over the whole study: a resumed sweep must give each process the threads that the first one gave."""
    cost: Cost

    def left(self, finished: Collection[str], interrupted: Iterable[Sequence[str]]) -> list[Cohort]:
        """The cohorts that need work, in the order in which it should begin."""
        todo = taken_up(without(self.cohorts, set(finished)), interrupted)
        return longest_first(todo, self.cost) if self.at_a_time > 1 else todo


def queued(
    runs: Sequence[Run], plan: Callable[[list[Run]], Plan], devices: int, *, cut: bool = True
) -> Queue:
    """The queue of a study's runs for so many devices; `cut` allows smaller cohorts than planned at its end."""
    grouped, cost = cohorts(runs, plan), counted_cost(runs)
    if cut:
        grouped = with_stragglers_split(grouped, cost, devices)
    return Queue(grouped, min(devices, len(grouped)), cost)


def counted_cost(runs: Sequence[Run]) -> Cost:
    """Floating point operations of a run's training, counted once for each program; where all have one, its images."""
    alike = len({program(run) for run in runs}) == 1
    return lambda run: (1.0 if alike else flops_an_image(run)) * run.steps * run.batch_size


@once_a_program
def flops_an_image(run: Run) -> float:
    """Floating point operations of training on an image; those of a small batch are those of a large one."""
    from .speed.cost import flops_of  # brings the drawing of pictures with it

    return flops_of(replace(run, batch_size=2))
