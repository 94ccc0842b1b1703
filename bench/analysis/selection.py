"""How good a model does a score pick that knows no factors?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..bad_input import BadInput
from ..evaluation import SCORES
from ..tables import READABLE, scores_named
from .findings import Findings, LeftOut
from .groups import groups
from .order_statistics import chance_of_being_best
from .rank_correlation import LEAST, Floats, rank_correlation
from .score_values import (
    NOBODY,
    UNSUPERVISED,
    judging,
    known_of,
    oriented,
    sign,
    why_left_out,
)

Places = NDArray[np.int64]

UDR = "udr"
"""The name under which UDR stands among scores; it is of families, not of single models, so no column of rows."""

COLUMNS = [
    "subject",
    "by",
    "side",
    "score",
    "models",
    "correlation",
    "low",
    "high",
    "p_value",
    "of",
    "picked",
    "random",
    "oracle",
    "regret",
    "gain",
    "gain_low",
    "gain_high",
]


def selection(
    rows: pd.DataFrame,
    scores: Sequence[str] | None = None,
    *,
    by: Sequence[str] | None = None,
    of: Sequence[int] = (10,),
    within: str = "data_set",
    udr: Mapping[str, float] | None = None,
    resamples: int = 500,
    permutations: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Findings:
    """What one gets, in a score that knows the factors, by picking the best of m random models by one that does not.

    Expectations over all sets of m models, by counting; nothing is drawn. A score without a better side (KL, total
    correlation, active units) picks twice, by its highest and by its lowest value, since which of them is the better
    one is not known before looking.

    Args:
        rows: of a store or a sweep, one a model.
        scores: that judge, with a better side; when left out those of the six of the unsupervised study that there
            are, and if there is none every score that knows the factors.
        by: scores that pick; every one that knows no factors when left out.
        of: numbers of models to pick from; all models of a group are always added, larger numbers left out.
        within: "data_set" picks among all models of a data set, "objective" and "family" among those of each.
        udr: UDR by run id, `study_udr(...).models.set_index("run_id")["udr"]`, to pick by as well.
        resamples: behind both intervals, of models with replacement; 0 leaves them NaN.
        permutations: behind the p-value of the correlation.
        level: of both intervals.
        seed: of all that is drawn.

    Returns:
        A line for each group, score that picks and its side, score that judges, and m: subject, by, side (highest or
        lowest), score, models (that have both), `correlation` (Spearman's over models, 1 where what is picked first is
        best) with low, high and p_value, of (m), and in the units of the score that judges: `picked`, the
        expected score of the pick; `random`, the mean; `oracle`, the expected best of m; `regret`, what picking so
        loses against the oracle, 0 or more, lower is better; `gain`: the part of the oracle's lead over the random
        model that is kept, 1 for a pick as good as the oracle's, 0 for a random one, negative for a worse one, with
        gain_low and gain_high.
        `left_out` has scores that fewer than three models have and those that are the same for all.

    Raises:
        BadInput: an unknown score or `within`, a score to judge by without a better side, m below 2.

    Reference:
        Locatello et al. 2019 (rank correlation of unsupervised scores with those of disentanglement). The expected best
        of m: the order statistics of sampling without replacement.
    """
    wanted, picking = judging(scores, rows), _picking(by, udr)
    if few := [m for m in of if m < 2]:
        raise BadInput(f"of: a pick is among 2 models or more, got {few[0]}")
    left_out, parts = LeftOut(), []
    for subject, members in groups(rows, within).items():
        if udr is not None:
            members = members.assign(**{UDR: members["run_id"].map(udr).astype(float)})
        merits = _merits(_useful(members, picking, subject, left_out, asked=by is not None))
        judged = oriented(_useful(members, wanted, subject, left_out, asked=scores is not None))
        if merits.empty or judged.empty:
            continue
        related = rank_correlation(
            np.hstack([merits.to_numpy(), judged.to_numpy()]),
            resamples=resamples, permutations=permutations, level=level, seed=seed,
        )  # fmt: skip
        for picks, judges, models in _with_the_same_models(merits.to_numpy(), judged.to_numpy()):
            tables = merits.iloc[models, picks], judged.iloc[models, judges]
            corner = np.ix_(picks, merits.shape[1] + judges)
            told = {
                name: getattr(related, name)[corner] for name in ("correlation", "low", "high", "p_value")
            }
            for m in sorted({*(m for m in of if m < len(models)), len(models)}):
                lines = _lines(*tables, m, resamples, level, seed)
                parts.append(lines.assign(subject=subject, **{name: t.ravel() for name, t in told.items()}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    known = table["correlation"].notna()  # not where models that have both are all alike in one
    return Findings(table.loc[known, COLUMNS].reset_index(drop=True), left_out.reasons())


def usual_picks(models: pd.DataFrame) -> list[str]:
    """Scores without factors that fit a page, those that any of these models has."""
    codes = ("gaussian_total_correlation", "mutual_info_score")
    return known_of([name for name in (*READABLE, *codes) if name in UNSUPERVISED], models)


def _lines(
    merits: pd.DataFrame, judged: pd.DataFrame, m: int, resamples: int, level: float, seed: int
) -> pd.DataFrame:
    """What `selection` says of every score that picks and every score that judges, of models that have them all."""
    found = picked_of(merits.to_numpy(), judged.to_numpy(), m)
    low, high = _interval(merits.to_numpy(), judged.to_numpy(), m, resamples, level, seed)
    pairs = list(itertools.product(merits, judged))
    turned = np.array([sign(str(name)) for name in judged])
    shape = found.picked.shape
    return pd.DataFrame(
        {
            "by": [name for (name, _), _ in pairs],
            "side": [side for (_, side), _ in pairs],
            "score": [score for _, score in pairs],
            "models": len(merits),
            "of": m,
            "picked": (found.picked * turned).ravel(),
            "random": np.broadcast_to(found.random * turned, shape).ravel(),
            "oracle": np.broadcast_to(found.oracle * turned, shape).ravel(),
            "regret": (found.oracle - found.picked).ravel(),
            "gain": found.gain.ravel(),
            "gain_low": low.ravel(),
            "gain_high": high.ravel(),
        }
    )


class Picked(NamedTuple):
    """What picking the best of m gives, P scores that pick, Q that judge."""

    picked: Floats
    """[P, Q], expected score of the pick."""
    random: Floats
    """[Q], of a random model."""
    oracle: Floats
    """[Q], of the best of m."""
    gain: Floats
    """[P, Q], (picked - random) / (oracle - random); NaN where all models are equal."""


def picked_of(merits: Floats, judged: Floats, m: int) -> Picked:
    """The expected scores of the best of m of N models, drawn without replacement.

    Args:
        merits: [N, P], the largest is picked; among equal ones any.
        judged: [N, Q], more is better.
        m: 1 .. N.
    """
    picked = chance_of_being_best(merits, m).T @ judged
    random = judged.mean(axis=0)
    oracle = (chance_of_being_best(judged, m) * judged).sum(axis=0)
    lead = np.broadcast_to(oracle - random, picked.shape)
    some = lead > 1e-12 * np.abs(random)
    gain = np.divide(picked - random, lead, out=np.full(picked.shape, np.nan), where=some)
    return Picked(picked, random, oracle, gain)


def _picking(by: Sequence[str] | None, udr: Mapping[str, float] | None) -> list[str]:
    """Names of the scores that pick.

    Raises:
        BadInput: a name is unknown, or UDR is asked for and was not handed in.
    """
    if by is None:
        return [*UNSUPERVISED, UDR] if udr is not None else list(UNSUPERVISED)
    names = [name.strip() for name in by]
    scores_named([name for name in names if name != UDR])
    if UDR in names and udr is None:
        raise BadInput("UDR is no column of rows; it must be computed from weights and handed in")
    return names


def _useful(
    members: pd.DataFrame, names: Sequence[str], subject: str, left_out: LeftOut, *, asked: bool
) -> pd.DataFrame:
    """Those of the scores that order the models [models, scores]; of the others it is noted why they do not."""
    values = members.reindex(columns=list(dict.fromkeys(names))).astype(float)
    values = values.where(np.isfinite(values))
    for name in names:
        why = why_left_out(values[name].to_numpy())
        if why and (asked or why != NOBODY):
            left_out.add(subject, why, name)
    return values[[name for name in values if not why_left_out(values[name].to_numpy())]]


def _merits(values: pd.DataFrame) -> pd.DataFrame:
    """Scores that pick, by name and side, turned so that the largest is picked."""
    columns = {}
    for name in values:
        direction = "higher" if name == UDR else SCORES[name].direction
        if direction != "lower":
            columns[name, "highest"] = values[name]
        if direction != "higher":
            columns[name, "lowest"] = -values[name]
    return pd.DataFrame(columns)


def _with_the_same_models(merits: Floats, judged: Floats) -> Iterator[tuple[Places, Places, Places]]:
    """Columns of either table that the same models have, with these models; every pair of columns comes once."""
    tables = [np.unique(np.isfinite(table), axis=1, return_inverse=True) for table in (merits, judged)]
    (has, of), (other_has, of_other) = tables
    for first, second in itertools.product(range(has.shape[1]), range(other_has.shape[1])):
        models = np.flatnonzero(has[:, first] & other_has[:, second])
        if len(models) >= LEAST:
            yield np.flatnonzero(of.ravel() == first), np.flatnonzero(of_other.ravel() == second), models


def _interval(
    merits: Floats, judged: Floats, m: int, resamples: int, level: float, seed: int
) -> tuple[Floats, Floats]:
    """Ends of the interval of the gain, [P, Q] each; resamples in which all models are equal do not count."""
    shape = merits.shape[1], judged.shape[1]
    random = np.random.Generator(np.random.Philox([seed, 3]))
    drawn = np.full((resamples, *shape), np.nan)
    for draw in range(resamples):
        models = random.integers(0, len(merits), len(merits))
        drawn[draw] = picked_of(merits[models], judged[models], m).gain
    ends = np.full((2, *shape), np.nan)
    for i, j in np.ndindex(shape):
        known = drawn[:, i, j][np.isfinite(drawn[:, i, j])]
        if len(known):
            ends[:, i, j] = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return ends[0], ends[1]
