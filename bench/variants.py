"""What sets two arms of one objective on one data set apart, in words, so that no table or figure averages over it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pandas as pd

NOT_A_VARIANT = ("data_set", "data_content", "condition", "objective", "strength", "seed", "evaluation")
"""Keys of a run's configuration that have a place of their own, or change no model."""


def variants(rows: pd.DataFrame) -> pd.Series[str]:
    """For each row what its configuration has of its own among these rows, in words; mostly nothing."""
    items = [setting(text) for text in rows["configuration"]]
    distinct = {found: dict(found) for found in items}
    keys = sorted({key for found in distinct.values() for key in found})
    differing = [key for key in keys if len({found.get(key) for found in distinct.values()}) > 1]
    words = {
        found: ", ".join(f"{key} {known.get(key, '-')}" for key in differing)
        for found, known in distinct.items()
    }
    return pd.Series([words[found] for found in items], index=rows.index, dtype=str)


@lru_cache(maxsize=20_000)
def setting(text: str) -> tuple[tuple[str, str], ...]:
    """What of a configuration, as JSON, can make a variant; every table and figure asks it of every row."""
    return tuple(flat(json.loads(text)).items())


def flat(configuration: Mapping[str, Any]) -> dict[str, str]:
    """What of a configuration can make a variant, options included."""
    kept = {key: value for key, value in configuration.items() if key not in NOT_A_VARIANT}
    return {
        key: worded(value) for key, value in {**kept, **kept.pop("options", {})}.items() if key != "options"
    }


def worded(value: Any) -> str:
    """A value in words: `shape 0.67` for an extrapolation of shape, `none` for nothing."""
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(inner := next(iter(value.values())), Mapping):
            return worded(inner)
        return " ".join(f"{key} {worded(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return "/".join(map(worded, value))
    return "none" if value is None else str(value)
