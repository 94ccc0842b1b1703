"""Which models of a study are compared with each other."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..bad_input import unknown
from ..objectives import OBJECTIVES
from ..tables import GROUP, variants_by_objective

WITHIN: dict[str, Sequence[str]] = {
    "data_set": ("data_set", "condition"),
    "objective": ("data_set", "condition", "objective", "variant"),
    "family": GROUP,
}
"""What the models of a group share. Those of a family differ in their seed alone."""


def groups(rows: pd.DataFrame, within: str) -> dict[str, pd.DataFrame]:
    """A store's finished rows by what they share, under a title, in their order; each with its `variant`.

    Raises:
        BadInput: `within` is no key of `WITHIN`.
    """
    done = rows[rows["status"] == "done"]
    return parted(done.assign(variant=variants_by_objective(done)), within)


def parted(models: pd.DataFrame, within: str) -> dict[str, pd.DataFrame]:
    """The same of models whose `variant` is known.

    Raises:
        BadInput: as `groups`.
    """
    if within not in WITHIN:
        raise unknown("group of models", within, WITHIN)
    keys = list(WITHIN[within])
    parts = models.groupby(keys, sort=False, dropna=False)
    return {title(dict(zip(keys, key, strict=True))): members for key, members in parts}


def title(shared: dict[str, object]) -> str:
    """What models share, in words: `dsprites given shape, CVAE, β = 4`."""
    condition = shared.get("condition")
    words = [
        f"{shared['data_set']} given {condition}" if isinstance(condition, str) else str(shared["data_set"])
    ]
    if "objective" in shared:
        objective, variant = OBJECTIVES[str(shared["objective"])], shared.get("variant")
        words.append(f"{objective.title} ({variant})" if variant else objective.title)
        if "strength" in shared and objective.strength:
            words.append(f"{objective.strength} = {shared['strength']:g}")
    return ", ".join(words)
