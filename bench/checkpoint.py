"""The state of a training in work, so that a kill loses minutes and not days; what goes on is bit for bit the same."""

from __future__ import annotations

import json
import time
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .atomic_file import write_atomically
from .history import History
from .run import Cohort
from .training_state import TrainingState

SECONDS = 120.0
"""Between checkpoints, at least; more where writing takes long."""

SHARE = 0.02
"""Of the time that may be spent on writing."""


class CohortCheckpoint:
    """One file that holds a cohort's training state and history after some number of steps."""

    def __init__(self, path: Path, cohort: Cohort, *, seconds: float = SECONDS) -> None:
        self.path, self.cohort, self.seconds = path, cohort, seconds
        self.run_ids = json.dumps([run.run_id for run in cohort.runs])
        self.kept = time.monotonic()

    def resume(self, state: TrainingState, history: History) -> int:
        """Put the state back to the last that was kept; the steps done by then, 0 if there is none that fits."""
        try:
            with safe_open(self.path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            done = int(about["done"])
        except (OSError, SafetensorError, KeyError, ValueError):
            return 0  # none, or a damaged one: the cohort starts again
        fits = all(
            name in tensors and tensors[name].shape == value.shape and tensors[name].dtype == value.dtype
            for name, value in state.tensors().items()
        )
        if not fits or about.get("run_ids") != self.run_ids:
            return 0
        state.load(tensors)
        history.load(tensors)
        return done

    def offer(self, done: int, state: TrainingState, history: History) -> None:
        """Keep the state after `done` steps, if the last one is old; the end needs none."""
        if time.monotonic() - self.kept < self.seconds or done >= self.cohort.shared.steps:
            return
        began = time.monotonic()
        tensors = {
            name: value.cpu().contiguous() for name, value in {**state.tensors(), **history.tensors()}.items()
        }
        about = {"run_ids": self.run_ids, "done": str(done)}
        write_atomically(self.path, lambda temporary: save_file(tensors, temporary, about))
        self.kept = time.monotonic()
        self.seconds = max(self.seconds, (self.kept - began) / SHARE)

    def remove(self) -> None:
        """Forget it: the training is done."""
        self.path.unlink(missing_ok=True)


def interrupted(folder: Path) -> list[list[str]]:
    """Run ids of every cohort that has a checkpoint in a folder, those with the most steps done first."""
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
            found.append((int(about["done"]), [str(name) for name in json.loads(about["run_ids"])]))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            continue  # a damaged one: its cohort starts again
    return [names for _, names in sorted(found, key=lambda pair: -pair[0])]
