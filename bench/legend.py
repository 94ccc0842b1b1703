"""What tables must know of columns and objectives, apart from the functions that compute them.

The tables of real objects (`SCORES`, `OBJECTIVES`) import PyTorch and scikit-learn, which takes longer than reading
12,600 rows. A sweep writes the legend into its output folder, so that `disbench table` needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """A result column."""

    kind: str
    """number, list [D], matrix [D, K], or curve, a list of any length."""
    direction: str | None
    """higher or lower, whichever is better; None if neither is in itself."""
    unit: str


@dataclass(frozen=True)
class Method:
    """An objective as papers write it."""

    title: str
    strength: str | None
    """The symbol of its strength; None if it has none."""


@dataclass(frozen=True)
class Legend:
    """Result columns and objectives by name, in their order."""

    columns: Mapping[str, Column]
    objectives: Mapping[str, Method]

    @classmethod
    def of_code(cls) -> Legend:
        """What this version computes."""
        from .catalogue import OBJECTIVES
        from .evaluation import SCORES

        return cls(
            {name: Column(score.kind, score.direction, score.unit) for name, score in SCORES.items()},
            {name: Method(objective.title, objective.strength) for name, objective in OBJECTIVES.items()},
        )

    @classmethod
    def of_json(cls, document: Any) -> Legend:
        """What `as_json` made.

        Raises:
            ValueError, TypeError, KeyError or AttributeError: it did not.
        """
        columns = {name: Column(**about) for name, about in document["columns"].items()}
        methods = {name: Method(**about) for name, about in document["objectives"].items()}
        for column in columns.values():
            if column.kind not in ("number", "list", "matrix", "curve") or column.direction not in (
                "higher",
                "lower",
                None,
            ):
                raise ValueError(f"no column: {column}")
        texts = [column.unit for column in columns.values()]
        texts += [text for method in methods.values() for text in (method.title, method.strength or "")]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a text that is none")
        return cls(columns, methods)

    def as_json(self) -> dict[str, Any]:
        """The legend as what JSON knows."""
        return {
            "columns": {name: asdict(column) for name, column in self.columns.items()},
            "objectives": {name: asdict(method) for name, method in self.objectives.items()},
        }

    def numbers(self) -> list[str]:
        """The columns that hold one number a model."""
        return [name for name, column in self.columns.items() if column.kind == "number"]
