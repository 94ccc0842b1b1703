"""What a simulated sweep meets: how fast GPUs are and how often they fail. All of it is assumed, none was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, fields

import numpy as np

from ..bad_input import BadInput
from ..checkpoint import SECONDS, SHARE
from ..cohort_plan import program
from ..forecast import ASSUMED_RATE, ASSUMED_SIZE, checkpoint_bytes
from ..placement import FIXED
from ..queue import flops_an_image
from ..run import Cohort, Run
from ..work import SAVED_EVERY_SECONDS

DAY = 86_400.0


@dataclass(frozen=True)
class Conditions:
    """Times in seconds, rates of failures a GPU and day."""

    flops_per_second: float = ASSUMED_RATE["cuda"]
    """Of a GPU that trains a full cohort."""
    size: int = ASSUMED_SIZE
    """Models of a full cohort."""
    fixed: float = FIXED
    """Share of a full cohort's training that a smaller one takes too."""
    program_spread: float = 0.15
    """Standard deviation of the logarithm of a program's time over what its FLOP say: placing does not know it."""
    model_spread: float = 0.3
    """The same of each model's share of its cohort's time: a cohort of 64 varies by an eighth of it."""
    score_seconds: float = 60.0
    """Of a model; placing does not know it either."""
    start_seconds: float = 90.0
    """Of each attempt at a cohort: process, data set, compilation, recording, reading the checkpoint."""
    trial_seconds: float = 60.0
    """Of each program: sizes of its cohorts are tried on one GPU before anything is trained."""
    checkpoint_seconds: float = SECONDS
    """Between checkpoints, or more where writing takes long, as in a sweep; infinite for none."""
    write_bytes_per_second: float = 1e9
    """Of a checkpoint."""
    losses_per_day: float = 0.01
    """A node dies; no fault of its cohort."""
    loss_seconds: float = 3600.0
    """Until there is another one."""
    preemptions_per_day: float = 0.0
    """Somebody else takes the GPU; no fault of its cohort."""
    preemption_seconds: float = 600.0
    """Until it, or another one, is given back."""
    crashes_per_day: float = 0.005
    """The process dies alone: counted, and a cohort that it meets too often is given up until the sweep is repeated."""

    def __post_init__(self) -> None:
        """Refuse what no clock can do."""
        positive = ("flops_per_second", "size", "checkpoint_seconds", "write_bytes_per_second")
        for entry in fields(self):
            value = getattr(self, entry.name)
            above = entry.name in positive
            if math.isnan(value) or value < 0 or (above and value == 0):
                raise BadInput(f"{entry.name} should be {'above 0' if above else '0 or more'}, got {value:g}")
        if self.fixed > 1:
            raise BadInput(f"fixed should be a share, 0 to 1, got {self.fixed:g}")

    @property
    def failures_per_day(self) -> float:
        """Of all kinds."""
        return self.losses_per_day + self.preemptions_per_day + self.crashes_per_day


class Times:
    """How long cohorts of a study take under some conditions; a function of the seed and of the study alone.

    What models take is drawn for each of them and not for cohorts, so that policies which group them otherwise have the
    same work to do.
    """

    def __init__(self, runs: Sequence[Run], conditions: Conditions, seed: int) -> None:
        self.conditions = conditions
        chance = np.random.Generator(np.random.Philox(key=seed))
        programs = {run.run_id: program(run) for run in runs}
        names = list(dict.fromkeys(programs.values()))
        self.programs = len(names)
        of_program = dict(zip(names, lognormal(chance, conditions.program_spread, len(names)), strict=True))
        of_model = lognormal(chance, conditions.model_spread, len(runs))
        self.seconds = {
            run.run_id: flops_an_image(run)
            * run.steps
            * run.batch_size
            / conditions.flops_per_second
            * of_program[programs[run.run_id]]
            * factor
            for run, factor in zip(runs, of_model.tolist(), strict=True)
        }

    def under(self, conditions: Conditions) -> Times:
        """The same draws under conditions of which only checkpoints and failures differ."""
        other = copy(self)
        other.conditions = conditions
        return other

    def training(self, cohort: Cohort) -> float:
        """Of all models of a cohort: a step of K of them takes a + b K."""
        fixed, size = self.conditions.fixed, self.conditions.size
        return sum(self.seconds[run.run_id] for run in cohort.runs) * (
            1 - fixed + fixed * size / len(cohort.runs)
        )

    def scoring(self, cohort: Cohort) -> float:
        """Of all models of a cohort, one after the other."""
        return self.conditions.score_seconds * len(cohort.runs)

    def between_rows(self) -> float:
        """Scoring from one file of rows to the next: whole models, a minute or more of them, as in `work.work`."""
        score = self.conditions.score_seconds
        return math.ceil(SAVED_EVERY_SECONDS / score) * score if score else math.inf

    def writing(self, cohort: Cohort) -> float:
        """Of one checkpoint."""
        if math.isinf(self.conditions.checkpoint_seconds):
            return 0.0
        return checkpoint_bytes(cohort) / self.conditions.write_bytes_per_second

    def between(self, cohort: Cohort) -> float:
        """Training between two checkpoints, by the rule of `CohortCheckpoint`."""
        return max(self.conditions.checkpoint_seconds, self.writing(cohort) / SHARE)

    def least(self, runs: Sequence[Run]) -> float:
        """Device seconds that training and scoring take if every cohort is full and nothing goes wrong."""
        return sum(self.seconds[run.run_id] + self.conditions.score_seconds for run in runs)


def lognormal(
    chance: np.random.Generator, spread: float, count: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Factors of mean 1."""
    return np.exp(spread * chance.standard_normal(count) - spread**2 / 2)


Draw = Callable[[], tuple[float, str]]
"""Seconds until a GPU that is up fails, and how it does."""


def failures(conditions: Conditions, seed: int, device: int) -> Draw:
    """The failures of one GPU, whatever it does: exponential waits from (seed, device) alone."""
    chance = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, device, 1]))
    rates = {
        "loss": conditions.losses_per_day,
        "preemption": conditions.preemptions_per_day,
        "crash": conditions.crashes_per_day,
    }
    total = conditions.failures_per_day

    def draw() -> tuple[float, str]:
        if not total:
            return math.inf, "none"
        wait = float(chance.exponential(DAY / total))
        return wait, str(chance.choice(list(rates), p=[rate / total for rate in rates.values()]))

    return draw
