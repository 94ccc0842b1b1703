"""All tasks that a study can name among its metrics: those for any model, then those that members bring."""

from __future__ import annotations

from . import tasks
from .catalogue import joined
from .family import MEMBERS
from .found import found
from .tasks import Task

TASKS: dict[str, Task] = joined(
    [
        *found(tasks.__name__, tasks.__path__, "TASKS", dict).values(),
        *(member.tasks for member in MEMBERS.values()),
    ]
)
