"""A sweep under a random schedule of faults, whose table must be that of an undisturbed one: `disbench faults`.

To add a kind of fault is one function and one row of `FAULTS` in `kinds`; one that is to happen inside of a process
that trains is a switch in `driver`. Where a new place's processes are found says a row of `TRAINS` in `processes`.
"""

from __future__ import annotations

from pathlib import Path

from .harness import Order, Verdict, as_lines, disturbed, undisturbed
from .kinds import FAULTS, Fault, Scene
from .schedule import Planned, schedule

OWN_STUDY = Path(__file__).with_name("study.toml")
"""What is swept unless another study is asked for."""

__all__ = [
    "FAULTS",
    "OWN_STUDY",
    "Fault",
    "Order",
    "Planned",
    "Scene",
    "Verdict",
    "as_lines",
    "disturbed",
    "schedule",
    "undisturbed",
]
