"""Time, where clocks disagree and jump."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from ..atomic_file import temporary_beside


def file_system_time(folder: Path) -> float:
    """Now, by the clock that gives a folder's files their times: on NFS the server's, not this machine's."""
    probe = temporary_beside(folder / "clock")
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def later(moment: str, than: str | None) -> str:
    """A moment (ISO 8601, UTC, to the second), or the second after another one if the clock has been set back."""
    if than is None or moment > than:
        return moment
    try:
        return (datetime.fromisoformat(than) + timedelta(seconds=1)).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return moment  # no moment, or the last one
