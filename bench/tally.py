"""Counting trained images, and saying so at least every second, however slow a step is."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 1.0


class Tally:
    """Passes counts on to `tell`, a second's worth at a time."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.tell = tell
        self.untold, self.told = 0, time.monotonic()

    def add(self, images: int) -> None:
        """Count images; passed on once a second."""
        self.untold += images
        if time.monotonic() - self.told >= SECONDS:
            self.pass_on()

    def pass_on(self) -> None:
        """Pass on what has been counted and not told."""
        if self.untold:
            self.tell(self.untold)
        self.untold, self.told = 0, time.monotonic()
