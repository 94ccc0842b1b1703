"""Engines that only some places need: imported when they are asked for, never before."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..bad_input import BadInput


def imported(module: str, *, extra: str) -> ModuleType:
    """An optional module, or `BadInput` that says how to get it: `imported("ray", extra="ray")`."""
    try:
        return import_module(module)
    except ImportError as error:
        # A module of its own that is missing, or one that it needs and that is broken: both are mended by installing.
        raise BadInput(
            f"--on {extra} needs {module}, which cannot be imported here ({error}): pip install 'disbench[{extra}]'"
        ) from error
