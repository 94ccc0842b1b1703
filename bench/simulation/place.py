"""A place with GPUs that are not there, and a clock that jumps from event to event."""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..bad_input import BadInput
from ..executors.contract import RETRIES
from ..run import Cohort
from .conditions import Conditions, Times, failures

MOST_ATTEMPTS = 200
"""At a cohort, on average: more are no sweep any more."""


@dataclass
class Tally:
    """Device seconds by what became of them; together they are the devices times the clock."""

    useful: float = 0.0
    """Training and scoring that count."""
    overhead: float = 0.0
    """Trials, starts, checkpoints."""
    lost: float = 0.0
    """Training after the last checkpoint, and scoring after the last rows, that a failure undid."""
    down: float = 0.0
    """Waiting for a GPU to come back."""
    idle: float = 0.0
    """Ready, with nothing to do."""
    failures: Counter[str] = field(default_factory=Counter)
    """By kind, those that met a cohort."""
    attempts: int = 0

    @property
    def total(self) -> float:
        """All of them."""
        return self.useful + self.overhead + self.lost + self.down + self.idle


@dataclass(frozen=True)
class Attempt:
    """A cohort on a device, from `begun` to `end` if nothing happens."""

    cohort: Cohort
    begun: float
    training: float
    """What is left of it."""
    between: float
    writing: float
    scoring: float
    """What is left of it."""
    start: float
    between_rows: float = math.inf
    """Scoring from one file of rows to the next."""

    @property
    def checkpoints(self) -> int:
        """Until the training is done; its end needs none."""
        return max(0, -int(-self.training // self.between) - 1)

    @property
    def trained(self) -> float:
        """Seconds from the beginning to the end of the training."""
        return self.start + self.training + self.checkpoints * self.writing

    @property
    def end(self) -> float:
        """On the clock."""
        return self.begun + self.trained + self.scoring

    def interrupted(self, now: float) -> tuple[float, float, float, float]:
        """Training and scoring that are kept, overhead, and time that is lost, if it dies now."""
        spent = now - self.begun
        if spent >= self.trained:
            scored = spent - self.trained
            kept = scored // self.between_rows * self.between_rows if self.between_rows < scored else 0.0
            return self.training, kept, self.trained - self.training, scored - kept
        if spent <= self.start:
            return 0.0, 0.0, spent, 0.0
        whole = min(self.checkpoints, int((spent - self.start) // (self.between + self.writing)))
        kept = whole * self.between if whole else 0.0  # of no checkpoints, the time between them is infinite
        overhead = self.start + whole * self.writing
        return kept, 0.0, overhead, spent - kept - overhead


class SimulatedPlace:
    """So many GPUs: takes cohorts as an executor does, and keeps what became of their time.

    The front of the queue goes to the first GPU that is free. What a failure interrupts goes back to the front and on
    from its last checkpoint. A cohort whose process dies alone more than `RETRIES` times is given up.
    """

    def __init__(self, devices: int, times: Times, conditions: Conditions, seed: int) -> None:
        self.count, self.times, self.conditions = devices, times, conditions
        self.draws = [failures(conditions, seed, device) for device in range(devices)]
        self.now, self.tally = 0.0, Tally()
        self.kept: dict[str, float] = {}
        """Training seconds of each unfinished cohort that a checkpoint holds."""
        self.scored: dict[str, float] = {}
        """Scoring seconds of each unfinished cohort whose rows are kept."""
        self.ready: dict[int, float] = dict.fromkeys(range(devices), 0.0)
        """GPUs with nothing to do, and since when."""
        self.busy: dict[int, Attempt] = {}
        self.down: dict[int, float] = {}
        """GPUs that are away, and since when."""
        self.events: list[tuple[float, int, str, int, Attempt | None]] = []
        self.ordinal = 0

    def try_sizes(self, programs: int) -> None:
        """Trials on one GPU, for which the others wait; then failures begin."""
        self.now = programs * self.conditions.trial_seconds
        self.tally.overhead += self.now
        self.ready[0] = self.now
        for device in range(self.count):
            self.expect_failure(device)

    def finish(self, cohorts: Sequence[Cohort], at_a_time: int) -> set[str]:
        """Finish the cohorts, in this order; the ids of those that were given up."""
        waiting, deaths, given_up = deque(cohorts), Counter[str](), set[str]()
        most = self.tally.attempts + MOST_ATTEMPTS * len(cohorts)
        while waiting or self.busy:
            while waiting and self.ready and len(self.busy) < at_a_time:
                self.begin(waiting.popleft(), min(self.ready))
            if self.tally.attempts > most:
                raise BadInput(
                    f"a sweep with {self.conditions.failures_per_day:g} failures a GPU and day does not end:"
                    f" more than {MOST_ATTEMPTS} attempts a cohort"
                )
            self.now, _, kind, device, attempt = heapq.heappop(self.events)
            if kind == "end":
                if self.busy.get(device) is attempt:
                    self.end(device)
            elif kind == "back":
                self.tally.down += self.now - self.down.pop(device)
                self.ready[device] = self.now
                self.expect_failure(device)
            elif (cohort := self.fail(device, kind)) is not None:
                deaths[cohort.cohort_id] += kind == "crash"
                if deaths[cohort.cohort_id] > RETRIES:
                    given_up.add(cohort.cohort_id)
                else:
                    waiting.appendleft(cohort)
        return given_up

    def close(self) -> None:
        """Count the time of GPUs that have nothing to do, or are away, when everything is done."""
        self.tally.idle += sum(self.now - since for since in self.ready.values())
        self.tally.down += sum(self.now - since for since in self.down.values())

    def interrupted(self) -> list[str]:
        """Ids of the cohorts that have a checkpoint, the furthest first."""
        return sorted(self.kept, key=lambda name: -self.kept[name])

    def begin(self, cohort: Cohort, device: int) -> None:
        """Give a cohort to a GPU that is ready."""
        self.tally.idle += self.now - self.ready.pop(device)
        self.tally.attempts += 1
        times, kept = self.times, self.kept.get(cohort.cohort_id, 0.0)
        scored = self.scored.get(cohort.cohort_id, 0.0)
        attempt = Attempt(
            cohort,
            begun=self.now,
            training=max(0.0, times.training(cohort) - kept),
            between=times.between(cohort),
            writing=times.writing(cohort),
            scoring=max(0.0, times.scoring(cohort) - scored),
            between_rows=times.between_rows(),
            start=self.conditions.start_seconds,
        )
        self.busy[device] = attempt
        self.expect(attempt.end, "end", device, attempt)

    def end(self, device: int) -> None:
        """A cohort is done."""
        attempt = self.busy.pop(device)
        self.tally.useful += attempt.training + attempt.scoring
        self.tally.overhead += attempt.trained - attempt.training
        self.kept.pop(attempt.cohort.cohort_id, None)
        self.scored.pop(attempt.cohort.cohort_id, None)
        self.ready[device] = self.now

    def fail(self, device: int, kind: str) -> Cohort | None:
        """A GPU fails; the cohort that it had, if any."""
        attempt = self.busy.pop(device, None)
        if attempt is None:
            self.tally.idle += self.now - self.ready.pop(device)
        else:
            kept, scored, overhead, lost = attempt.interrupted(self.now)
            self.tally.useful += kept + scored
            self.tally.overhead += overhead
            self.tally.lost += lost
            self.tally.failures[kind] += 1
            name = attempt.cohort.cohort_id
            if kept:
                self.kept[name] = self.kept.get(name, 0.0) + kept
            if scored:
                self.scored[name] = self.scored.get(name, 0.0) + scored
        self.down[device] = self.now
        away = {"loss": self.conditions.loss_seconds, "preemption": self.conditions.preemption_seconds}
        self.expect(self.now + away.get(kind, 0.0), "back", device)
        return attempt.cohort if attempt else None

    def expect_failure(self, device: int) -> None:
        """Of a GPU that is up."""
        wait, kind = self.draws[device]()
        if kind != "none":
            self.expect(self.now + wait, kind, device)

    def expect(self, moment: float, kind: str, device: int, attempt: Attempt | None = None) -> None:
        """Put an event on the clock; of those at one moment the earlier one of these comes first."""
        self.ordinal += 1
        heapq.heappush(self.events, (moment, self.ordinal, kind, device, attempt))
