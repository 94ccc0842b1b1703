"""Codes whose quality is known by construction: what every score should say of them, and what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Floats, Integers
from .compute import compute
from .table import METRICS

SIZES = (4, 5, 6)
"""Classes of the three factors."""

ROWS, TRAIN = 3_000, 2_000

ASKS: Mapping[str, str] = {
    "mig": "CE",
    "mig_chen": "CE",
    "rmig": "CE",
    "mig_sup": "M",
    "dcimig": "ME",
    "jemmig": "MCE",
    "med": "M",
    "infom": "M",
    "infoe": "L",
    "infoc": "C",
    "dci_disentanglement": "M",
    "dci_completeness": "C",
    "dci_informativeness": "E",
    "dci_explicitness": "E",
    "downstream_logistic_10000": "L",
    "downstream_trees_10000": "E",
    "sap": "CE",
    "sap_continuous": "CO",
    "modularity": "M",
    "explicitness": "L",
    "beta_vae_score": "M",
    "factor_vae_score": "M",
    "z_min_variance": "M",
    "irs": "M",
}
"""What each score asks of codes: M, each code holds one factor (modularity); C, each factor is in one code
(compactness); E, codes hold the factors whole (explicitness); L, a linear classifier finds them; O, codes keep the
order of classes."""

DESCRIBES: tuple[str, ...] = (
    "active_units",
    "gaussian_total_correlation",
    "gaussian_wasserstein_correlation_norm",
    "mutual_info_score",
    "kl_nats",
    "mutual_information_nats",
    "total_correlation_nats",
    "dimensionwise_kl_nats",
    "total_correlation_mss_nats",
    "total_correlation_mws_nats",
)
"""What codes and posteriors say without factors: no 1 to reach, but values that are known."""

TOLERANCE = 0.05
"""How near to 1, or to what guessing gives, counts as there."""


@dataclass(frozen=True)
class Case:
    """Codes with a known flaw, or none."""

    name: str
    meaning: str
    """One line."""
    holds: str
    """Which of M, C, E, L, O these codes have."""
    codes: Floats
    """[N, D]."""
    factors: Integers
    """[N, K]."""

    def arrays(self) -> dict[str, Any]:
        """What `compute` takes: codes as the means of narrow posteriors."""
        return {
            "codes": self.codes,
            "factors": self.factors,
            "mean": self.codes,
            "logvar": np.full(self.codes.shape, -8.0),
            "train": 2 * len(self.codes) // 3,
        }


def cases() -> dict[str, Case]:
    """Every case by name; the same each time."""
    random = np.random.Generator(np.random.Philox(0))
    factors = random.integers(0, SIZES, size=(ROWS, len(SIZES)))
    perfect = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    turned = perfect.copy()
    turned[:, :2] = perfect[:, :2] @ (np.array([[1, 1], [-1, 1]]) / np.sqrt(2))
    merged = np.column_stack([factors[:, 0] * SIZES[1] + factors[:, 1], factors[:, 2]]).astype(float)
    renamed = np.column_stack(
        [random.permutation(size)[column] for size, column in zip(SIZES, factors.T, strict=True)]
    )
    constant = factors.copy()
    constant[:, 1] = 0
    dead = np.zeros((ROWS, 2))
    noise = random.standard_normal((ROWS, 2))
    doubled = np.column_stack(
        [_scattered(column, size, random) for size, column in zip(SIZES, factors.T, strict=True)]
    )
    few = np.indices((3, 4)).reshape(2, -1).T
    found = (
        Case("perfect", "one code a factor", "MCELO", perfect, factors),
        Case(
            "permuted", "other order, one sign flipped", "MCELO", perfect[:, [2, 0, 1]] * [1, -1, 1], factors
        ),
        Case("rotated", "two codes turned by 45 degrees", "ELO", turned, factors),
        Case("duplicated", "every code twice", "MELO", np.hstack([perfect, perfect]), factors),
        Case("dead", "two constant codes beside", "MCELO", np.hstack([perfect, dead]), factors),
        Case("noise", "two codes of noise beside", "MCELO", np.hstack([perfect, noise]), factors),
        Case("missing", "no code for the third factor", "MO", perfect[:, :2], factors),
        Case("merged", "one code for two factors", "CE", merged / merged.std(axis=0), factors),
        Case(
            "renamed",
            "classes of each factor in random order",
            "MCEL",
            renamed / renamed.std(axis=0),
            factors,
        ),
        Case(
            "scattered", "each class at two places of its code", "MCE", doubled / doubled.std(axis=0), factors
        ),
        Case("constant", "the second factor never varies", "MCELO", perfect, constant),
        Case("single", "one factor, one code", "MCELO", perfect[:, :1], factors[:, :1]),
        Case("collapsed", "constant codes alone", "", np.zeros((ROWS, 3)), factors),
        Case("unrelated", "codes of noise alone", "", random.standard_normal((ROWS, 3)), factors),
        Case(
            "tiny",
            "perfect codes of twelve rows",
            "MCELO",
            few.astype(float),
            few,
        ),
    )
    return {case.name: case for case in found}


def _scattered(labels: Integers, size: int, random: np.random.Generator) -> Floats:
    """A code with two places for each class, in no order."""
    places = random.permutation(2 * size)
    return places[labels + size * random.integers(2, size=len(labels))].astype(np.float64)


def should_be_one(column: str, case: Case) -> bool:
    """Whether codes of this case have all that the score asks for."""
    return set(ASKS[column]) <= set(case.holds)


def surprises(column: str, case: Case, value: float) -> bool:
    """Whether a score does other than it should: below 1 of codes that have all it asks for, or 1 of others."""
    return should_be_one(column, case) != (value >= 1 - TOLERANCE)


def limits() -> dict[str, dict[str, float | str]]:
    """Every score of every case: {case: {column: value, or the error's text}}."""
    wanted = {*ASKS, *DESCRIBES}
    metrics = {
        name: columns
        for name, metric in METRICS.items()
        if (columns := wanted & {score.column for score in metric.scores})
    }
    table: dict[str, dict[str, float | str]] = {}
    for case in cases().values():
        table[case.name] = {}
        for name, columns in metrics.items():
            try:
                values = compute([name], **case.arrays())
            except ValueError as error:
                values = dict.fromkeys(columns, str(error))
            table[case.name] |= {column: values[column] for column in columns}
    return table


def limits_page(table: Mapping[str, Mapping[str, float | str]] | None = None) -> str:
    """Two tables as Markdown, scores by cases: of factors in codes, and of codes and posteriors alone.

    Args:
        table: of `limits`; computed when left out, half a minute on two cores.

    Returns:
        In the first table † marks a score that does other than it should.
    """
    table, known = table or limits(), cases()

    def cell(column: str, case: Case) -> str:
        value = table[case.name][column]
        if isinstance(value, str):
            return "error"
        odd = column in ASKS and surprises(column, case, value)
        return f"{value + 0.0:.2f}".replace("-0.00", "0.00") + ("†" if odd else "")

    def rows(columns: Mapping[str, str]) -> list[str]:
        return [
            f"| `{column}` | {note} | " + " | ".join(cell(column, case) for case in known.values()) + " |"
            for column, note in columns.items()
        ]

    rule = "|---|---|" + "---:|" * len(known)
    names = " | ".join(known)
    units = {score.column: score.unit or "–" for metric in METRICS.values() for score in metric.scores}
    return "\n".join(
        [
            f"| score | asks | {names} |",
            rule,
            *rows(ASKS),
            "",
            f"| without factors | unit | {names} |",
            rule,
            *rows({column: units[column] for column in DESCRIBES}),
        ]
    )
