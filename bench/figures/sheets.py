"""Which rows a figure shows: all of them, or one data set's where all would be too many for a page."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

TOGETHER = 100
"""Settings, each of all its seeds, of several data sets that one figure still holds."""


@dataclass(frozen=True)
class Sheet:
    """A figure as one set of files: of all rows, or of one data set's."""

    stem: str
    """Of its files, without ending."""
    data_set: str
    """Empty where it shows all."""
    rows: pd.DataFrame


def sheets(rows: pd.DataFrame) -> dict[bool, list[Sheet]]:
    """What figures are drawn of, by whether data sets are drawn `apart`; the stems are to follow the figure's name.

    A study of seven data sets and six methods makes a page of three metres; a data set each is a page to be read.
    """
    whole = [Sheet("", "", rows)]
    names = list(dict.fromkeys(rows["data_set"]))
    if (
        len(names) < 2
        or len(rows[["data_set", "condition", "objective", "strength"]].drop_duplicates()) <= TOGETHER
    ):
        return {False: whole, True: whole}
    each = [
        Sheet(f"-{number}-{in_file_names(name)}", name, rows[rows["data_set"] == name])
        for number, name in enumerate(names, 1)
    ]
    return {False: whole, True: each}


def in_file_names(name: str) -> str:
    """A data set's name, which may be a path, as a part of a file's."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("._")[-40:]
