"""The order of cohorts, and the cutting of the last ones, so that no device idles while others have queues.

Pure functions of cohorts, their costs and the number of devices, which are taken to be alike. They are applied to the
whole study and never to what is left of it, and costs are counted and not measured: a sweep that goes on groups its
models as the first one did. Where it cannot (fewer devices today, more seeds) `taken_up` keeps together what an
interrupted training can go on with.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from .run import Cohort, Run, families

FIXED = 0.1
"""Share of a cohort's time that does not shrink with its models. Where a step of K models takes a + b K, the search for
a size stops at the K from which four times as many train no more than 1.05 times the images a second: there a is at
most 0.063 of it. A family too small to get that far has more of it; cutting it still helps a device that idles."""

WORTH = 0.99
"""More pieces must shorten the sweep to so much of what it was: every one compiles, records and scores by itself."""

MOST_PARTS = 4
"""Of a piece that is cut; each of them may be cut again."""

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
    """The cohorts, cut into parts where that ends the study earlier.

    From the cohorts as they are, and from what `evenly_late` makes of them, the piece that ends last is cut again and
    again, as long as the devices then end earlier. Of all that is met on both ways, that of the fewest pieces is taken
    whose makespan is within 1 % of the best. Nothing is cut on one device, or if the models are single already.

    Args:
        cohorts: of a whole study.
        cost: of a run, counted, not measured.
        devices: cohorts at a time.
    """
    if devices == 1 or all(len(cohort.runs) == 1 for cohort in cohorts):
        return list(cohorts)
    whole = [Piece(cost_of(cohort, cost), n, len(cohort.runs)) for n, cohort in enumerate(cohorts)]
    met = [
        schedule
        for start in (whole, evenly_late(whole, devices))
        for schedule in last_cut(Schedule.of(start, devices), whole, devices)
    ]
    best = min(schedule.span for schedule in met)
    chosen = min(
        (schedule for schedule in met if schedule.span * WORTH <= best),
        key=lambda schedule: (len(schedule.pieces), schedule.span),
    )
    sizes: dict[int, list[int]] = {}
    for piece in chosen.pieces:
        sizes.setdefault(piece.cohort, []).append(piece.models)
    return [
        replace(cohort, runs=part)
        for n, cohort in enumerate(cohorts)
        for part in in_sizes(cohort.runs, sorted(sizes[n], reverse=True))
    ]


class Piece(NamedTuple):
    """Some of a cohort's models."""

    cost: float
    cohort: int
    """Its number."""
    models: int

    def cut(self, of: Piece, parts: int) -> list[Piece]:
        """Even parts of it; `of` is the whole cohort."""
        return [
            Piece(of.cost * shrunk(models, of.models), self.cohort, models)
            for models in even_sizes(self.models, parts)
        ]


class Schedule(NamedTuple):
    """Pieces of work, longest first, on devices that each take the next when they are free."""

    pieces: list[Piece]
    ends: list[float]
    """Of the devices, the last first."""
    last: int
    """Position of the piece that ends last."""

    @classmethod
    def of(cls, pieces: Iterable[Piece], devices: int) -> Schedule:
        """The schedule of pieces in any order."""
        queue = sorted(pieces, key=lambda piece: (-piece.cost, piece.cohort))
        free, last, span = [0.0] * devices, 0, 0.0
        for position, piece in enumerate(queue):
            end = free[0] + piece.cost
            heapq.heapreplace(free, end)
            if end > span:
                last, span = position, end
        return cls(queue, sorted(free, reverse=True), last)

    @property
    def span(self) -> float:
        """When the last piece ends."""
        return self.ends[0]


def last_cut(schedule: Schedule, whole: Sequence[Piece], devices: int) -> Iterator[Schedule]:
    """The schedule, and those in which ever more of what ends last is cut.

    The piece that ends last becomes two, three or four, whatever brings the ends of the devices down most, the last of
    them first: where several are last, one less is worth it, for the others follow.
    """
    while True:
        yield schedule
        before, piece = schedule.ends, schedule.pieces[schedule.last]
        others = schedule.pieces[: schedule.last] + schedule.pieces[schedule.last + 1 :]
        cuts = [
            Schedule.of(others + piece.cut(whole[piece.cohort], parts), devices)
            for parts in range(2, min(MOST_PARTS, piece.models) + 1)
        ]
        schedule = min(cuts, key=lambda cut: cut.ends, default=schedule)
        if schedule.ends >= before:
            return


def evenly_late(whole: Sequence[Piece], devices: int) -> list[Piece]:
    """The cohorts, those that would still be at work when an even share for every device is done in even parts.

    The number of parts is the one with the least makespan; cheaper cohorts get fewer.
    """
    queue = Schedule.of(whole, devices).pieces
    share = sum(piece.cost for piece in whole) / devices
    late = {
        piece.cohort
        for piece, end in zip(queue, ends([piece.cost for piece in queue], devices), strict=True)
        if end > share * (1 + 1e-9) and piece.models > 1
    }
    if not late:
        return list(whole)
    largest = max(whole[number].cost for number in late)

    def cut(piece: Piece, parts: int) -> list[Piece]:
        if piece.cohort not in late:
            return [piece]
        own = math.ceil(parts * piece.cost / largest - 1e-9)
        return piece.cut(piece, min(piece.models, max(1, own)))

    most = min(devices, max(whole[number].models for number in late))
    found = [[part for piece in whole for part in cut(piece, parts)] for parts in range(1, most + 1)]
    return min(found, key=lambda pieces: makespan((piece.cost for piece in pieces), devices))


def shrunk(models: int, of: int) -> float:
    """Share of a cohort's time that a part of its models takes."""
    return 1.0 if models == of else FIXED + (1 - FIXED) * models / of


def even_sizes(models: int, parts: int) -> list[int]:
    """Numbers of models in so many parts, which differ by one at most; the larger come first."""
    small, larger = divmod(models, parts)
    return [small + (part < larger) for part in range(parts)]


def in_sizes(runs: tuple[Run, ...], sizes: Sequence[int]) -> list[tuple[Run, ...]]:
    """Runs in parts of these sizes, in their order."""
    return [runs[begin:end] for begin, end in pairwise(accumulate(sizes, initial=0))]


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
