"""Which models of a study are compared with each other."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..bad_input import unknown
from ..catalogue import OBJECTIVES
from ..tables import GROUP, variants_by_objective

WITHIN: dict[str, Sequence[str]] = {
    "data_set": ("data_set", "condition"),
    "objective": ("data_set", "condition", "objective", "variant"),
    "family": GROUP,
}
"""What the models of a group share. Those of a family differ in their seed alone."""

METHOD = ["objective", "variant"]
"""What a method is on any data set."""

SETTING = [*METHOD, "strength"]
"""What a setting is on any data set; its models differ in their seed."""


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
        words.append(method_title(shared["objective"], shared.get("variant")))
        if "strength" in shared and (strength := strength_title(shared["objective"], shared["strength"])):
            words.append(strength)
    return ", ".join(words)


def method_title(objective: object, variant: object = "") -> str:
    """An objective and what sets its arm apart: `β-TCVAE (estimator mss)`."""
    name = OBJECTIVES[str(objective)].title
    return f"{name} ({variant})" if variant else name


def strength_title(objective: object, strength: object) -> str:
    """`β = 4`; nothing for an objective without a strength."""
    symbol = OBJECTIVES[str(objective)].strength
    return f"{symbol} = {strength:g}" if symbol else ""
