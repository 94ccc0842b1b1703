"""Running metrics over arrays: what is there, checked once, to result columns."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .arrays import (
    Array,
    as_classes,
    as_factors,
    as_logvar,
    as_matrix,
    require_equal_rows,
    require_train_rows,
)
from .score import Metric
from .table import METRICS

PROTOCOL = (10_000, 5_000)
"""Rows that train and test in the unsupervised study."""


def compute(
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
) -> dict[str, Any]:
    """Run metrics and return their columns: floats, and nested lists for lists and matrices.

    Args:
        names: keys of `METRICS`, or one of them; all whose arrays are there when left out.
        codes: [N, D], usually posterior means.
        factors: [N, K], whole-number classes.
        train: the first `train` rows train classifiers and feed the study's sampled scores, the rest test;
            two thirds when left out.
        mean: [N, D], posterior means.
        logvar: [N, D], logarithms of posterior variances.
        condition: [N], the class that a conditional model was told.
        whole: the rows are the whole data set, each image once. Metrics that are exact then see all of them; the
            others see as many as the study's protocol draws, 10,000 rows to train and 5,000 to test, without
            replacement (all rows, shuffled, where there are no more); `train` is not used.
        seed: of every metric that draws.
        options: further keywords of metrics, by name: `{"dci": {"rounds": 20}}`.

    Raises:
        ValueError: no arrays, an unknown metric or option, a named metric whose arrays are missing, or arrays that
            cannot be used.
    """
    arrays = checked(codes=codes, factors=factors, mean=mean, logvar=logvar, condition=condition)
    rows = require_equal_rows(**arrays)
    seen, train = arrays, 2 * rows // 3 if train is None else train
    if whole:
        seen, train = drawn(arrays, seed)
    train = require_train_rows(train, len(next(iter(seen.values()))))
    options = options or {}
    for name, keywords in options.items():
        require_options(name, keywords)
    columns: dict[str, Any] = {}
    for metric in chosen(names, arrays, whole=whole):
        given = {"seed": seed} if metric.seeded else {}
        columns |= columns_of(
            metric, arrays if metric.whole else seen, train, {**given, **options.get(metric.name, {})}
        )
    return columns


def columns_of(
    metric: Metric, arrays: Mapping[str, Any], train: int, keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """The columns of one metric from checked arrays."""
    split = {"train": train} if metric.rows == "split" else {}
    rows = slice(train) if metric.rows == "train" else slice(None)
    taken = metric.inputs + tuple(name for name in metric.optional if name in arrays)
    result = metric.function(**{name: arrays[name][rows] for name in taken}, **split, **keywords)
    columns = {}
    for score in metric.scores:
        value = result if score.field is None else getattr(result, score.field)
        columns[score.column] = float(value) if score.kind == "number" else np.asarray(value).tolist()
    return columns


def drawn(arrays: Mapping[str, Any], seed: int) -> tuple[dict[str, Any], int]:
    """As many rows of a whole data set as the study's protocol draws, and how many of them train.

    Without replacement, other than there: copies of rows are neighbours that estimates without bins take for structure.
    """
    rows = len(next(iter(arrays.values())))
    selected = np.random.Generator(np.random.Philox(seed)).permutation(rows)[: sum(PROTOCOL)]
    train = PROTOCOL[0] if rows > sum(PROTOCOL) else 2 * rows // 3
    return {name: array[selected] for name, array in arrays.items()}, train


def checked(**arrays: Array | None) -> dict[str, Any]:
    """The arrays that are there, each of the kind that its name promises; tensors stay on their device."""
    kinds: dict[str, Callable[..., Any]] = {
        "factors": as_factors,
        "condition": as_classes,
        "logvar": as_logvar,
    }
    given = {name: value for name, value in arrays.items() if value is not None}
    if not given:
        raise ValueError(f"no arrays to score; takes {', '.join(arrays)}")
    checked = {name: kinds.get(name, as_matrix)(value, name) for name, value in given.items()}
    if {"mean", "logvar"} <= set(checked) and checked["mean"].shape != checked["logvar"].shape:
        shapes = [list(checked[name].shape) for name in ("mean", "logvar")]
        raise ValueError(f"logvar: expected the shape of mean, {shapes[0]}, got {shapes[1]}")
    on_device = {name: value for name, value in given.items() if getattr(value, "is_cuda", False)}
    return {**checked, **{name: value for name, value in on_device.items() if name in ("mean", "logvar")}}


def chosen(names: Iterable[str] | str | None, arrays: Mapping[str, Any], *, whole: bool) -> list[Metric]:
    """The metrics asked for, or all that the arrays allow."""
    if names is None:
        return [
            metric
            for metric in METRICS.values()
            if set(metric.inputs) <= set(arrays) and (whole or not metric.whole)
        ]
    found = [_known(name) for name in dict.fromkeys([names] if isinstance(names, str) else names)]
    for metric in found:
        missing = [array for array in metric.inputs if array not in arrays]
        if missing:
            raise ValueError(f"metric {metric.name!r} needs arrays that are not there: {', '.join(missing)}")
        if metric.whole and not whole:
            raise ValueError(
                f"metric {metric.name!r} is of a whole data set: say that the rows are one (whole)"
            )
    return found


def _known(name: str) -> Metric:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}{_guess(name, METRICS)}; known: {', '.join(METRICS)}")
    return METRICS[name]


def require_options(name: str, keywords: Mapping[str, Any]) -> None:
    """Refuse an option that the metric does not take, or that `compute` itself hands over."""
    metric = _known(name)
    ours = {*metric.inputs, *metric.optional, "train"}
    known = [keyword for keyword in inspect.signature(metric.function).parameters if keyword not in ours]
    for keyword in keywords:
        if keyword not in known:
            raise ValueError(
                f"metric {name!r} takes no option {keyword!r}{_guess(keyword, known)}; known: {', '.join(known)}"
            )


def _guess(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
