"""What can be wrong with a file of a results folder, and telling whoever reads the folder, once."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

from ..one_line import one_line

GONE = (errno.ENOENT, errno.ESTALE)
"""Errors of a file that was there a moment ago: removed, or removed by another client of an NFS server."""


class Fault(Exception):
    """Something that is wrong with a file, in a line."""

    def __init__(self, path: Path, line: str) -> None:
        super().__init__(line)
        self.path = path


class DamagedFile(Fault):
    """A file that is not what its name says; a sweep sets it aside."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, f"{path} is damaged: {one_line(why)}")


class ForeignFile(Fault):
    """A file in order, but none of ours."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, f"{path} is no file of disbench: {one_line(why)}; it is left out")


class Notices:
    """Lines about a folder for whoever reads it, each once."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self.show = show or warn
        self.shown: set[str] = set()

    def damaged(self, means: str) -> Callable[[Fault], None]:
        """A function that shows what is wrong with a file, and what it means where the file is damaged."""

        def of_fault(fault: Fault) -> None:
            self.say(f"{fault}; {means}" if isinstance(fault, DamagedFile) else str(fault))

        return of_fault

    def say(self, line: str) -> None:
        """Show a line, unless it was shown."""
        if line not in self.shown:
            self.shown.add(line)
            self.show(line)


def warn(line: str) -> None:
    """A line on standard error."""
    print(f"disbench: warning: {one_line(line)}", file=sys.stderr, flush=True)
