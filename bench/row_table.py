"""Every model of a folder on a line of its own: what means, intervals and figures can be made again from."""

from __future__ import annotations

import pandas as pd


def row_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line a model, failed ones too, and the columns that hold a value for any; no matrices.

    Configurations are kept as the JSON that they are stored as.
    """
    held = [name for name in rows.columns if rows[name].notna().any()]
    return rows[[name for name in held if not rows[name].map(is_several).any()]]


def is_several(value: object) -> bool:
    """Whether a cell is a list or an array, which a field of a table cannot hold."""
    return hasattr(value, "__len__") and not isinstance(value, str)
