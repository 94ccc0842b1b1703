"""Which faults strike when: drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple


class Planned(NamedTuple):
    """A fault that is to strike."""

    kind: str
    """Key of `FAULTS`."""
    share: float
    """Of the study's steps, that must be done first; from 0 to 1."""
    delay: float
    """Seconds after that: strikes anywhere between two checkpoints, and in the start of a sweep."""
    seed: int
    """Of what else about it is chance: which process, which file, which bit."""


LONGEST_DELAY = 0.5


def schedule(seed: int, count: int, kinds: Sequence[str]) -> list[Planned]:
    """`count` faults in the order in which they strike, spread over the whole of a sweep.

    No kind comes again before each had its turn.
    """
    chance = random.Random(seed)
    names: list[str] = []
    while len(names) < count:
        names += chance.sample(kinds, len(kinds))
    shares = sorted(chance.random() for _ in range(count))
    return [
        Planned(kind, share, chance.uniform(0, LONGEST_DELAY), chance.getrandbits(32))
        for kind, share in zip(names, shares, strict=False)
    ]
