"""Sizes of a study: the same question asked in minutes, in a day, or as the paper asked it.

A study file may have tables `[scales.smoke]`, `[scales.reduced]` and `[scales.full]`, each a set of the pairs that
`--set` takes. The file as it is written is full.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from .bad_input import BadInput, unknown
from .strict import Strict, first_objection

SCALES = ("smoke", "reduced", "full")
"""Smoke shows that everything runs, reduced shows trends, full is the study's own size."""

FULL = "full"


class Scale(Strict):
    """One size of a study."""

    about: Annotated[str, Field(min_length=1)]
    """What it is good for."""
    cost: Annotated[str, Field(min_length=1)]
    """What `disbench sweep --dry-run` says that it takes, and on what."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Dotted keys of the study file with values, as `--set` takes them."""


def scales_of(document: Mapping[str, Any], where: str) -> dict[str, Scale]:
    """The sizes that a study document has, smallest first; `BadInput` if one is wrong or has a name of its own."""
    tables = document.get("scales", {})
    if not isinstance(tables, Mapping):
        raise BadInput(f"{where}: scales should be tables like [scales.smoke], got {tables!r}")
    for name in tables:
        if name not in SCALES:
            raise unknown("scale", name, SCALES, where=f"{where}: scales")
    found = {}
    for name in SCALES:
        if name in tables:
            try:
                found[name] = Scale.model_validate(tables[name])
            except ValidationError as error:
                objection = first_objection(error, list(Scale.model_fields))
                raise BadInput(f"{where}: scales.{name}: {objection}") from error
    return found


def chosen_scale(
    document: Mapping[str, Any], name: str | None, where: str
) -> tuple[str | None, Mapping[str, Any]]:
    """The name of the size that holds, None for a study without sizes, and the pairs that it sets.

    A file's own key `scale` is its default where it has sizes; else it says how a study was made that has none left,
    as the one in a folder of results.
    """
    found = scales_of(document, where)
    own = document.get("scale")
    if own is not None and own not in SCALES:
        raise unknown("scale", str(own), SCALES, where=f"{where}: scale")
    if name is not None and name not in SCALES:
        raise unknown("scale", name, SCALES)
    if not found:
        if name is not None:
            raise BadInput(f"{where} has no scales: its file has no table [scales.{name}]")
        return own, {}
    chosen = name or own or FULL
    if chosen not in found and chosen != FULL:
        raise BadInput(f"{where} has no scale {chosen!r}; it has: {', '.join([*found, FULL])}")
    return chosen, found[chosen].set if chosen in found else {}


def changes(document: Mapping[str, Any], name: str, where: str) -> list[str]:
    """What a size changes of the file as it is written, a phrase each: `steps 200 instead of 300,000`."""
    pairs = chosen_scale(document, name, where)[1]
    return [f"{key} {shown(value)} instead of {before(document, key)}" for key, value in pairs.items()]


def before(document: Mapping[str, Any], key: str) -> str:
    """What a dotted key is in a document: its own value, those of the arms, or the default."""
    value: Any = document
    for step in key.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            value = None
    found = [] if value is None else [shown(value)]
    found += [shown(arm[key]) for arm in document.get("arms", []) if isinstance(arm, Mapping) and key in arm]
    return " and ".join(dict.fromkeys(found)) or "the default"


def shown(value: Any) -> str:
    """A value for people: thousands apart, lists without brackets, long ones cut."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        texts = [shown(item) for item in value]
        return ", ".join(texts if len(texts) <= 8 else [*texts[:7], f"... ({len(texts)} in all)"])
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {shown(inner)}" for name, inner in value.items()) or "none"
    return str(value)
