"""What runs where a cohort is: the body of every task, in a process that may have seen other cohorts before."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

from disbench.datasets import DataSet, load

from ..allocator import keep_freed_memory
from ..bad_input import BadInput
from ..data_content import content_digest
from ..run import Cohort
from ..store import Store
from ..work import CohortEnd, finish


def prepare(device: torch.device, threads: int) -> None:
    """Make this process one that trains on a device with so many threads; once, before its first cohort."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def take(
    cohort: Cohort, folder: Path, study_name: str, device: torch.device, on_images: Callable[[int], None]
) -> CohortEnd:
    """Finish a cohort: its rows are in the folder when this returns.

    Raises:
        BadInput: the data set cannot be opened here or has other pixels than where the sweep began, or a file cannot
            be written. To be passed on to whoever runs the sweep.
    """
    name, content = cohort.shared.data_set, content_digest(cohort.shared.data_set)
    if content != cohort.shared.data_content:
        raise BadInput(
            f"{name} is not what it is where the sweep was begun ({content or 'rendered'} here,"
            f" {cohort.shared.data_content or 'rendered'} there); give all machines the same DISBENCH_DATA"
        )
    return finish(cohort, placed(name, content, device), Store(folder), study_name, on_images)


@cache
def placed(name: str, content: str | None, device: torch.device) -> DataSet:
    """A data set on a device, kept for the next cohort; `content` tells apart files that changed under one name."""
    try:
        return load(name).to(device)
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error
