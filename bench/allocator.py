"""The C library's allocator, told to keep what a training step frees: the next step asks for just the same."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 1 << 30
"""Bytes: blocks up to this size, and as much of them, stay with the process."""


def keep_freed_memory() -> bool:
    """Stop returning freed memory to the system, for the rest of the process; whether that could be done.

    Unasked, glibc maps every activation of some megabytes anew, and the kernel clears its pages: a third of the time of
    a training step on a CPU. Elsewhere than on Linux with glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))
