"""The order of cohorts, and the cutting of the last ones, so that no device idles while others have queues.

Pure functions of cohorts, their costs and the number of devices, which are taken to be alike. They are applied to the
whole study and never to what is left of it, and costs are counted and not measured: a sweep that goes on groups its
models as the first one did. Where it cannot (fewer devices today, more seeds) `taken_up` keeps together what an
interrupted training can go on with.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from .run import Cohort, Run, families

FIXED = 0.1
"""Share of a cohort's time that does not shrink with its models. Where a step of K models takes a + b K, the search for
a size stops at the K from which four times as many train no more than 1.05 times the images a second: there a is at
most 0.063 of it. A family too small to get that far has more of it; cutting it still helps a device that idles."""

WORTH = 0.98
"""A finer cut must shorten the sweep to so much of what it was: every part compiles, records and scores by itself."""

Cost = Callable[[Run], float]
"""Of a run, in any unit: images x FLOP an image to place it, seconds to forecast."""


def cost_of(cohort: Cohort, cost: Cost) -> float:
    """What all of a cohort's runs cost."""
    return sum(cost(run) for run in cohort.runs)


def longest_first(cohorts: Sequence[Cohort], cost: Cost) -> list[Cohort]:
    """The order in which a free device takes the next; those that cost the same stay in the order they came in.

    Reference: Graham (1969), Bounds on multiprocessing timing anomalies: at most 4/3 of the best makespan.
    """
    return sorted(cohorts, key=lambda cohort: -cost_of(cohort, cost))


def ends(costs: Sequence[float], devices: int) -> list[float]:
    """When each piece of work ends, if a device that is free takes the next of the list; in the unit of the costs."""
    free = [0.0] * max(1, min(devices, len(costs)))
    return [heapq.heapreplace(free, free[0] + cost) + cost for cost in costs]


def makespan(costs: Iterable[float], devices: int) -> float:
    """When the last piece of work ends, longest first; 0 if there is none."""
    return max(ends(sorted(costs, reverse=True), devices), default=0.0)


def with_stragglers_split(cohorts: Sequence[Cohort], cost: Cost, devices: int) -> list[Cohort]:
    """The cohorts, those cut into parts that would still be at work when an even share for every device is done.

    The number of parts is the smallest whose makespan is within 2 % of the best. Nothing is cut if that gains less
    than 2 %, or if the models are single already.

    Args:
        cohorts: of a whole study.
        cost: of a run, counted, not measured.
        devices: cohorts at a time.
    """
    costs = {cohort.cohort_id: cost_of(cohort, cost) for cohort in cohorts}
    queue = longest_first(cohorts, cost)
    even = sum(costs.values()) / devices
    late = {
        cohort.cohort_id
        for cohort, end in zip(queue, ends([costs[c.cohort_id] for c in queue], devices), strict=True)
        if end > even * (1 + 1e-9) and len(cohort.runs) > 1
    }
    if not late or devices == 1:
        return list(cohorts)
    largest = max(costs[name] for name in late)

    def parts_of(cohort: Cohort, parts: int) -> int:
        if cohort.cohort_id not in late:
            return 1
        share = costs[cohort.cohort_id] / largest
        return min(len(cohort.runs), max(1, math.ceil(parts * share - 1e-9)))

    def span(parts: int) -> float:
        return makespan(
            (
                costs[cohort.cohort_id] * shrunk(len(part), len(cohort.runs))
                for cohort in cohorts
                for part in evenly(cohort.runs, parts_of(cohort, parts))
            ),
            devices,
        )

    most = min(devices, max(len(cohort.runs) for cohort in cohorts if cohort.cohort_id in late))
    spans = {parts: span(parts) for parts in range(1, most + 1)}
    best = min(spans.values())
    chosen = next(parts for parts, value in spans.items() if value * WORTH <= best)
    return [
        replace(cohort, runs=part)
        for cohort in cohorts
        for part in evenly(cohort.runs, parts_of(cohort, chosen))
    ]


def shrunk(models: int, of: int) -> float:
    """Share of a cohort's time that a part of its models takes."""
    return 1.0 if models == of else FIXED + (1 - FIXED) * models / of


def evenly(runs: tuple[Run, ...], parts: int) -> list[tuple[Run, ...]]:
    """Runs in so many parts, whose sizes differ by one at most; the larger come first."""
    small, larger = divmod(len(runs), parts)
    cuts = [n * small + min(n, larger) for n in range(parts + 1)]
    return [runs[begin:end] for begin, end in pairwise(cuts)]


def taken_up(todo: Sequence[Cohort], interrupted: Iterable[Sequence[str]]) -> list[Cohort]:
    """The work to do with each interrupted training as the cohort that it was, and the other runs as they are grouped.

    `interrupted` are run ids in the order of their checkpoints, the furthest first. One that holds a run that needs no
    more work, or that another one before it holds, or runs that cannot train together today, is left to lie.
    """
    runs = {run.run_id: (run, cohort.lowering) for cohort in todo for run in cohort.runs}
    kept: list[Cohort] = []
    held: set[str] = set()
    for ids in interrupted:
        if not ids or not set(ids) <= runs.keys() - held:
            continue
        members = tuple(runs[name][0] for name in ids)
        if len(families(members)) == 1:
            kept.append(Cohort(members, runs[ids[0]][1]))
            held |= set(ids)
    rest = (replace(c, runs=tuple(run for run in c.runs if run.run_id not in held)) for c in todo)
    return [*kept, *(cohort for cohort in rest if cohort.runs)]
