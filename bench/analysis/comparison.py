"""Does the best of n random seeds of one method beat another method?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..bad_input import BadInput, unknown
from ..catalogue import OBJECTIVES
from .findings import Findings, LeftOut
from .groups import groups, method_title, strength_title
from .order_statistics import chances_of_bests
from .rank_correlation import LEAST, Floats
from .score_values import oriented, score_values, why_left_out, with_a_better_side

SPELLING = re.compile(r"(?P<objective>[^(=]+?)\s*(\((?P<variant>.*)\))?\s*(=\s*(?P<strength>[^)=]+))?")

COLUMNS = [
    "subject",
    "score",
    "a",
    "a_models",
    "b",
    "b_models",
    "n",
    "chance",
    "low",
    "high",
    "chance_of_bests",
    "bests_low",
    "bests_high",
]


@dataclass(frozen=True)
class Method:
    """An objective, its variant if it has several, and its strength; None for the one with the best mean."""

    objective: str
    variant: str | None = None
    strength: float | None = None

    @classmethod
    def of(cls, text: str) -> Method:
        """Read `beta_vae`, `beta_vae=4` or `beta_tcvae(estimator mss)=4`.

        Raises:
            BadInput: it is none of these, or no objective has that name.
        """
        parts = SPELLING.fullmatch(text.strip())
        if parts is None:
            raise BadInput(f"a method is written OBJECTIVE or OBJECTIVE=STRENGTH, got {text!r}")
        if parts["objective"] not in OBJECTIVES:
            raise unknown("objective", parts["objective"], OBJECTIVES)
        try:
            strength = float(parts["strength"]) if parts["strength"] else None
        except ValueError as error:
            raise BadInput(f"{text!r}: a strength is a number, got {parts['strength']!r}") from error
        return cls(parts["objective"], parts["variant"], strength)

    def models(self, members: pd.DataFrame) -> pd.DataFrame | str:
        """Its models among those of a data set, or why there are none.

        Raises:
            BadInput: the objective has several variants there, and none was named; or none of that name.
        """
        found = members[members["objective"] == self.objective]
        variants = [str(variant) for variant in found["variant"].unique()]
        if self.variant is not None and len(found):
            if self.variant not in variants:
                raise unknown(f"variant of {self.objective}", self.variant, variants)
            found = found[found["variant"] == self.variant]
        elif len(variants) > 1:
            ways = ", ".join(f"'{self.objective}({variant})'" for variant in variants)
            raise BadInput(f"{self.objective} has {len(variants)} variants; name one: {ways}")
        if self.strength is not None and len(found):
            strengths = [f"{strength:g}" for strength in found["strength"].unique()]
            found = found[np.isclose(found["strength"], self.strength)]
            if not len(found):
                return f"has {self.objective} at {', '.join(strengths)}, not at {self.strength:g}"
        return found if len(found) else f"has no finished model of {self.objective}"


def comparison(
    rows: pd.DataFrame,
    a: str,
    b: str,
    scores: Sequence[str] = ("mig",),
    *,
    most: int | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Findings:
    """The chance that the best of n random seeds of method A beats a random seed of B, for n = 1 .. N.

    Counted over all sets of n models of A and all models of B, which is exact; a tie counts half. Beside it the same
    for the best of n of both, where neither has more tries.

    Args:
        rows: of a store or a sweep, one a model.
        a: `OBJECTIVE`, at the strength with the best mean, or `OBJECTIVE=STRENGTH`; with several arms of the
            objective `OBJECTIVE(variant)`, as tables name it.
        b: the same.
        scores: columns with a better side.
        most: largest n; as many as there are models of A when left out.
        resamples: behind the interval, of the models of each strength with replacement; the best strength is chosen
            anew in each. 0 leaves it NaN.
        level: of the interval.
        seed: of the resamples.

    Returns:
        A line for each data set and condition, score and n: subject, score, a, a_models, b, b_models (which and how
        many), n, `chance` 0 .. 1 with low and high, `chance_of_bests` with bests_low and bests_high, NaN where B has
        fewer than n models. With n near the number of models nearly all hangs on the best one that there is, and no
        interval knows how good the best of other seeds would be. A strength chosen by the models that are then
        compared flatters its method a little: with few seeds name the strengths.
        `left_out` has data sets without A or B, and scores of which either has no strength with three models, or that
        are the same for all.

    Raises:
        BadInput: an unknown method or score, a score without a better side, `most` below 1.

    Reference:
        Locatello et al. 2019 (a good run of a bad hyperparameter beats a bad run of a good one); the chance at n = 1
        is Mann and Whitney's (1947) U over the number of pairs.
    """
    names = with_a_better_side(scores)
    first, second = Method.of(a), Method.of(b)
    if most is not None and most < 1:
        raise BadInput(f"most must be at least 1, got {most}")
    left_out, lines = LeftOut(), []
    for subject, members in groups(rows, "data_set").items():
        sides = [side.models(members) for side in (first, second)]
        if missing := [side for side in sides if isinstance(side, str)]:
            left_out.add(subject, "; ".join(missing))
            continue
        for name in names:
            known = [_by_strength(side, name) for side in sides if not isinstance(side, str)]
            if not all(known):
                fewer = " and ".join(
                    text for text, there in zip((a, b), known, strict=True) if not there
                )  # fmt: skip
                left_out.add(subject, f"{fewer}: no strength with {LEAST} models", name)
                continue
            if why := why_left_out(np.concatenate([part for side in known for part in side.values()])):
                left_out.add(subject, why, name)
                continue
            (title, values), (other_title, others) = (_best(side) for side in known)
            chances = chances_of_bests(values, others, min(most or len(values), len(values)))
            intervals = _intervals(known[0], known[1], np.isfinite(chances), resamples, level, seed)
            for n, (chance, low, high) in enumerate(zip(chances, *intervals, strict=True), start=1):
                numbers = {
                    "a": _title(first, sides[0], title),
                    "a_models": len(values),
                    "b": _title(second, sides[1], other_title),
                    "b_models": len(others),
                    "n": n,
                    "chance": chance[0],
                    "low": low[0],
                    "high": high[0],
                    "chance_of_bests": chance[1],
                    "bests_low": low[1],
                    "bests_high": high[1],
                }
                lines.append({"subject": subject, "score": name, **numbers})
    return Findings(pd.DataFrame(lines, columns=COLUMNS), left_out.reasons())


def _by_strength(models: pd.DataFrame, name: str) -> dict[float, Floats]:
    """The score of a method's models by strength, more is better, of strengths with three models or more."""
    values = oriented(score_values(models, [name]))[name]
    found = {}
    for strength, part in values.groupby(models["strength"]):
        known = part.dropna().to_numpy()
        if len(known) >= LEAST:
            found[float(strength)] = known
    return found


def _best(by_strength: Mapping[float, Floats]) -> tuple[float, Floats]:
    """The strength with the best mean, and its models."""
    return max(by_strength.items(), key=lambda item: float(item[1].mean()))


def _intervals(
    a: Mapping[float, Floats],
    b: Mapping[float, Floats],
    told: NDArray[np.bool_],
    resamples: int,
    level: float,
    seed: int,
) -> tuple[Floats, Floats]:
    """Ends of the intervals of the chances that are `told` [n, 2], NaN elsewhere.

    A resample whose best strength has fewer than n models does not count for n.
    """
    random = np.random.Generator(np.random.Philox([seed, 0]))
    drawn = np.full((resamples, *told.shape), np.nan)
    for draw in range(resamples):
        (_, values), (_, others) = (
            _best(
                {
                    strength: known[random.integers(0, len(known), len(known))]
                    for strength, known in side.items()
                }
            )
            for side in (a, b)
        )
        found = chances_of_bests(values, others, min(len(told), len(values)))
        drawn[draw, : len(found)] = found
    ends = np.full((2, *told.shape), np.nan)
    for n, column in np.argwhere(told):
        known = drawn[:, n, column]
        known = known[np.isfinite(known)]
        if len(known):
            ends[:, n, column] = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return ends[0], ends[1]


def _title(method: Method, models: pd.DataFrame | str, strength: float) -> str:
    """`β-TCVAE (estimator mss), β = 4`."""
    variant = "" if isinstance(models, str) else models["variant"].iloc[0]
    words = [method_title(method.objective, variant), strength_title(method.objective, strength)]
    return ", ".join(word for word in words if word)
