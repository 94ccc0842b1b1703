"""What a trained model can do beyond its codes, scored: one file a task, each found by itself.

A module of this folder that has `TASKS`, names to tasks, adds them; `task_catalogue` has all, those of members too.
"""

from .task import Subject, Task

__all__ = ["Subject", "Task"]
