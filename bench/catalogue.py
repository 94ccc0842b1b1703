"""All that a study can name: objectives and nets, those of ordinary VAEs first, then the family's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from .family import MEMBERS
from .models import PLAIN_ARCHITECTURES, Architecture
from .objectives import PLAIN_OBJECTIVES, Objective

Thing = TypeVar("Thing")


def joined(tables: Iterable[Mapping[str, Thing]]) -> dict[str, Thing]:
    """Tables as one; no name is taken twice."""
    whole: dict[str, Thing] = {}
    for table in tables:
        if twice := whole.keys() & table.keys():
            raise TypeError(f"{', '.join(sorted(twice))}: named twice")
        whole |= table
    return whole


OBJECTIVES: dict[str, Objective] = joined(
    [PLAIN_OBJECTIVES, *(member.objectives for member in MEMBERS.values())]
)

ARCHITECTURES: dict[str, Architecture] = joined(
    [PLAIN_ARCHITECTURES, *(member.architectures for member in MEMBERS.values())]
)
