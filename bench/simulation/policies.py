"""Ways to work through a study: what a sweep does, and what it would cost to leave parts of it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..queue import Queue, queued
from ..run import Plan, Run


@dataclass(frozen=True)
class Policy:
    """What of a sweep's way is kept."""

    longest_first: bool = True
    cut: bool = True
    checkpoints: bool = True

    def queue(self, runs: Sequence[Run], size: int, devices: int) -> Queue:
        """The queue of a study as a sweep makes it, without what this policy leaves out."""
        queue = queued(runs, lambda members: Plan(size), devices, cut=self.cut)
        # Where all cost the same, they stay in the study's order.
        return queue if self.longest_first else replace(queue, cost=lambda run: 0.0)


POLICIES = {
    "as a sweep does": Policy(),
    "last cohorts not cut": Policy(cut=False),
    "nor longest first": Policy(cut=False, longest_first=False),
    "no checkpoints": Policy(checkpoints=False),
}
"""The first is what a sweep does."""
