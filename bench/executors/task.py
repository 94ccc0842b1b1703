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
from ..lost_device import LostDevice, is_lost_device
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
    cohort: Cohort,
    folder: Path,
    study_name: str,
    device: torch.device,
    on_images: Callable[[int], None],
    leaves: Callable[[], bool] | None = None,
) -> CohortEnd:
    """Finish a cohort: its rows are in the folder when this returns.

    Raises:
        Left: `leaves` said that the training is to be left; its state is kept.
        BadInput: the data set cannot be opened here or has other pixels than where the sweep began, or a file cannot
            be written. To be passed on to whoever runs the sweep.
        LostDevice: this process must take no further cohort and end; that counts as its death with this one in hand.
    """
    name, content = cohort.shared.data_set, content_digest(cohort.shared.data_set)
    if content != cohort.shared.data_content:
        raise BadInput(
            f"{name} is not what it is where the sweep was begun ({content or 'rendered'} here,"
            f" {cohort.shared.data_content or 'rendered'} there); give all machines the same DISBENCH_DATA"
        )
    return finish(cohort, placed(name, content, device), Store(folder, leaves), study_name, on_images)


@cache
def placed(name: str, content: str | None, device: torch.device) -> DataSet:
    """A data set on a device, kept for the next cohort; `content` tells apart files that changed under one name."""
    try:
        return load(name).to(device)
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error
    except RuntimeError as error:
        if is_lost_device(error):
            raise LostDevice(f"{type(error).__name__}: {error}".splitlines()[0]) from error
        raise
