"""How often in a row the process of a cohort has died without getting any further."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from ..run import Cohort
from ..store import Store


class Deaths:
    """Of the cohorts of a sweep.

    Whoever dies after having got further than the last time has died of something else than the cohort: machines that
    are often taken away, a neighbour that needs the memory, a person with `kill`. Each training has only so many steps,
    so even one that dies again and again comes to its end.
    """

    most: ClassVar[int] = 3
    """Times that a cohort is begun again though it got no further. One that lasts less than the time between two
    checkpoints gets no further by any death, and twice may be bad luck; a process too many costs seconds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.times: Counter[str] = Counter()
        self.reached: dict[str, tuple[int, ...]] = {}

    def count(self, cohort: Cohort) -> int:
        """Note a death; how many there were since the cohort last got further."""
        name, reached = cohort.cohort_id, self.store.reached(cohort)
        if reached > self.reached.get(name, reached):
            self.times[name] = 0
        self.times[name] += 1
        self.reached[name] = reached
        return self.times[name]
