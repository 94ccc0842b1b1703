"""A net that a study can name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .model import Model

ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture:
    """A net that a study can name: how to build it, how its paper initialises it, which images it takes."""

    build: Callable[[ImageShape, int, int], Model]
    """(image shape, latents, size of the condition) to a module."""
    initialisation: str
    """Key of `INITIALISATIONS`."""
    objection: Callable[[ImageShape], str | None]
    """Why it cannot take images of a shape, or None."""
    summary: str
    code_width: Callable[[ImageShape, int], int] | None = None
    """(image shape, `latents`) to the width D of its codes, where that is not `latents` itself."""
    own: bool = False
    """Whether only objectives that name it go with it; any other net is plain, and goes with all that name none."""
