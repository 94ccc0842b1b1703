"""Do scores agree? The rank correlation of every two of them over the models of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import scores_named
from .groups import groups
from .rank_correlation import Floats, rank_correlation
from .score_values import oriented as turned
from .score_values import score_values, why_left_out


@dataclass(frozen=True)
class Agreement:
    """How the scores of one group of models order these models, each against each; matrices are [S, S]."""

    subject: str
    """What the models share: their data set and condition, and what else `within` says."""
    scores: tuple[str, ...]
    """Columns, in the order of `SCORES` or as asked for."""
    correlation: Floats
    """Spearman's, -1 .. 1. Oriented: 1 where two scores call the same models good."""
    low: Floats
    """Lower end of its bootstrap interval over models."""
    high: Floats
    """Upper end."""
    p_value: Floats
    """Two-sided, of a permutation test: how often unrelated scores would agree or disagree as much."""
    models: NDArray[np.int64]
    """How many models have both scores."""
    left_out: Mapping[str, str]
    """Scores that order nothing, and why."""
    oriented: bool
    level: float

    def matrix(self) -> pd.DataFrame:
        """The correlations with the scores' names."""
        return pd.DataFrame(self.correlation, index=list(self.scores), columns=list(self.scores))

    def pairs(self) -> pd.DataFrame:
        """A line for each pair: subject, score, other, correlation, low, high, p_value, models."""
        above = np.triu_indices(len(self.scores), 1)
        names = np.array(self.scores, dtype=object)
        columns = {
            name: getattr(self, name)[above] for name in ("correlation", "low", "high", "p_value", "models")
        }
        about = {"subject": self.subject, "score": names[above[0]], "other": names[above[1]]}
        return pd.DataFrame({**about, **columns})


def agreement(
    rows: pd.DataFrame,
    scores: Sequence[str] | None = None,
    *,
    within: str = "data_set",
    oriented: bool = True,
    resamples: int = 1000,
    permutations: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Agreement]:
    """Spearman's correlation of every two scalar scores over finished models, group by group.

    Over all models of a data set, scores agree also where both merely follow the strength; `within="family"` asks
    whether they agree on seeds. Conditional models are a group of their own, since they are scored over other factors.

    Args:
        rows: of a store or a sweep, one a model.
        scores: columns; all that any model of a group has when left out.
        within: "data_set" for all its models, "objective" for each objective alone, "family" for models that differ in
            their seed alone.
        oriented: turn scores round of which lower is better, so that 1 means that two scores prefer the same models.
            Scores without a better side keep their sign either way.
        resamples: of the interval; 0 leaves it out.
        permutations: of the p-value; 0 leaves it out.
        level: of the interval.
        seed: of both.

    Returns:
        A group each. Scores that fewer than three models have or that are the same for all are in `left_out`; a group
        of fewer than three models has no scores at all.

    Raises:
        BadInput: an unknown score or `within`.

    Reference:
        Locatello et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations" (over all models of a data set; without orientation, intervals or p-values).
    """
    named = scores_named(scores) if scores is not None else None
    found = []
    for subject, members in groups(rows, within).items():
        table = score_values(members, named)
        left_out = {name: why for name, values in table.items() if (why := why_left_out(values.to_numpy()))}
        kept = tuple(name for name in table if name not in left_out)
        shown = table[list(kept)]
        related = rank_correlation(
            (turned(shown) if oriented else shown).to_numpy(),
            resamples=resamples, permutations=permutations, level=level, seed=seed,
        )  # fmt: skip
        found.append(Agreement(subject, kept, *related, left_out, oriented, level))
    return found
