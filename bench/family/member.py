"""What a file of this folder adds to the benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..models import Architecture
from ..objectives import Objective
from ..tasks import Task


@dataclass(frozen=True)
class Member:
    """A member of the family: its objectives, nets of its own, scores of its own, each by the name a study says."""

    objectives: Mapping[str, Objective]
    architectures: Mapping[str, Architecture] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
