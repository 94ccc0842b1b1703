"""The state of a training in work, so that a kill loses minutes and not days; what goes on is bit for bit the same."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from .atomic_file import temporary_beside, write_atomically
from .bad_input import BadInput
from .checksum import checksum
from .history import History
from .run import Cohort
from .store.listing import listed
from .training_state import TrainingState

SECONDS = 120.0
"""Between checkpoints, at least; more where writing takes long."""

SHARE = 0.02
"""Of the time that may be spent on writing."""

MOST_HEADER_BYTES = 32 * 1024 * 1024

PREVIOUS = ".previous"
"""In the name of the checkpoint before the last one."""


class Left(BaseException):
    """A training was left because it was asked to, with its state kept: no failure, and for no `except Exception`."""


def never() -> bool:
    """Nobody asks a training to be left."""
    return False


class CohortCheckpoint:
    """Two files that hold a cohort's training state and history: the last that was kept, and the one before.

    The one before is there for a last one that cannot be read: then the training loses minutes more, and not days.
    """

    def __init__(
        self, path: Path, cohort: Cohort, *, seconds: float = SECONDS, leaves: Callable[[], bool] = never
    ) -> None:
        self.path, self.cohort, self.seconds, self.leaves = path, cohort, seconds, leaves
        self.previous = previous(path)
        self.run_ids = json.dumps([run.run_id for run in cohort.runs])
        self.kept = time.monotonic()

    def resume(self, state: TrainingState, history: History) -> int:
        """Put the state back to the last that was kept; the steps done by then, 0 if there is none that fits."""
        for path in (self.path, self.previous):
            try:
                about, tensors = read(path)
            except (OSError, ValueError):
                continue  # none, or a damaged one
            done = int(about["done"])
            if about["run_ids"] != self.run_ids or not 0 < done < self.cohort.shared.steps:
                continue
            if not (state.fits(tensors) and history.fits(tensors, done)):
                continue
            state.load(tensors)
            history.load(tensors)
            if path == self.previous:
                # So that the next one to be kept takes the place of the damaged one; another sweep may have done it.
                with contextlib.suppress(OSError):
                    path.replace(self.path)
            return done
        return 0

    def offer(self, done: int, state: TrainingState, history: History) -> None:
        """Keep the state after `done` steps, if the last one is old; the end needs none.

        Raises:
            Left: the training is to be left (`leaves`), and the state is kept however old the last one is.
        """
        leaves = self.leaves()
        old = time.monotonic() - self.kept >= self.seconds
        if done >= self.cohort.shared.steps or not (old or leaves):
            return
        began = time.monotonic()
        tensors = {
            name: value.cpu().contiguous() for name, value in {**state.tensors(), **history.tensors()}.items()
        }
        about = {"run_ids": self.run_ids, "done": str(done)}
        about["checksum"] = whole_checksum(about, tensors)
        self.keep_previous()
        write_atomically(self.path, lambda temporary: save_file(tensors, temporary, about))
        self.kept = time.monotonic()
        self.seconds = max(self.seconds, (self.kept - began) / SHARE)
        if leaves:
            raise Left

    def keep_previous(self) -> None:
        """Give the last one a second name, that of the one before: there is a good one at every moment."""
        temporary = temporary_beside(self.previous)
        try:
            with contextlib.suppress(
                FileNotFoundError
            ):  # the first, or removed by another sweep that is done
                try:
                    os.link(self.path, temporary)
                except OSError:  # a file system without hard links
                    shutil.copyfile(self.path, temporary)
                temporary.replace(self.previous)
        except OSError as error:
            why = error.strerror or error
            raise BadInput(f"{self.previous} cannot be written: {why}; what is finished is kept") from error
        finally:
            temporary.unlink(missing_ok=True)

    def done(self) -> int:
        """Steps that it says are done; 0 if there is none."""
        found = [header(path) for path in (self.path, self.previous)]
        return max((done for done, _ in filter(None, found)), default=0)

    def remove(self) -> None:
        """Forget it: the training is done."""
        self.path.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)


def previous(path: Path) -> Path:
    """Where the checkpoint before the last one lies."""
    return path.with_suffix(f"{PREVIOUS}{path.suffix}")


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """What a checkpoint says of itself, and its tensors.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is damaged.
    """
    # Not through a memory map, which kills a process whose file another machine removes.
    content = path.read_bytes()
    about = metadata(content)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ValueError(f"no tensors: {error}") from error
    if about["checksum"] != whole_checksum(about, tensors):
        raise ValueError("its checksum is another")
    return about, tensors


def whole_checksum(about: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Of the tensors, and of what is said of them."""
    return str(checksum(tensors, f"{about['done']} {about['run_ids']}"))


def metadata(content: bytes) -> dict[str, str]:
    """What the header of a checkpoint says; `content` may be more than that. ValueError if it is none."""
    length = int.from_bytes(content[:8], "little")
    try:
        about = json.loads(content[8 : 8 + length])["__metadata__"]
        int(about["done"])
        return {name: str(about[name]) for name in ("run_ids", "done", "checksum")}
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no header of a checkpoint: {error}") from error


def interrupted(folder: Path) -> list[list[str]]:
    """Run ids of every cohort that has a checkpoint in a folder, those with the most steps done first."""
    found = sorted(headers(folder).values(), key=lambda pair: -pair[0])
    return [run_ids for _, run_ids in found]


def forget(folder: Path, trained: Collection[str]) -> None:
    """Remove the checkpoints of cohorts of which every model is trained: left by a kill between the two."""
    for path, (_, run_ids) in headers(folder).items():
        if set(run_ids) <= set(trained):
            path.unlink(missing_ok=True)


def copy_checkpoints(folders: Sequence[Path], into: Path) -> None:
    """Copy trainings in work, of each cohort the one that is furthest; one that is there already stays."""
    best: dict[str, tuple[int, Path]] = {}
    for folder in folders:
        for path, (done, _) in headers(folder).items():
            try:
                read(path)
            except (OSError, ValueError):
                continue  # damaged: no loss to the new folder
            best[path.name] = max(best.get(path.name, (0, path)), (done, path))
    for name, (_, path) in best.items():
        if not (into / name).exists():
            write_atomically(into / name, partial(shutil.copyfile, path))


def headers(folder: Path) -> dict[Path, tuple[int, list[str]]]:
    """Of every checkpoint in a folder the steps done and the ids of its runs, as it says."""
    found = ((path, header(path)) for path in listed(folder, ".safetensors"))
    return {path: said for path, said in found if said is not None}


def header(path: Path) -> tuple[int, list[str]] | None:
    """The same of one checkpoint; None for a damaged one: its cohort starts again, or from the one before."""
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            about = metadata(start + stream.read(min(MOST_HEADER_BYTES, int.from_bytes(start, "little"))))
        return int(about["done"]), [str(name) for name in json.loads(about["run_ids"])]
    except (OSError, TypeError, RecursionError, ValueError):
        return None
