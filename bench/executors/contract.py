"""The seam between a sweep and the place that it runs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ..progress import Progress
from ..run import Cohort
from ..store import Store


@dataclass(frozen=True)
class CohortEnd:
    """How a cohort ended; its rows are in the store by then."""

    cohort: Cohort
    statuses: Mapping[str, str]
    """Run id to done, diverged or failed."""
    error: str | None = None


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
        progress: Progress,
    ) -> Iterator[CohortEnd]:
        """Finish the cohorts."""
