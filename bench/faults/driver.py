"""`disbench` with switches for faults in it: a program that the harness starts in place of the real one.

    python -P -m disbench.bench.faults.driver sweep STUDY --out OUT ...

Nothing in the package knows of faults. This program replaces a handful of its functions and then is the ordinary
command line. The processes that a local sweep starts run its first lines too (as `__mp_main__`, with the arguments of
their parent), and so have the same switches; tasks of other places have none.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from .. import atomic_file, checkpoint, cli, work
from . import switches
from .switches import Switches

CHECKPOINT_SECONDS = 0.15
"""Between checkpoints, instead of minutes."""


def install(found: Switches) -> None:
    """Put the switches into this process."""
    keep_checkpoints_often()
    replaced: tuple[tuple[ModuleType, str, Callable[[Switches, Any], Any]], ...] = (
        (atomic_file, "flush", full_at_times),
        (work, "train", failing_at_times),
        (work, "scores", raising_at_times),
        (work, "now", jumping),
    )
    for module, name, with_switch in replaced:
        setattr(module, name, with_switch(found, getattr(module, name)))


def keep_checkpoints_often() -> None:
    """Let trainings of seconds have as many checkpoints as those of hours."""
    checkpoint.SHARE = 1.0
    real = checkpoint.CohortCheckpoint.__init__

    def often(self: Any, *arguments: Any, **keywords: Any) -> None:
        real(self, *arguments, **{**keywords, "seconds": CHECKPOINT_SECONDS})

    checkpoint.CohortCheckpoint.__init__ = often  # type: ignore[method-assign]


def full_at_times(found: Switches, flush: Callable[[Path], None]) -> Callable[[Path], None]:
    """The flush of every file to the disk, as on a full one: the file ends somewhere, and there is an error."""

    def full(temporary: Path) -> None:
        if found.is_on(switches.DISK_FULL):
            with temporary.open("rb+") as file:
                file.truncate(temporary.stat().st_size // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(temporary)

    return full


def failing_at_times(found: Switches, train: Callable[..., Any]) -> Callable[..., Any]:
    """Training that meets too little memory, once, or a GPU that this process has lost, from then on.

    Too little memory is only met by cohorts of one model: larger ones are halved, and halves have other last bits.
    """
    lost = False

    def look(models: int) -> None:
        nonlocal lost
        lost = lost or found.taken(switches.LOST_DEVICE)
        if lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if models == 1 and found.taken(switches.OUT_OF_MEMORY):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def failing(cohort: Any, data: Any, *, on_images: Callable[[int], None], **keywords: Any) -> Any:
        def counted(images: int) -> None:
            look(len(cohort.runs))
            on_images(images)

        look(len(cohort.runs))
        return train(cohort, data, on_images=counted, **keywords)

    return failing


def raising_at_times(found: Switches, scores: Callable[..., Any]) -> Callable[..., Any]:
    """Scoring, one model of which meets a metric that raises."""

    def raising(*arguments: Any) -> Any:
        if found.taken(switches.RAISING_METRIC):
            raise ZeroDivisionError("float division by zero")
        return scores(*arguments)

    return raising


def jumping(found: Switches, now: Callable[[], str]) -> Callable[[], str]:
    """The moment in UTC, by a clock that is some seconds off."""

    def jumped() -> str:
        seconds = float(found.value(switches.CLOCK) or 0)
        return (datetime.fromisoformat(now()) + timedelta(seconds=seconds)).isoformat(timespec="seconds")

    return jumped


def out_of(arguments: list[str]) -> Path:
    """The output folder that a command line names."""
    return Path(arguments[arguments.index("--out") + 1])


if __name__ in ("__main__", "__mp_main__"):
    sys.argv[0] = "disbench"
    install(Switches(out_of(sys.argv)))

if __name__ == "__main__":
    # A shell that starts this in the background lets it ignore Ctrl-C; people's terminals do not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(cli.main())
