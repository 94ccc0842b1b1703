"""Simulated sweeps as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from .conditions import Conditions
from .simulate import Simulated

HOUR = 3600.0

COLUMNS = (
    "GPUs",
    "policy",
    "cohorts",
    "makespan, h",
    "of the bound",
    "idle",
    "down",
    "overhead",
    "lost, GPU-h",
    "retries",
    "given up",
)


def record(found: Simulated) -> dict[str, Any]:
    """One sweep, in plain numbers: hours, shares of all device time, counts."""
    tally = found.tally
    return {
        "gpus": found.gpus,
        "policy": found.policy,
        "models": found.models,
        "cohorts": found.cohorts,
        "makespan_hours": found.seconds / HOUR,
        "least_hours": found.least_seconds / HOUR,
        "of_least": found.seconds / found.least_seconds,
        "useful_share": found.share(tally.useful),
        "idle_share": found.share(tally.idle),
        "down_share": found.share(tally.down),
        "overhead_share": found.share(tally.overhead),
        "lost_share": found.share(tally.lost),
        "lost_device_hours": tally.lost / HOUR,
        "failures": dict(sorted(tally.failures.items())),
        "retries": tally.attempts - found.cohorts,
        "given_up": found.given_up,
        "sweeps": found.sweeps,
    }


def as_mapping(
    simulated: Sequence[Simulated], conditions: Conditions, study: str, seed: int
) -> dict[str, Any]:
    """For JSON."""
    return {
        "study": study,
        "seed": seed,
        "assumed": asdict(conditions),
        "simulated": [record(found) for found in simulated],
    }


def as_text(simulated: Sequence[Simulated], conditions: Conditions, study: str, seed: int) -> str:
    """For people: what was assumed, and a Markdown table."""
    lines = [
        (
            f"{number['gpus']:,}",
            number["policy"],
            f"{number['cohorts']:,}",
            f"{number['makespan_hours']:,.1f}",
            f"{number['of_least']:.3f}",
            *(f"{100 * number[f'{share}_share']:.1f} %" for share in ("idle", "down", "overhead")),
            f"{number['lost_device_hours']:,.1f}",
            f"{number['retries']:,}",
            f"{number['given_up']:,}",
        )
        for number in map(record, simulated)
    ]
    table = tabulate(
        lines, COLUMNS, tablefmt="pipe", disable_numparse=True, colalign=("right", "left", *["right"] * 9)
    )
    return f"{assumptions(simulated, conditions, study, seed)}\n\n{table}"


def assumptions(simulated: Sequence[Simulated], conditions: Conditions, study: str, seed: int) -> str:
    """What the table rests on."""
    models = simulated[0].models
    work = simulated[0].least_seconds * simulated[0].gpus / HOUR
    return "\n".join(
        [
            f"simulated  {study}: {models:,} models, in cohorts of {conditions.size} at most; seed {seed}",
            f"assumed    {conditions.flops_per_second / 1e12:g} TFLOP/s a GPU (no GPU was measured),"
            f" {conditions.score_seconds:g} s to score a model: {work:,.0f} GPU-hours of work;",
            f"           a program's time {100 * conditions.program_spread:g} % about what its FLOP say;"
            f" {conditions.trial_seconds:g} s to try its sizes;",
            f"           {conditions.start_seconds:g} s to begin a cohort,"
            f" a checkpoint each {conditions.checkpoint_seconds:g} s or more",
            f"failures   a GPU and day: {conditions.losses_per_day:g} nodes lost"
            f" (away for {conditions.loss_seconds / 60:g} min), {conditions.preemptions_per_day:g} preemptions"
            f" (away for {conditions.preemption_seconds / 60:g} min), {conditions.crashes_per_day:g} crashes",
        ]
    )
