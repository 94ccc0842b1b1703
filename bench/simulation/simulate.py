"""A study worked through on GPUs that are not there, once for each number of them and each policy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..bad_input import BadInput
from ..run import Run
from .conditions import Conditions, Times
from .place import SimulatedPlace, Tally
from .policies import POLICIES, Policy

MOST_SWEEPS = 100
"""How often a sweep is repeated for cohorts that were given up."""


@dataclass(frozen=True)
class Simulated:
    """What became of a study on some GPUs."""

    gpus: int
    policy: str
    models: int
    cohorts: int
    seconds: float
    """From the start to the last row: the makespan."""
    least_seconds: float
    """No schedule of full cohorts takes less, whatever its order: work over GPUs, failures, starts, trials aside."""
    tally: Tally
    sweeps: int
    """1, and one more for each time that cohorts were left which had died too often."""
    given_up: int
    """Cohorts that a sweep gave up and the next one finished."""

    def share(self, seconds: float) -> float:
        """Of all device time."""
        return seconds / (self.gpus * self.seconds)


def simulate(
    runs: Sequence[Run],
    gpus: Sequence[int],
    conditions: Conditions | None = None,
    *,
    seed: int = 0,
    policies: Mapping[str, Policy] = POLICIES,
) -> Iterator[Simulated]:
    """Work through a study by `queue.queued` and `Queue.left`, as `sweep` does, on made-up GPUs and a made-up clock.

    Args:
        runs: of the study.
        gpus: numbers of them, each simulated by itself.
        conditions: times and failures; by default those that `Conditions` assumes.
        seed: of every draw. What models take and when a GPU fails does not depend on the policy.
        policies: by name. Those that would do the same as one before (no failures: no use of checkpoints) are left out.

    Yields:
        One for each number of GPUs and policy.

    Raises:
        BadInput: no GPUs, or failures so frequent that the sweep would not end.
    """
    conditions = conditions or Conditions()
    if not gpus or min(gpus) < 1:
        raise BadInput(f"a number of GPUs is 1 or more, got {min(gpus, default=0)}")
    if not 0 <= seed < 2**63:
        raise BadInput(f"a seed is at least 0 and below 2^63, got {seed}")
    times = Times(runs, conditions, seed)
    for count in gpus:
        for name, policy in policies.items():
            if policy.checkpoints or conditions.failures_per_day:
                yield worked_through(runs, count, name, policy, times, seed)


def worked_through(
    runs: Sequence[Run], gpus: int, name: str, policy: Policy, times: Times, seed: int
) -> Simulated:
    """One sweep, repeated until nothing is left."""
    conditions = times.conditions
    if not policy.checkpoints:
        conditions = replace(conditions, checkpoint_seconds=math.inf)
        times = times.under(conditions)
    queue = policy.queue(runs, conditions.size, gpus)
    place = SimulatedPlace(gpus, times, conditions, seed)
    place.try_sizes(times.programs)
    finished: set[str] = set()
    members = {cohort.cohort_id: [run.run_id for run in cohort.runs] for cohort in queue.cohorts}
    sweeps = given_up = 0
    while todo := queue.left(finished, [members[cohort] for cohort in place.interrupted()]):
        if sweeps == MOST_SWEEPS:
            raise BadInput(
                f"a sweep with {conditions.crashes_per_day:g} crashes a GPU and day does not end: repeated"
                f" {MOST_SWEEPS} times, it still gives up {len(todo)} cohorts"
            )
        lost = place.finish(todo, queue.at_a_time)
        finished |= {run.run_id for cohort in todo if cohort.cohort_id not in lost for run in cohort.runs}
        sweeps, given_up = sweeps + 1, given_up + len(lost)
    place.close()
    return Simulated(
        gpus=gpus,
        policy=name,
        models=len(runs),
        cohorts=len(queue.cohorts),
        seconds=place.now,
        least_seconds=times.least(runs) / gpus,
        tally=place.tally,
        sweeps=sweeps,
        given_up=given_up,
    )
