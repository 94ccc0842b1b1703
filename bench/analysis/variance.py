"""How much of a score is the objective, how much its strength, how much the seed: shares of variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..tables import scores_named
from .findings import Findings, LeftOut
from .groups import METHOD, SETTING, groups
from .rank_correlation import LEAST, Floats
from .score_values import score_values, why_left_out

Labels = NDArray[np.int64]

COLUMNS = [
    "subject",
    "score",
    "models",
    "objectives",
    "settings",
    "objective",
    "objective_adjusted",
    "objective_chance",
    "objective_dealt",
    "objective_p_value",
    "setting",
    "setting_adjusted",
    "setting_chance",
    "setting_p_value",
    "seed",
    "seed_adjusted",
]


def variance_shares(
    rows: pd.DataFrame, scores: Sequence[str] | None = None, *, permutations: int = 1000, seed: int = 0
) -> Findings:
    """The share of each score's variance that objective, and objective and strength together, explain.

    The R² of a regression on one indicator a group. It rises with the number of groups whatever they are: G groups of N
    models without any meaning explain (G - 1) / (N - 1) on average, exactly. The adjusted share takes that off: it is
    the excess over chance, of the excess that there could be, and is below 0 where groups explain less than chance.

    Args:
        rows: of a store or a sweep, one a model.
        scores: columns; all that any model of a data set has when left out.
        permutations: behind the p-values and `objective_dealt`; 0 leaves them NaN.
        seed: of the permutations.

    Returns:
        A line a score, for each data set and condition: subject, score, models, objectives (with their variants),
        settings (objectives with their strengths);
        `objective`, 0 .. 1: share that the objective explains; `_adjusted`; `_chance`: what labels without meaning
        would; `_dealt`: what as many groups of settings explain on average if settings are dealt to them at
        random, strengths and all; `_p_value`: how often such a deal explains as much;
        `setting`: share that objective and strength explain together; `_adjusted`; `_chance`; `_p_value`, how often
        models dealt to settings at random explain as much;
        `seed`: the rest, 1 - `setting`; `_adjusted`: 1 - `setting_adjusted`.
        `left_out` has settings of fewer than three models, scores that fewer than two other settings have, and scores
        that are the same everywhere.

    Raises:
        BadInput: an unknown score.

    Reference:
        Locatello et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations" (share of variance by objective, and by objective and hyperparameter; without adjustment or
        test). Adjusted share: Kelley 1935, "An Unbiased Correlation Ratio Measure".
    """
    named = scores_named(scores) if scores is not None else None
    left_out, lines = LeftOut(), []
    for subject, members in groups(rows, "data_set").items():
        values = score_values(members, named)
        setting = members.groupby(SETTING, sort=False).ngroup().to_numpy()
        objective = members.groupby(METHOD, sort=False).ngroup().to_numpy()
        for name in values:
            column = values[name].to_numpy()
            known = np.isfinite(column)
            enough = known & (np.bincount(setting[known], minlength=setting.max() + 1) >= LEAST)[setting]
            few = len(np.unique(setting[known])) - len(np.unique(setting[enough]))
            kept = len(np.unique(setting[enough]))
            if few:
                what = f"{few} {'setting' if few == 1 else 'settings'} of fewer than {LEAST} models"
                left_out.add(subject, what, name)
            if kept < 2:
                left_out.add(subject, f"needs two settings of {LEAST} models or more, has {kept}", name)
            elif why := why_left_out(column[enough]):
                left_out.add(subject, why, name)
            else:
                found = _shares(column[enough], objective[enough], setting[enough], permutations, seed)
                lines.append({"subject": subject, "score": name, **found})
    return Findings(pd.DataFrame(lines, columns=COLUMNS), left_out.reasons())


def explained(values: Floats, labels: Labels) -> float:
    """Share of the variance of values [N] that lies between groups, 0 .. 1: R² of a regression on indicators."""
    return float(_between(values[None], labels)[0] / np.square(values - values.mean()).sum())


def adjusted(share: float, models: int, groups: int) -> float:
    """A share less what chance explains, of what there is beyond chance; NaN where every model is its own group.

    1 - (1 - share) (N - 1) / (N - G), so at most 1; 0 is chance.
    """
    return 1 - (1 - share) * (models - 1) / (models - groups) if models > groups else np.nan


def _shares(
    values: Floats, objective: Labels, setting: Labels, permutations: int, seed: int
) -> dict[str, float]:
    """Everything that a line says of one score."""
    objective, setting = (np.unique(labels, return_inverse=True)[1] for labels in (objective, setting))
    values = (
        values - values.mean()
    ) / values.std()  # shares do not change, and no size of score loses digits
    models, objectives, settings = len(values), int(objective.max()) + 1, int(setting.max()) + 1
    by_objective = explained(values, objective) if objectives > 1 else 0.0
    by_setting = explained(values, setting)
    dealt = _settings_dealt(values, objective, setting, permutations, seed) if objectives > 1 else np.empty(0)
    mixed = _models_dealt(values, setting, permutations, seed)
    return {
        "models": models,
        "objectives": objectives,
        "settings": settings,
        "objective": by_objective if objectives > 1 else np.nan,
        "objective_adjusted": adjusted(by_objective, models, objectives) if objectives > 1 else np.nan,
        "objective_chance": (objectives - 1) / (models - 1),
        "objective_dealt": float(dealt.mean()) if len(dealt) else np.nan,
        "objective_p_value": _p_value(by_objective, dealt),
        "setting": by_setting,
        "setting_adjusted": adjusted(by_setting, models, settings),
        "setting_chance": (settings - 1) / (models - 1),
        "setting_p_value": _p_value(by_setting, mixed),
        "seed": 1 - by_setting,
        "seed_adjusted": 1 - adjusted(by_setting, models, settings),
    }


def _between(values: Floats, labels: Labels) -> Floats:
    """Sum of squares between groups, of each line of values [P, N] about its mean: [P]."""
    counts = np.bincount(labels)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    centred = values - values.mean(axis=1, keepdims=True)
    sums = np.add.reduceat(centred[:, np.argsort(labels, kind="stable")], starts, axis=1)
    return np.asarray((np.square(sums) / counts).sum(axis=1))


def _models_dealt(values: Floats, setting: Labels, permutations: int, seed: int) -> Floats:
    """What settings explain of standardised values when models are dealt to them at random: [permutations]."""
    random = np.random.Generator(np.random.Philox([seed, 0]))
    dealt = random.permuted(np.tile(values, (permutations, 1)), axis=1)
    return _between(dealt, setting) / len(values)


def _settings_dealt(
    values: Floats, objective: Labels, setting: Labels, permutations: int, seed: int
) -> Floats:
    """What objectives explain of standardised values when settings, with their models, are dealt to them at random."""
    random = np.random.Generator(np.random.Philox([seed, 1]))
    counts, sums = np.bincount(setting), np.bincount(setting, weights=values)
    of_setting = np.zeros(len(counts), dtype=np.int64)
    of_setting[setting] = objective
    dealt = random.permuted(np.tile(of_setting, (permutations, 1)), axis=1)
    shares = np.zeros(permutations)
    for group in range(objective.max() + 1):
        member = dealt == group
        shares += np.square(member @ sums) / (member @ counts)
    return shares / len(values)


def _p_value(share: float, at_random: Floats) -> float:
    """How often chance explains as much; NaN without draws."""
    if not len(at_random):
        return np.nan
    return float((1 + (at_random >= share - 1e-12).sum()) / (1 + len(at_random)))
