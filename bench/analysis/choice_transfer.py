"""Does a setting chosen by one score on one data set beat a random model by another score, or on another data set?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .findings import Findings, LeftOut
from .groups import SETTING, groups
from .order_statistics import chance_to_win
from .rank_correlation import LEAST, Floats
from .ranking_transfer import share_an_objective
from .score_values import NOBODY, judging, known_of, oriented, score_values, why_left_out

COLUMNS = [
    "chosen_on",
    "chosen_by",
    "judged_on",
    "judged_by",
    "by_one_seed",
    "by_other_seeds",
    "settings",
    "seeds",
]


def choice_transfer(rows: pd.DataFrame, scores: Sequence[str] | None = None) -> Findings:
    """The chance that a model of the setting chosen elsewhere beats a random model here; a tie counts half.

    Chosen and judged on different seeds, so that no luck of a seed is carried over: what transfers is the setting, an
    objective (with its variant) and a strength. Every choice, every model of it and every rival is counted; nothing is
    drawn. 0.5 is what choosing at random gives.

    Args:
        rows: of a store or a sweep, one a model.
        scores: columns with a better side; when left out those of the six of the unsupervised study that there are,
            and if there is none every score that knows the factors.

    Returns:
        A line for each data set and score chosen by, and each judged by: chosen_on, chosen_by, judged_on, judged_by,
        `by_one_seed`: the best model of one seed says which setting; it is judged on every other seed against
        all models of other seeds (the study's way: a random seed each);
        `by_other_seeds`: the best mean over all seeds but one says it; judged on the one left;
        settings and seeds (that both data sets have, with models that finished). Both 0 .. 1; settings that are equally
        good are chosen with equal chance. Models that are missing or diverged are neither chosen nor met.

    Raises:
        BadInput: an unknown score, or one without a better side.

    Reference:
        Locatello et al. 2019 (probability of outperforming random model selection on a different random seed; there by
        random draws, averaged over scores and data sets).
    """
    named = judging(scores, rows)
    left_out, lines = LeftOut(), []
    subjects = groups(rows, "data_set")
    tables = {
        subject: {name: _by_seed(members, name) for name in known_of(named, members)}
        for subject, members in subjects.items()
    }
    for subject, by_score in tables.items():
        for name in named:
            if name not in by_score:
                left_out.add(subject, NOBODY, name)
            elif len(by_score[name]) and (why := why_left_out(by_score[name].to_numpy().ravel())):
                left_out.add(subject, why, name)
                del by_score[name]
    for here, there in itertools.product(tables, repeat=2):
        if not share_an_objective(subjects[here], subjects[there]):
            continue
        for source, target in itertools.product(tables[here], tables[there]):
            told, judged = tables[here][source], tables[there][target]
            settings = told.index.intersection(judged.index, sort=False)
            seeds = told.columns.intersection(judged.columns)
            pair = here if here == there else f"chosen on {here}, judged on {there}"
            if len(settings) < 2 or len(seeds) < LEAST:
                what = f"needs two settings and {LEAST} seeds that both have, has {len(settings)} and {len(seeds)}"
                left_out.add(pair, what)
                continue
            by = told.loc[settings, seeds].to_numpy(), judged.loc[settings, seeds].to_numpy()
            lines.append(
                {
                    "chosen_on": here,
                    "chosen_by": source,
                    "judged_on": there,
                    "judged_by": target,
                    "by_one_seed": chosen_by_one_seed(*by),
                    "by_other_seeds": chosen_by_other_seeds(*by),
                    "settings": len(settings),
                    "seeds": len(seeds),
                }
            )
    return Findings(pd.DataFrame(lines, columns=COLUMNS), left_out.reasons())


def _by_seed(members: pd.DataFrame, name: str) -> pd.DataFrame:
    """A score, turned so that more is better, [settings, seeds], of settings with three models or more."""
    values = oriented(score_values(members, [name]))
    table = values.set_index(pd.MultiIndex.from_frame(members[[*SETTING, "seed"]]))[name]
    return table.unstack("seed", sort=False).dropna(thresh=LEAST)


def chosen_by_one_seed(told: Floats, judged: Floats) -> float:
    """Choose by one seed of `told`, judge on each other seed of `judged`; mean over the seed that chooses.

    Args:
        told: [settings, seeds], more is better, NaN where there is no model.
        judged: the same shape, the same settings and seeds.

    Returns:
        0 .. 1; NaN if no seed can choose.
    """
    chances = []
    for seed in range(told.shape[1]):
        others = np.delete(judged, seed, axis=1)
        chances.append(_chance(told[:, seed], others, others))
    return _mean(chances)


def chosen_by_other_seeds(told: Floats, judged: Floats) -> float:
    """Choose by the mean of `told` over all seeds but one, judge on that one of `judged`; mean over it.

    Args:
        told: [settings, seeds], more is better, NaN where there is no model.
        judged: the same shape, the same settings and seeds.

    Returns:
        0 .. 1; NaN if no seed can be judged.
    """
    chances = []
    for seed in range(told.shape[1]):
        others = np.delete(told, seed, axis=1)
        known = np.isfinite(others)
        count = known.sum(axis=1)
        means = np.divide(
            np.where(known, others, 0).sum(axis=1), count, out=np.full(len(told), np.nan), where=count > 0
        )
        chances.append(_chance(means, judged[:, [seed]], judged[:, [seed]]))
    return _mean(chances)


def _chance(merit: Floats, models: Floats, rivals: Floats) -> float:
    """The chance of a random model of the setting with most merit against a random rival.

    Args:
        merit: [settings].
        models: [settings, seeds].
        rivals: of any shape.
    """
    pool = rivals[np.isfinite(rivals)]
    if not np.isfinite(merit).any() or not len(pool):
        return np.nan
    chosen = models[merit == merit[np.isfinite(merit)].max()]
    return _mean(
        [chance_to_win(line[np.isfinite(line)], pool).mean() for line in chosen if np.isfinite(line).any()]
    )


def _mean(chances: Sequence[float]) -> float:
    known = [chance for chance in chances if np.isfinite(chance)]
    return float(np.mean(known)) if known else np.nan
