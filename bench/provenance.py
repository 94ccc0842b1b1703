"""Where a number comes from: versions, device, commit, time."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

DISTRIBUTIONS = ("disbench", "torch", "numpy", "scipy", "scikit-learn", "lightgbm", "pandas")
"""The packages whose versions can move a number."""


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can move a number."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def commit() -> str:
    """Commit of the checkout that this code runs from, `-dirty` if changed; empty for an installed package."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        # Inside somebody else's repository (a virtual environment in a project) the commit would be theirs.
        if Path(git("rev-parse", "--show-toplevel")) != folder.parent:
            return ""
        dirty = "-dirty" if git("status", "--porcelain", "--untracked-files=no") else ""
        return git("rev-parse", "--short=12", "HEAD") + dirty
    except (OSError, subprocess.SubprocessError):
        return ""


def device_name(device: torch.device) -> str:
    """The device in words, as people compare it."""
    if device.type == "cuda":
        # A cohort that came to nothing on another machine may be written down where there is no GPU.
        return torch.cuda.get_device_name(device) if torch.cuda.is_available() else "a CUDA device"
    threads = torch.get_num_threads()
    return f"CPU {platform.machine()}, {threads} thread{'s' if threads > 1 else ''}"


def now() -> str:
    """The moment in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
