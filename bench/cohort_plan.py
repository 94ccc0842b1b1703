"""How many models train together, and how their convolutions are carried out: by trial on the device itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import torch

from disbench.datasets import DataSet, entry, load

from .batches import DRAWN_AHEAD
from .cohort import train
from .lowering import TRIED
from .objectives import PLAIN_OBJECTIVES
from .out_of_memory import is_out_of_memory
from .run import Cohort, Plan, Run, digest
from .run_model import Conditioning

Value = TypeVar("Value")

LARGEST = 1024
"""Models in a cohort, at most."""

WORTH = 1.05
"""A larger cohort must train so many times the images a second of a smaller one: it also loses more when it dies."""

GROWTH = 4
"""From one size to the next."""

ROOM = 0.85
"""Share of the free memory that a cohort may take: the rest is for scoring, and for what fragments."""

ON_CPU = Plan(1, "native")
"""One model already fills a core, and more of them leave its cache; measured in results/speed."""


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
        runs = tuple(replace(self.run, seed=seed, steps=2 * DRAWN_AHEAD) for seed in range(plan.size))
        device, images = self.data.device, 0
        marks: list[tuple[float, int]] = []

        def mark(count: int) -> None:
            nonlocal images
            images += count
            torch.cuda.synchronize(device)
            marks.append((time.perf_counter(), images))

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        train(Cohort(runs), self.data, lowering=plan.lowering, on_images=mark)
        peak = torch.cuda.max_memory_allocated(device) - before
        # From the first mark on: until then kernels are chosen and the step is recorded.
        (begun, first), (ended, last) = marks[0], marks[-1]
        return Trial((ended - begun) / (last - first) * self.run.batch_size * plan.size, peak)


@dataclass
class Search:
    """What trials have shown so far."""

    trial: Callable[[Plan], Trial]
    free: int
    """Bytes of the device that cohorts may share."""
    rates: dict[Plan, float] = field(default_factory=dict)
    """Models that advance by a step in a second; 0 for a plan that does not fit."""
    peaks: dict[str, dict[int, int]] = field(default_factory=dict)
    """Bytes by lowering and size."""

    def rate(self, plan: Plan) -> float:
        """Try a plan, unless it was tried before or is predicted not to fit."""
        if plan not in self.rates:
            self.rates[plan] = self.measured(plan) if self.fits(plan) else 0.0
        return self.rates[plan]

    def fits(self, plan: Plan) -> bool:
        """Whether memory that grows as it did between the last two sizes stays within the room."""
        known = {0: 0, **self.peaks.get(plan.lowering, {})}
        if len(known) == 1 or plan.size <= max(known):
            return True
        below, last = sorted(known)[-2:]
        slope = (known[last] - known[below]) / (last - below)
        return known[last] + slope * (plan.size - last) <= ROOM * self.free

    def measured(self, plan: Plan) -> float:
        """Try a plan; 0 if there is too little memory after all."""
        try:
            seconds, peak = self.trial(plan)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return 0.0
        self.peaks.setdefault(plan.lowering, {})[plan.size] = peak
        return plan.size / seconds


def best_plan(trial: Callable[[Plan], Trial], free: int, wanted: int) -> Plan:
    """The plan with the most models trained a second that fits in `free` bytes.

    Each lowering's sizes grow fourfold from 1 up to `wanted`, the number of models that there are, as long as that
    pays and is predicted to fit; then the winner's half and double are tried. `trial` is called with a plan.
    """
    search, largest = Search(trial, free), min(wanted, LARGEST)
    best = Plan(1, TRIED[0])  # natively, one at a time, if nothing fits: it will say so
    for lowering in TRIED:
        size, own = 1, Plan(0, lowering)
        search.rates[own] = 0.0
        while size <= largest and search.rate(Plan(size, lowering)) > WORTH * search.rates[own]:
            size, own = GROWTH * size, Plan(size, lowering)
        if search.rates[own] > search.rate(best):
            best = own
    for size in (best.size // 2, 2 * best.size):
        near = Plan(size, best.lowering)
        if 1 <= size <= largest and search.rate(near) > search.rate(best) * (
            WORTH if size > best.size else 1
        ):
            best = near
    return best


def program(run: Run) -> str:
    """Hash of what a plan depends on: runs of other data, strengths or lengths of training take the same one."""
    parts = (run.architecture, run.objective, run.options.get("permute"), run.latents, run.batch_size)
    several: list[int | str] = [run.codes_an_image] if run.codes_an_image > 1 else []
    if run.objective not in PLAIN_OBJECTIVES:  # its options may be of its nets and its batch
        several.append(digest(dict(run.options)))
    return digest(
        [*parts, *several, run.precision, Conditioning.of(run).size, entry(run.data_set).image_shape]
    )


def once_a_program(function: Callable[[Run], Value]) -> Callable[[Run], Value]:
    """A function of a run whose value is its program's, computed once for each."""
    known: dict[str, Value] = {}

    def remembered(run: Run) -> Value:
        key = program(run)
        if key not in known:
            known[key] = function(run)
        return known[key]

    return remembered


def plan_for(run: Run, data: DataSet, wanted: int, share: float = 1.0) -> Plan:
    """The plan of a run's family on the device of its data, of which `wanted` models are to be trained.

    `share` of the device's memory is the cohort's: others train beside it.
    """
    if data.device.type == "cpu":
        return ON_CPU
    free, _ = torch.cuda.mem_get_info(data.device)
    return best_plan(Trials(run, data), int(share * free), wanted)


def trial_plan(run: Run, wanted: int, device: torch.device, share: float = 1.0) -> Plan:
    """The same on a device, with nothing of the trials left on it: other processes are to train there."""
    try:
        return plan_for(run, load(run.data_set).to(device), wanted, share)
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()
