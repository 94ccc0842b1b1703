"""How fast cohorts train here: against an ordinary one-model loop and against what the machine could do."""

from __future__ import annotations

from .measure import Measured, Way, measure, ways
from .report import as_markdown, draw, save

__all__ = ["Measured", "Way", "as_markdown", "draw", "measure", "save", "ways"]
