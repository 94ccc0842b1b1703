"""Rows of a table that agree in one factor: what the BetaVAE and FactorVAE scores draw, without encoding anew."""

from __future__ import annotations

import numpy as np

from .arrays import Array, Floats, Integers, as_factors, ranks, require_varying


class FixedFactor:
    """Draws of rows that share the class of one factor.

    Factors that are constant, and rows that are alone in their class, cannot be drawn: a factor fixed without anything
    else that varies tells nothing.
    """

    def __init__(self, factors: Integers) -> None:
        """Sort the rows of `factors` [N, K] by each factor; ValueError where none can be fixed."""
        classes = ranks(factors)
        self.columns: list[int] = []
        """The factors that can be fixed."""
        self._tables: list[tuple[Integers, Integers, Integers, Integers]] = []
        for column in require_varying(classes):
            values = classes[:, column]
            counts = np.bincount(values)
            eligible = np.flatnonzero(counts[values] > 1)
            if eligible.size:
                order = np.argsort(values, kind="stable")
                starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
                self.columns.append(int(column))
                self._tables.append((eligible, order, starts[values], counts[values]))
        if not self.columns:
            raise ValueError(
                "factors: no two rows share the class of a factor, so that none can be held fixed"
            )

    def anchors(self, which: int, chance: Floats) -> Integers:
        """Rows at random for uniform numbers in [0, 1) of any shape; `which` counts `columns`."""
        eligible = self._tables[which][0]
        rows: Integers = eligible[(chance * len(eligible)).astype(np.int64)]
        return rows

    def partners(self, which: int, rows: Integers, chance: Floats) -> Integers:
        """Rows at random in the class of `rows`, with replacement; the shapes broadcast."""
        _, order, starts, counts = self._tables[which]
        partners: Integers = order[starts[rows] + (chance * counts[rows]).astype(np.int64)]
        return partners


def number_of_fixed(factors: Array) -> int:
    """How many factors can be held fixed."""
    return len(FixedFactor(as_factors(factors)).columns)
