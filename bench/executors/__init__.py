"""Where cohorts run: the table of places that `--on` can name."""

from __future__ import annotations

from typing import cast

from .contract import Detached, Executor, Job, Request
from .local import Local
from .ray import Ray
from .slurm import Slurm

EXECUTORS: dict[str, type[Executor]] = {"local": Local, "ray": Ray, "slurm": Slurm}
"""A place's module may be imported without its engine, which it asks for when it is built."""


def detached() -> dict[str, Detached]:
    """The places whose work goes on without a sweep, by name."""
    return {name: cast(Detached, place) for name, place in EXECUTORS.items() if isinstance(place, Detached)}


__all__ = ["EXECUTORS", "Detached", "Executor", "Job", "Request", "detached"]
