"""Cohorts one after the other, in this process, on one device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from disbench.datasets import DataSet, load

from ..progress import Progress
from ..run import Cohort
from ..store import Store
from ..work import failed_rows, work
from .contract import CohortEnd


def local(
    cohorts: Sequence[Cohort], store: Store, study_name: str, device: torch.device, progress: Progress
) -> Iterator[CohortEnd]:
    """Finish each cohort in turn; one that raises ends as failed rows and the next begins."""
    opened: dict[str, DataSet] = {}
    for cohort in cohorts:
        name = cohort.shared.data_set
        if name not in opened:
            opened[name] = load(name, progress=progress.rendering(name)).to(device)
        progress.cohort_starts(cohort)
        try:
            rows = work(cohort, opened[name], store, study_name, progress.images)
        except (KeyboardInterrupt, OSError):
            raise  # the user's wish, or a disk that the next cohort would find as full as this one did
        except Exception as error:
            failures = failed_rows(cohort, error, study_name, device)
            store.save_rows(cohort, failures)
            yield CohortEnd(cohort, {run.run_id: "failed" for run in cohort.runs}, str(error))
        else:
            yield CohortEnd(cohort, {row["run_id"]: row["status"] for row in rows})
