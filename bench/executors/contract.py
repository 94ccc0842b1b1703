"""The seam between a sweep and the place that it runs on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch

from ..progress import Progress
from ..run import Cohort
from ..store import Store
from ..work import CohortEnd


class Executor(Protocol):
    """Takes cohorts, reports how each ended, in any order.

    It may die at any point and be started again with the cohorts that the store does not have.
    """

    def __call__(
        self,
        cohorts: Sequence[Cohort],
        store: Store,
        study_name: str,
        device: torch.device,
        workers: int,
        progress: Progress,
    ) -> Iterator[CohortEnd]:
        """Finish the cohorts, `workers` of them at a time where the place can."""
