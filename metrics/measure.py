"""Metrics with error bars: every score of all rows, and how far it moves with random halves of them."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import Array, require_at_least, require_equal_rows, require_train_rows
from .compute import checked, chosen, columns_of, drawn, require_options
from .result import Measured, Result
from .score import Metric, Score

LEAST_DRAWS = 3
"""With fewer a spread says nothing."""

DEAR = 3
"""Trees, and sampled terms over a whole data set, are drawn so many times less often."""

LEAST_ROWS = 8
"""Of a half; smaller samples get no interval."""


def measure(
    names: Iterable[str] | str | None = None,
    *,
    codes: Array | None = None,
    factors: Array | None = None,
    train: int | None = None,
    mean: Array | None = None,
    logvar: Array | None = None,
    condition: Array | None = None,
    whole: bool = False,
    seed: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    draws: int = 10,
    level: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Run metrics as `compute` does and say how far each number would move with another sample.

    The interval is value +- t * deviation, the deviation that of `draws` random halves of the training rows and of the
    test rows, drawn without replacement, each with its own seed: for estimates whose error falls with the square root
    of the rows, a half without replacement moves as much around the whole as the whole does around the truth. (Drawing
    with replacement would add copies of rows, which binned mutual information takes for structure.) It says nothing of
    bias. Scores between 0 and 1 have intervals between 0 and 1. What is exact over a whole data set has none.

    Args:
        names: as in `compute`, as are all but the last three.
        codes: [N, D].
        factors: [N, K].
        train: the first `train` rows train; two thirds when left out.
        mean: [N, D].
        logvar: [N, D].
        condition: [N].
        whole: the rows are the whole data set.
        seed: of halves and of every metric that draws.
        options: further keywords of metrics, by name.
        draws: halves, at least 3; 0 leaves intervals out. Metrics that grow trees get a third as many, at least 3.
        level: of the interval, 0 .. 1.
        progress: called with (done, of how many).

    Returns:
        Results by column, in the order of `METRICS`. Where no metric was named, one that these arrays do not allow
        (every factor constant, no class of two rows) is left out, and `left_out` says why.

    Raises:
        ValueError: as `compute`; a number of draws that gives no spread, or a level outside 0 .. 1.
    """
    if require_at_least("draws", draws, 0) in range(1, LEAST_DRAWS):
        raise ValueError(f"draws: expected 0, or at least {LEAST_DRAWS} for a spread, got {draws}")
    if not 0 < level < 1:
        raise ValueError(f"level: expected a share between 0 and 1, got {level}")
    arrays = checked(codes=codes, factors=factors, mean=mean, logvar=logvar, condition=condition)
    rows = require_equal_rows(**arrays)
    seen, train = arrays, 2 * rows // 3 if train is None else train
    if whole:
        seen, train = drawn(arrays, seed)
    drawn_rows = len(next(iter(seen.values())))
    train = require_train_rows(train, drawn_rows)
    options = options or {}
    for name, keywords in options.items():
        require_options(name, keywords)
    metrics = chosen(names, arrays, whole=whole)
    halves = {metric.name: _draws(metric, draws, seen, train) for metric in metrics}

    def one(metric: Metric, draw: int) -> dict[str, Any] | ValueError:
        """The columns of all rows (draw 0) or of one half, or why it cannot be scored."""
        given: dict[str, Any] = {"seed": seed + draw} if metric.seeded else {}
        keywords = {**given, **options.get(metric.name, {})}
        given_rows, given_train = (arrays if metric.whole else seen), train
        if draw and not metric.whole:
            given_rows, given_train = _half(seen, train, seed, draw)
        try:
            return columns_of(metric, given_rows, given_train, keywords)
        except ValueError as error:
            return error

    tasks = [(metric, draw) for metric in metrics for draw in range(halves[metric.name] + 1)]
    tasks.sort(key=lambda task: not task[0].trees)  # longest first
    done: dict[tuple[str, int], dict[str, Any] | ValueError] = {}
    # One limit around all: each metric's own, set and restored by several threads at once, would not be restored.
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() if draws else 1) as pool:
        for task, columns in zip(tasks, pool.map(lambda task: one(*task), tasks), strict=True):
            done[task[0].name, task[1]] = columns
            if progress is not None:
                progress(len(done), len(tasks))
    results = Measured()
    for metric in metrics:
        values = done[metric.name, 0]
        if isinstance(values, ValueError):
            if names is not None:
                raise values
            results.left_out[metric.name] = str(values)
            continue
        others = [done[metric.name, draw] for draw in range(1, halves[metric.name] + 1)]
        for score in metric.scores:
            column = score.column
            spread = [
                float(found[column]) for found in others if isinstance(found, dict) and score.kind == "number"
            ]
            deviation, interval = _interval(values[column], spread, score, level)
            results[column] = Result(
                value=values[column],
                interval=interval,
                deviation=deviation,
                score=score,
                metric=metric.name,
                estimator=function_of(metric).__name__,
                settings=settings_of(metric, options.get(metric.name, {})),
                rows=rows if metric.whole else train if metric.rows == "train" else drawn_rows,
                train=train if metric.rows == "split" else None,
                seed=seed,
                draws=len(spread) if interval else 0,
                level=level,
            )
    if results.left_out and not results:
        raise ValueError(next(iter(results.left_out.values())))
    return results


def function_of(metric: Metric) -> Callable[..., Any]:
    """The function itself, without the keywords that a row of the table fixes."""
    function = metric.function
    return function.func if isinstance(function, partial) else function


def settings_of(metric: Metric, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every keyword of a metric that changes its number, as it was called."""
    function = metric.function
    fixed = function.keywords if isinstance(function, partial) else {}
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    ours = {*metric.inputs, *metric.optional, "codes", "seed", "threads", "train"}
    return {key: value for key, value in {**defaults, **fixed, **options}.items() if key not in ours}


def _draws(metric: Metric, draws: int, arrays: Mapping[str, Any], train: int) -> int:
    """How many halves a metric gets."""
    rows = len(next(iter(arrays.values())))
    small = min(train, rows - train) // 2 < LEAST_ROWS
    if draws == 0 or small or (metric.whole and not metric.seeded):
        return 0
    return max(draws // DEAR, LEAST_DRAWS) if metric.trees or metric.whole else max(draws, LEAST_DRAWS)


def _half(arrays: Mapping[str, Any], train: int, seed: int, draw: int) -> tuple[dict[str, Any], int]:
    """A random half of the training rows, then of the test rows."""
    random = np.random.Generator(np.random.Philox([seed, draw]))
    rows = len(next(iter(arrays.values())))
    first: NDArray[np.int64] = random.permutation(train)[: train // 2]
    second = train + random.permutation(rows - train)[: (rows - train) // 2]
    selected = np.concatenate([first, second])
    return {name: array[selected] for name, array in arrays.items()}, len(first)


def _interval(
    value: Any, spread: list[float], score: Score, level: float
) -> tuple[float | None, tuple[float, float] | None]:
    spread = [found for found in spread if math.isfinite(found)]
    if len(spread) < LEAST_DRAWS or not math.isfinite(value):
        return None, None
    deviation = float(np.std(spread, ddof=1))
    reach = float(stdtrit(len(spread) - 1, 0.5 + level / 2)) * deviation
    low, high = float(value) - reach, float(value) + reach
    least, largest = score.bounds
    return deviation, (max(low, least), min(high, largest))
