"""The processes of a sweep, as the system knows them (`/proc`): who trains, and who is still there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..bad_input import BadInput

PROC = Path("/proc")

TRAINS: dict[str, Callable[[bytes], bool]] = {
    "local": lambda command: b"multiprocessing.spawn" in command,
    "ray": lambda command: command.startswith(b"ray::"),
}
"""By place: whether a process below the sweep's own, whose command line this is, trains."""


def require_proc() -> None:
    """`BadInput` where there is no `/proc`."""
    if not (PROC / "self" / "stat").exists():
        raise BadInput("the processes of a sweep are found in /proc, which this system does not have")


def trainers(driver: int, place: str) -> list[int]:
    """Ids of the processes below a sweep's own that train, in the order in which they began."""
    return [pid for pid in below(driver) if TRAINS[place](command_line(pid))]


def below(ancestor: int) -> list[int]:
    """Ids of a process's children, their children, and so on."""
    parents = {int(entry.name): parent(entry) for entry in PROC.iterdir() if entry.name.isdecimal()}
    found: list[int] = []
    level = {ancestor}
    while level:
        level = {pid for pid, of in parents.items() if of in level}
        found += sorted(level)
    return found


def parent(entry: Path) -> int | None:
    """The parent of a process that runs; None of one that has ended."""
    try:
        state, of = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else int(of)


def command_line(pid: int) -> bytes:
    """The arguments of a process, separated by zeros; empty if it has ended."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def runs(pid: int) -> bool:
    """Whether a process has not ended."""
    return parent(PROC / str(pid)) is not None
