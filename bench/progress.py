"""What a person sees of long work: a bar on a terminal, a plain line now and then elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from .run import Cohort

HEARTBEAT_SECONDS = 10.0
"""Between plain lines."""


class Progress:
    """Counts images and models of a sweep and shows them; `quiet` shows nothing."""

    def __init__(self, models: int, images: int, *, quiet: bool = False) -> None:
        self.models, self.total = models, images
        self.models_done = self.images_done = 0
        self.quiet = quiet
        self.label = ""
        self.started = self.spoke = time.monotonic()
        self.bar: RichProgress | None = None
        if not quiet and sys.stderr.isatty():
            self.bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self.task = self.bar.add_task("starting", total=images, rate="")

    def __enter__(self) -> Self:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def cohort_starts(self, cohort: Cohort) -> None:
        """Say what is being trained."""
        first, others = cohort.runs[0].label, len(cohort.runs) - 1
        self.label = first + (f" and {others} more" if others else "")
        self.show()

    def images(self, count: int) -> None:
        """Count trained images."""
        self.images_done += count
        self.show()

    def models_end(self, count: int) -> None:
        """Count finished models."""
        self.models_done += count
        self.show(now=self.models_done == self.models)

    def rendering(self, data_set: str) -> Callable[[int, int], None]:
        """A callback for a data set that builds its cache: (images done, images in all)."""

        def show(done: int, total: int) -> None:
            if self.bar:
                self.bar.update(self.task, description=f"rendering {data_set}: {done} of {total} images")
            elif not self.quiet and self.due():
                self.line(f"rendering {data_set} once: {done} of {total} images")

        return show

    def show(self, *, now: bool = False) -> None:
        """Bring the bar up to date, or say a line if the last was long ago."""
        seconds = time.monotonic() - self.started
        rate = f"{self.images_done / max(seconds, 1e-9):,.0f} images/s"
        if self.bar:
            description = f"{self.models_done}/{self.models} models, {self.label}"
            self.bar.update(self.task, completed=self.images_done, description=description, rate=rate)
        elif not self.quiet and (now or self.due()):
            left = seconds * (self.total / self.images_done - 1) if self.images_done else float("nan")
            remaining = f", about {left:.0f} s left" if left == left else ""
            self.line(
                f"{self.models_done} of {self.models} models, {rate}, {seconds:.0f} s{remaining}: {self.label}"
            )

    def due(self) -> bool:
        """Whether the last plain line was long ago."""
        return time.monotonic() - self.spoke >= HEARTBEAT_SECONDS

    def line(self, text: str) -> None:
        """Say a plain line."""
        self.spoke = time.monotonic()
        print(text, file=sys.stderr, flush=True)
