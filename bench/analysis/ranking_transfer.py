"""Does the order of settings, or of runs, on one data set hold on another?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..bad_input import unknown
from ..tables import scores_named
from .findings import Findings, LeftOut
from .groups import SETTING, groups
from .rank_correlation import LEAST, Floats, rank_correlation, standardised
from .score_values import oriented, score_values

OF = ("settings", "runs")
"""What is ranked: means over seeds, or models one by one."""

HALVINGS = 100
"""Ways to halve the seeds over which `own_seeds` is averaged."""

COLUMNS = [
    "subject",
    "score",
    "other_subject",
    "other_score",
    "correlation",
    "low",
    "high",
    "p_value",
    "ranked",
    "own_seeds",
    "other_own_seeds",
]


def ranking_transfer(
    rows: pd.DataFrame,
    scores: Sequence[str] | None = None,
    *,
    of: str = "settings",
    across_scores: bool = False,
    resamples: int = 1000,
    permutations: int = 1000,
    seed: int = 0,
) -> Findings:
    """Spearman's correlation of a score on one data set with a score on another, over the settings that both have.

    A setting is an objective (with its variant) and a strength. Without it being the same on both data sets nothing is
    compared.

    Args:
        rows: of a store or a sweep, one a model.
        scores: columns; all that any model of a data set has when left out.
        of: "settings" ranks the means over seeds, of settings with three models or more on either data set; "runs"
            ranks models, each beside the model of the same setting and seed.
        across_scores: also of every score on one data set with every other on the other.
        resamples: of the 95 % interval, over settings; 0 leaves it out. Runs have neither interval nor p-value: those
            of one setting are no independent draws.
        permutations: of the p-value, over settings; 0 leaves it out.
        seed: of both, and of the halvings.

    Returns:
        A line for each two data sets and score: subject and score, other_subject and other_score, `correlation` (1:
        both order the settings alike, in terms of what is better), low, high, p_value, `ranked` (how many), and what
        seeds alone leave of an order: `own_seeds` is the mean correlation of the order by one half of the seeds with
        that by the other half, on the first data set itself; `other_own_seeds` on the second. Halves are noisier than
        the whole, so a correlation can exceed them.

    Raises:
        BadInput: an unknown score or `of`.

    Reference:
        Locatello et al. 2019 (rank correlation of scores across data sets).
    """
    if of not in OF:
        raise unknown("kind of ranking", of, OF)
    named = scores_named(scores) if scores is not None else None
    left_out, lines = LeftOut(), []
    subjects = groups(rows, "data_set")
    models = {subject: _by_run(members, named) for subject, members in subjects.items()}
    ranked = {subject: _means(table) if of == "settings" else table for subject, table in models.items()}
    own = {subject: _own_seeds(table, seed) if of == "settings" else {} for subject, table in models.items()}
    alone = set(ranked)
    for first, second in itertools.combinations(ranked, 2):
        if not share_an_objective(subjects[first], subjects[second]):
            continue
        alone -= {first, second}
        common = ranked[first].index.intersection(ranked[second].index, sort=False)
        pair = f"{first} and {second}"
        if len(common) < LEAST:
            seeds = f" of {LEAST} models on either" if of == "settings" else ""
            left_out.add(pair, f"needs {LEAST} common {of}{seeds}, has {len(common)}")
            continue
        here, there = ranked[first].loc[common], ranked[second].loc[common]
        related = rank_correlation(
            np.hstack([here.to_numpy(), there.to_numpy()]),
            resamples=resamples if of == "settings" else 0,
            permutations=permutations if of == "settings" else 0,
            seed=seed,
        )
        for (row, score), (column, other) in itertools.product(enumerate(here), enumerate(there)):
            if score != other and not across_scores:
                continue
            place = row, len(here.columns) + column
            if np.isnan(related.correlation[place]):
                fault = f"is the same for all common {of}, or fewer than {LEAST} have it, on one of the two data sets"
                left_out.add(pair, fault, score if score == other else f"{score} with {other}")
                continue
            lines.append(
                {
                    "subject": first,
                    "score": score,
                    "other_subject": second,
                    "other_score": other,
                    **{
                        name: getattr(related, name)[place]
                        for name in ("correlation", "low", "high", "p_value")
                    },
                    "ranked": related.rows[place],
                    "own_seeds": own[first].get(score, np.nan),
                    "other_own_seeds": own[second].get(other, np.nan),
                }
            )
    for subject in ranked:
        if subject in alone:
            left_out.add(subject, "no other data set has any of its objectives")
    return Findings(pd.DataFrame(lines, columns=COLUMNS), left_out.reasons())


def share_an_objective(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two data sets were given any objective both; those of conditional models are others."""
    return bool(set(first["objective"]) & set(second["objective"]))


def _by_run(members: pd.DataFrame, named: Sequence[str] | None) -> pd.DataFrame:
    """Scores, turned so that more is better, by setting and seed."""
    values = oriented(score_values(members, named))
    return values.set_index(pd.MultiIndex.from_frame(members[[*SETTING, "seed"]]))


def _means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds by setting; none of fewer than three models; no setting without any."""
    grouped = table.groupby(level=SETTING, sort=False)
    return grouped.mean().where(grouped.count() >= LEAST).dropna(how="all")


def _own_seeds(table: pd.DataFrame, seed: int) -> dict[str, float]:
    """By score: how well the order of settings by one half of the seeds repeats by the other half, -1 .. 1."""
    found = {}
    for name, values in table.items():
        seeds = values.unstack("seed").dropna(thresh=LEAST).to_numpy()
        count = seeds.shape[1]
        if len(seeds) < LEAST or count < LEAST:
            continue
        random = np.random.Generator(
            np.random.Philox([seed, 2])
        )  # anew: no score's number hangs on the others
        orders = random.permuted(np.tile(np.arange(count), (HALVINGS, 1)), axis=1)
        first, second = (
            standardised(np.column_stack([_mean_of_known(seeds[:, half]) for half in halves]))
            for halves in (orders[:, : count // 2], orders[:, count // 2 :])
        )
        correlations = (first * second).sum(axis=0)
        correlations = correlations[np.isfinite(correlations)]
        if len(correlations):
            found[str(name)] = float(correlations.mean())
    return found


def _mean_of_known(values: Floats) -> Floats:
    """Mean of each line of [settings, seeds] over what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    sums = np.where(known, values, 0).sum(axis=1)
    return np.divide(sums, count, out=np.full(len(values), np.nan), where=count > 0)
