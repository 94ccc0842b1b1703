"""Where cohorts run: the table of places that `--on` can name."""

from __future__ import annotations

from .contract import Executor
from .local import local

EXECUTORS: dict[str, Executor] = {"local": local}

__all__ = ["EXECUTORS", "Executor"]
