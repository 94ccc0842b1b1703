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

from .duration import duration
from .run import Cohort

HEARTBEAT_SECONDS = 10.0
"""Between plain lines."""

KNOWN_AFTER_SECONDS = 20.0
"""Of training, what is left is worth saying: before, it is the time that processes and data sets take to begin."""


class Progress:
    """Counts images and models of a sweep and shows them; `quiet` shows nothing."""

    def __init__(self, models: int, images: int, *, quiet: bool = False) -> None:
        self.models, self.total = models, images
        self.models_done = self.images_done = 0
        self.quiet = quiet
        self.label = ""
        self.started = self.spoke = time.monotonic()
        self.first: tuple[float, int] | None = None
        """When images were first counted, and how many: speed is from there on."""
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
        if self.first is None:
            self.first = time.monotonic(), self.images_done
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
        rate = self.rate()
        speed = f"{rate:,.0f} images/s" if rate else ""
        if self.bar:
            description = f"{self.models_done}/{self.models} models, {self.label}"
            self.bar.update(self.task, completed=self.images_done, description=description, rate=speed)
        elif not self.quiet and (now or self.due()):
            left = (self.total - self.images_done) / rate if rate else 0.0
            parts = [
                f"{self.models_done} of {self.models} models",
                speed,
                duration(time.monotonic() - self.started),
                f"about {duration(left)} left" if left > 0 else "",
            ]
            self.line(", ".join(part for part in parts if part) + f": {self.label}")

    def rate(self) -> float | None:
        """Images a second since the first were counted; None until that says something."""
        if self.first is None:
            return None
        began, counted = self.first
        seconds = time.monotonic() - began
        if seconds < KNOWN_AFTER_SECONDS or self.images_done <= counted:
            return None
        return (self.images_done - counted) / seconds

    def due(self) -> bool:
        """Whether the last plain line was long ago."""
        return time.monotonic() - self.spoke >= HEARTBEAT_SECONDS

    def line(self, text: str) -> None:
        """Say a plain line."""
        self.spoke = time.monotonic()
        print(text, file=sys.stderr, flush=True)
