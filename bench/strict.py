"""What users write in files and on the command line: refused with one line that says which key, and what it takes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError


class Strict(BaseModel):
    """Unknown keys and wrong types are errors, and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def first_objection(
    error: ValidationError, known: Sequence[str], tables: Mapping[str, type[Strict]] | None = None
) -> str:
    """The first of pydantic's objections as one line: key, what it got, what it takes.

    `known` are the keys of the document itself, `tables` the models of those dotted keys that are tables.
    """
    objections = error.errors(include_url=False)
    # An unknown key explains more than the missing one that it was probably meant to be.
    objection = next((o for o in objections if o["type"] == "extra_forbidden"), objections[0])
    place = [str(step) for step in objection["loc"] if step not in ("int", "list[constrained-int]")]
    key = ".".join(place)
    more = f" (and {len(objections) - 1} more)" if len(objections) > 1 else ""
    if objection["type"] == "extra_forbidden":
        inner = (".".join(place[:depth]) for depth in range(len(place) - 1, 0, -1))
        table = next((tables[name] for name in inner if tables and name in tables), None)
        keys = list(table.model_fields) if table else list(known)
        near = difflib.get_close_matches(place[-1], keys, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        return f"unknown key {key!r}; {guess}known: {', '.join(keys)}{more}"
    if objection["type"] == "missing":
        return f"{key} is missing{more}"
    rule = "should" + objection["msg"].partition("should")[2].replace("a valid", "of type")
    rule = rule.removesuffix(" after validation, not 0")
    return f"{key} {rule}, got {objection['input']!r}{more}"
