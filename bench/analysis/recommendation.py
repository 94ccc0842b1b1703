"""Which strength of each objective is best by a score, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtr

from ..catalogue import OBJECTIVES
from ..tables import variants_by_objective
from .findings import Findings, LeftOut
from .groups import parted
from .rank_correlation import LEAST, Floats
from .score_values import score_values, sign, why_left_out, with_a_better_side

FEWEST_RESAMPLED = 5
"""Seeds from which resamples say anything: of three, one in nine draws is a single seed three times, and an interval
of no width says no more than that these three agree."""

COLUMNS = [
    "subject",
    "score",
    "objective",
    "variant",
    "strength",
    "mean",
    "std",
    "models",
    "diverged",
    "best",
    "best_share",
    "p_value",
    "may_be_best",
    "low",
    "high",
    "edge",
]


def recommendation(
    rows: pd.DataFrame,
    scores: Sequence[str] = ("mig",),
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Findings:
    """The strength with the best mean of every objective, and the strengths that seeds cannot tell from it.

    Args:
        rows: of a store or a sweep, one a model.
        scores: columns with a better side.
        resamples: of seeds, with replacement, the same for all strengths of an objective; 0 leaves out what rests on
            them, and so do fewer than five seeds.
        level: of the interval and of the set.
        seed: of the resamples.

    Returns:
        A line for each data set and condition, score, objective (with its variant) and strength: mean and standard
        deviation (ddof 1) over models, how many there are and how many more diverged; and
        `best`: whether its mean is the best; that is the recommendation;
        `best_share`: in how many resamples it is;
        low, high: interval of the best strength, the quantiles of it over resamples; of few seeds it is too narrow, and
        of fewer than five neither it nor the share is given;
        `p_value`: of the best strength being no better than this one, Student's t of their differences by seed,
        one-sided; NaN for the best;
        `may_be_best`: the strengths with p above (1 - level) / (strengths - 1), and the best. The strength that is
        truly the best is among them in `level` of studies or more (differences normal; Bonferroni's bound);
        `edge`: "lowest" or "highest" on the line of a best strength at an end of the grid: the best may lie beyond.
        `left_out` has objectives without a strength to choose, strengths of fewer than three models, objectives with
        fewer than two others, and scores that are the same at all of them.

    Raises:
        BadInput: an unknown score, or one without a better side.

    Reference:
        The set: Gupta 1965, "On Some Multiple Decision (Selection and Ranking) Rules"; here by paired differences.
        The interval: Efron 1979, "Bootstrap Methods: Another Look at the Jackknife".
    """
    names = with_a_better_side(scores)
    left_out, lines = LeftOut(), []
    tried = rows[rows["status"].isin(["done", "diverged"])]
    tried = tried.assign(variant=variants_by_objective(tried))
    for subject, members in parted(tried, "data_set").items():
        for title, arm in parted(members, "objective").items():
            objective, variant = str(arm["objective"].iloc[0]), str(arm["variant"].iloc[0])
            if OBJECTIVES[objective].strength is None:
                left_out.add(title, "it has no strength to choose")
                continue
            for name in names:
                table = _by_seed(arm, name)
                few = [f"{s:g}" for s, line in table.iterrows() if line.notna().sum() < LEAST]
                table = table.dropna(thresh=LEAST)
                if few:
                    left_out.add(title, f"fewer than {LEAST} models at {', '.join(few)}", name)
                if len(table) < 2:
                    left_out.add(title, f"needs two strengths of {LEAST} models, has {len(table)}", name)
                    continue
                if why := why_left_out(table.to_numpy().ravel()):
                    left_out.add(title, why, name)
                    continue
                found = strengths(
                    table.to_numpy() * sign(name), table.index.to_numpy(), resamples, level, seed
                ).assign(mean=table.mean(axis=1).to_numpy(), std=table.std(axis=1, ddof=1).to_numpy())
                found["models"] = table.notna().sum(axis=1).to_numpy()
                diverged = arm[arm["status"] == "diverged"]["strength"].value_counts()
                found["diverged"] = diverged.reindex(table.index, fill_value=0).to_numpy()
                about = {"subject": subject, "score": name, "objective": objective, "variant": variant}
                lines.append(found.assign(**about))
    table = pd.concat(lines, ignore_index=True) if lines else pd.DataFrame(columns=COLUMNS)
    return Findings(table[COLUMNS], left_out.reasons())


def _by_seed(arm: pd.DataFrame, name: str) -> pd.DataFrame:
    """A score of an arm's models, [strengths, seeds], strengths ascending; NaN where none finished."""
    done = arm[arm["status"] == "done"]
    values = score_values(done, [name])[name]
    table = values.set_axis(pd.MultiIndex.from_frame(done[["strength", "seed"]])).unstack("seed")
    return table.reindex(sorted(arm["strength"].unique()))


def strengths(values: Floats, grid: Floats, resamples: int, level: float, seed: int) -> pd.DataFrame:
    """What `recommendation` says of one objective and score, a line a strength.

    Args:
        values: [strengths, seeds], more is better, NaN where there is no model; three models a strength at least.
        grid: [strengths], ascending.
        resamples: of seeds.
        level: of interval and set.
        seed: of the resamples.
    """
    best = int(np.argmax(_means(values)))
    p_values = [
        np.nan if line == best else p_of_no_better(values[best], values[line]) for line in range(len(grid))
    ]
    bound = (1 - level) / (len(grid) - 1)
    drawn = resamples > 0 and values.shape[1] >= FEWEST_RESAMPLED
    shares = _shares_of_wins(values, resamples, seed) if drawn else np.full(len(grid), np.nan)
    low, high = _ends(grid, shares, level) if drawn else (np.nan, np.nan)
    edges = {0: "lowest", len(grid) - 1: "highest"}
    return pd.DataFrame(
        {
            "strength": grid,
            "best": np.arange(len(grid)) == best,
            "best_share": shares,
            "p_value": p_values,
            "may_be_best": [line == best or p > bound for line, p in enumerate(p_values)],
            "low": low,
            "high": high,
            "edge": [edges.get(line, "") if line == best else "" for line in range(len(grid))],
        }
    )


def p_of_no_better(best: Floats, other: Floats) -> float:
    """One-sided p-value of the means of two strengths [seeds] being equal or the other way round.

    Student's t of the differences by seed, where three seeds or more have both; else Welch's, of two separate groups.

    Reference:
        Welch 1947, "The Generalization of 'Student's' Problem When Several Different Population Variances Are
        Involved".
    """
    both = np.isfinite(best) & np.isfinite(other)
    if both.sum() >= LEAST:
        difference = (best - other)[both]
        error, freedom = difference.std(ddof=1) / np.sqrt(len(difference)), len(difference) - 1.0
        mean = difference.mean()
    else:
        parts = [part[np.isfinite(part)] for part in (best, other)]
        errors = np.array([part.var(ddof=1) / len(part) for part in parts])
        error, mean = float(np.sqrt(errors.sum())), parts[0].mean() - parts[1].mean()
        spread = sum(e**2 / (len(part) - 1) for e, part in zip(errors, parts, strict=True))
        freedom = errors.sum() ** 2 / spread if spread else np.inf
    if error <= 1e-12 * abs(mean) or error == 0:  # seeds without any spread: what differs differs
        return 0.0 if mean > 0 else 1.0
    return float(stdtr(freedom, -mean / error))


def _shares_of_wins(values: Floats, resamples: int, seed: int) -> Floats:
    """In how many resamples of the seeds each strength has the best mean, as a share; equal ones share a resample."""
    random = np.random.Generator(np.random.Philox([seed, 0]))
    count = values.shape[1]
    means = _means(values[:, random.integers(0, count, size=(resamples, count))])
    best = means == means.max(axis=0)
    return np.asarray((best / best.sum(axis=0)).mean(axis=1))


def _ends(grid: Floats, shares: Floats, level: float) -> tuple[float, float]:
    """The strengths between which the best one lies in `level` of resamples."""
    ends = np.searchsorted(np.cumsum(shares) + 1e-12, [(1 - level) / 2, (1 + level) / 2])
    return float(grid[ends[0]]), float(grid[ends[1]])


def _means(values: Floats) -> Floats:
    """Mean over the last axis of what is known; minus infinity where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    sums = np.where(known, values, 0).sum(axis=-1)
    return np.divide(sums, count, out=np.full(count.shape, -np.inf), where=count > 0)
