"""Reading every file of a folder, while other processes add and join files."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..bad_input import BadInput
from .faults import GONE, Fault
from .listing import listed

THREADS = 4
"""That read files: each mostly waits for a disk."""

FEW = 8
"""Files that are not worth a thread."""

PATIENCE = 60
"""Times that a folder is listed again because a file is gone before it was read."""

PAUSE_SECONDS = 0.05
"""Before the second listing; a little longer each time, so that an NFS client notices what others did."""

Contents = TypeVar("Contents")


def read_each(
    folder: Path, suffix: str, read: Callable[[Path], Contents], on_fault: Callable[[Fault], None]
) -> dict[Path, Contents]:
    """What `read` makes of each file with this suffix, by path; a file that is not in order goes to `on_fault` instead.

    A file that is gone was joined with others, so the folder is listed again: what was read together is what some
    moment's folder held, or holds a row twice, but never lacks one.

    Raises:
        BadInput: a file may not be read, or the folder changes faster than it can be read.
    """
    found: dict[Path, Contents] = {}
    faults: dict[Path, Fault] = {}

    def look(path: Path) -> None:
        try:
            found[path] = read(path)
        except Fault as fault:
            faults[path] = fault
        except OSError as error:
            if error.errno not in GONE:
                raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error

    for tries in range(PATIENCE):
        paths = listed(folder, suffix)
        new = [path for path in paths if path not in found and path not in faults]
        if len(new) <= FEW:
            for path in new:
                look(path)
        else:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(look, new))
        if all(path in found or path in faults for path in paths):
            break
        time.sleep(PAUSE_SECONDS * (1 + tries))
    else:
        raise BadInput(f"{folder} changes faster than it can be read; try again when less is written there")
    for path in paths:
        if path in faults:
            on_fault(faults[path])
    return {path: found[path] for path in paths if path in found}
