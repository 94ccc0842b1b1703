"""A sweep that runs: the command in a process group of its own, and what it says."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Self

from ..one_line import one_line
from .processes import trainers

PLAIN = (sys.executable, "-P", "-c", "import sys; from disbench.bench.cli import main; sys.exit(main())")
"""The command line as it is."""

WITH_SWITCHES = (sys.executable, "-P", "-m", "disbench.bench.faults.driver")
"""The same with faults in it; see `driver`."""

PROGRESS = re.compile(r"\d+ of \d+ models, ")
"""How the lines begin that say how far a sweep is."""

POLL_SECONDS = 0.02


class RunningSweep:
    """`disbench sweep ...`, from its start to its end; what it prints lies in files of `logs`."""

    def __init__(self, program: Sequence[str], arguments: Sequence[str], place: str, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        name = f"{len(list(logs.glob('*.stderr'))):02d}"
        self.place, self.errors = place, logs / f"{name}.stderr"
        self.read_until = 0
        with (logs / f"{name}.stdout").open("wb") as out, self.errors.open("wb") as errors:
            self.process = self.begun([*program, *arguments], out, errors)

    @staticmethod
    def begun(command: Sequence[str], out: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        """The process, in a session of its own: a signal to its group reaches what a terminal's would."""
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Of the driver, and of its process group."""
        return self.process.pid

    @property
    def status(self) -> int | None:
        """The exit status, minus the signal that ended it; None while it runs."""
        return self.process.poll()

    def trainers(self) -> list[int]:
        """Ids of the processes that train for it."""
        return trainers(self.pid, self.place) if self.status is None else []

    def said(self) -> list[str]:
        """The lines on standard error since the last call, without those of progress."""
        with self.errors.open("rb") as stream:
            stream.seek(self.read_until)
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1] if self.status is None else content
        self.read_until += len(whole)
        lines = (one_line(line) for line in whole.decode(errors="replace").splitlines())
        return [line for line in lines if line and not PROGRESS.match(line)]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the driver."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def send_to_all(self, number: signal.Signals) -> None:
        """Send a signal to the driver and the processes that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def ends(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        return waited(lambda: self.status is not None, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing of it."""
        self.send_to_all(signal.SIGKILL)
        self.process.wait()


def waited(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; whether it is."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True
