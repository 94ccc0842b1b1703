"""Numbers that papers printed beside those measured here: what was printed, the comparison, verdicts, tables of it."""

from __future__ import annotations

from .numbers import TAGS, Finding, PaperProtocol, PublishedNumber

__all__ = ["TAGS", "Finding", "PaperProtocol", "PublishedNumber"]
