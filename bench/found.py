"""Things that are found by themselves in the modules of a folder, so that one more of them touches no other file."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

Kind = TypeVar("Kind")


def found(package: str, path: Iterable[str], attribute: str, kind: type[Kind]) -> dict[str, Kind]:
    """The attribute of each module of a package that has it, by the module's name, in alphabetical order.

    Raises:
        TypeError: one has it, but as something else.
    """
    things: dict[str, Kind] = {}
    for name in sorted(module.name for module in iter_modules(path)):
        thing = getattr(import_module(f"{package}.{name}"), attribute, None)
        if thing is None:
            continue
        if not isinstance(thing, kind):
            raise TypeError(
                f"{package}.{name}.{attribute} should be a {kind.__name__}, is a {type(thing).__name__}"
            )
        things[name] = thing
    return things
