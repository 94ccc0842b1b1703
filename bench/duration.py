"""Seconds for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """`7.5 s`, `48 s`, `3 min 20 s`, `5 h 7 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"
