"""How many models train together, and how their convolutions are carried out: by trial on the device itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from disbench.datasets import DataSet

from .cohort import train
from .lowering import LOWERINGS
from .out_of_memory import is_out_of_memory
from .run import Cohort, Plan, Run

LARGEST = 1024
"""Models in a cohort, at most."""

WORTH = 1.05
"""A larger cohort must train so many times the images a second of a smaller one: it also loses more when it dies."""

ROOM = 0.85
"""Share of the free memory that a cohort may take: the rest is for scoring, and for what fragments."""

ON_CPU = Plan(1, "native")
"""One model already fills a core, and more of them leave its cache; measured in results/speed."""

TRIAL_STEPS = 40


class Trial(NamedTuple):
    """What a cohort of some size costs."""

    seconds: float
    """A step."""
    bytes: int
    """At the peak."""


@dataclass(frozen=True)
class Trials:
    """Tries cohorts of a run's family on the device of a data set."""

    run: Run
    data: DataSet

    def __call__(self, plan: Plan) -> Trial:
        """Train some steps; raises the device's out-of-memory error where it does not fit."""
        short = [replace(self.run, seed=seed, steps=TRIAL_STEPS) for seed in range(plan.size)]
        device = self.data.device
        marks: list[float] = []

        def mark(images: int) -> None:
            torch.cuda.synchronize(device)
            marks.append(time.perf_counter())

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        # Twice: the first time builds kernels and records the graph.
        for runs in (short, short):
            mark(0)
            train(Cohort(tuple(runs)), self.data, lowering=plan.lowering, on_images=mark)
        seconds = (marks[-1] - marks[-2]) / TRIAL_STEPS
        return Trial(seconds, torch.cuda.max_memory_allocated(device) - before)


def best_plan(trial: Callable[[Plan], Trial], free: int, wanted: int) -> Plan:
    """The plan with the most models trained a second that fits in `free` bytes.

    Sizes double from 1 up to `wanted`, the number of models that there are, as long as that pays and is predicted to
    fit; an out-of-memory error ends a lowering's trials and no more. `trial` is called with a plan.
    """
    best, rate = Plan(1, next(iter(LOWERINGS))), 0.0
    for lowering in LOWERINGS:
        size, own, smaller = 1, 0.0, 0
        while size <= min(wanted, LARGEST):
            try:
                seconds, peak = trial(Plan(size, lowering))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                break
            if size / seconds > rate:
                best, rate = Plan(size, lowering), size / seconds
            if size / seconds < WORTH * own:
                break
            own = max(own, size / seconds)
            # The last doubling added `peak - smaller`; the next adds twice that.
            if peak + 2 * (peak - smaller) > ROOM * free:
                break
            size, smaller = 2 * size, peak
    return best


def plan_for(run: Run, data: DataSet, wanted: int) -> Plan:
    """The plan of a run's family on the device of its data, of which `wanted` models are to be trained."""
    if data.device.type == "cpu":
        return ON_CPU
    free, _ = torch.cuda.mem_get_info(data.device)
    return best_plan(Trials(run, data), free, wanted)
