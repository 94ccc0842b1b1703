"""Gradient boosting as in the study's trees, its splits found by LightGBM, for every score that asks a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .arrays import Floats, Integers

if TYPE_CHECKING:
    import lightgbm

DEPTH = 3
LEARNING_RATE = 0.1


def boosted_trees(
    codes: Floats, targets: Integers, *, rounds: int, bins: int, seed: int = 0
) -> tuple[NDArray[np.float64], Integers]:
    """Importance [D] and predicted classes of all rows [N]; the first len(targets) rows train.

    Classes are numbers from 0 and each occurs in `targets`. Trees of depth 3 on the residuals, gains of squared error,
    Newton leaves: scikit-learn's `GradientBoostingClassifier`, which looks for a split between any two rows. Here a
    tree of a class may split next to each row of that class and at `bins` quantiles of each code. That is nearly all
    that matters, since the best cut lies at the edge of a run of rows of the class unless the probabilities within a
    run of others bend it away, and a fraction of the work. Quantiles alone are not enough: late trees part single rows,
    and single rows that belong together lie together in codes that know the class.

    LightGBM's own multi-class objective splits by gradient^2 / curvature and reads D and C 0.02 to 0.06 higher.
    Here the curvature handed to it is 1, so that it splits by squared error, and the Newton step of each leaf
    is taken outside. Of equal gains the first code wins, in an order drawn from `seed` for every two classes, forward
    for one and backward for the other. A tree ends where no cut gains (scikit-learn's takes one at random).
    """
    train, classes = len(targets), int(targets.max()) + 1
    places, quantiles = zip(*(_places(column, train, bins) for column in codes.T), strict=True)
    varying = np.array([code for code, place in enumerate(places) if place[:train].any()], dtype=np.int64)
    importance = np.zeros(codes.shape[1])
    if classes == 1 or not varying.size:
        return importance, np.full(len(codes), np.bincount(targets).argmax())

    random = np.random.Generator(np.random.Philox(seed))
    drawn = [random.permutation(varying) for _ in range((classes + 1) // 2)]
    orders = [drawn[which // 2][:: 1 - 2 * (which % 2)] for which in range(classes)]
    tables = [
        np.stack([_binned(places[code], quantiles[code], targets == which) for code in order])
        for which, order in enumerate(orders)
    ]
    growing = [_booster(table[:, :train]) for table in tables]
    scores = np.tile(np.log(np.bincount(targets) / train)[:, None], (1, len(codes)))
    one_hot, ones = np.eye(classes)[targets].T, np.ones(train, dtype=np.float32)
    for _ in range(rounds):
        odds = np.exp(scores[:, :train] - scores[:, :train].max(axis=0))
        share = odds / odds.sum(axis=0)
        residual, curvature = one_hot - share, share - share * share
        for which, booster in enumerate(growing):
            gradient = -residual[which].astype(np.float32)
            stuck = booster.update(fobj=lambda *_, gradient=gradient: (gradient, ones))
            leaf = np.zeros(len(codes), dtype=np.uint8) if stuck else _leaves(booster, tables[which])
            rise = np.bincount(leaf[:train], residual[which], 2**DEPTH)
            bend = np.bincount(leaf[:train], curvature[which], 2**DEPTH)
            step = np.divide(rise, bend, out=np.zeros_like(rise), where=bend > 1e-150)
            scores[which] += LEARNING_RATE * (classes - 1) / classes * step[leaf]

    for order, booster in zip(orders, growing, strict=True):
        importance[order] += booster.feature_importance("gain")
    return importance / importance.sum() if importance.any() else importance, scores.argmax(axis=0)


def _places(column: Floats, train: int, bins: int) -> tuple[Integers, Integers]:
    """The rank of each row's value among those that train, [N], and the ranks where quantiles of the rows lie."""
    values = np.unique(column[:train])
    middles = values[:-1] / 2 + values[1:] / 2
    middles = np.where(middles < values[1:], middles, values[:-1])  # no float between the two
    place = np.searchsorted(middles, column)
    quantiles = np.linspace(0, train - 1, bins + 1).astype(np.int64)[1:-1]
    return place, np.minimum(np.sort(place[:train])[quantiles], len(values) - 2)


def _binned(place: Integers, quantiles: Integers, belongs: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Places between the cuts that a class asks for, [N]: beside each value that a row of it has, and at quantiles."""
    held = np.zeros(place[: len(belongs)].max() + 1, dtype=bool)
    held[place[: len(belongs)][belongs]] = True
    cut = held[1:] | held[:-1]
    cut[quantiles] = True
    return np.concatenate([[0], np.cumsum(cut)]).astype(np.int32)[place]


def _booster(table: NDArray[np.int32]) -> lightgbm.Booster:
    """A booster of one tree a round over whole numbers [D, N], each of which is a bin."""
    import lightgbm

    quiet = {"verbosity": -1, "num_threads": 1}
    as_they_are = {
        "max_bin": int(table.max()) + 2,
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "enable_bundle": False,
    }
    trees = {
        "objective": "none",
        "num_leaves": 2**DEPTH,
        "max_depth": DEPTH,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 0.0,
        "deterministic": True,
        "force_col_wise": True,
    }
    data = lightgbm.Dataset(table.T.astype(np.float32, order="C"), params=quiet | as_they_are)
    return lightgbm.Booster(quiet | as_they_are | trees, data)


def _leaves(booster: lightgbm.Booster, table: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The leaf that each column of the table [D, N] reaches in the latest tree, below 2^DEPTH.

    Read off the model's text: asking LightGBM to predict costs five times as much.
    """
    text = booster.model_to_string(num_iteration=1, start_iteration=booster.current_iteration() - 1)
    tree = text[text.index("split_feature=") : text.index("leaf_value=")]
    fields = {name: values.split() for name, values in (line.split("=") for line in tree.splitlines())}
    # bins are whole numbers and thresholds lie between them
    nodes = [
        (int(code), int(float(threshold)), int(left), int(right))
        for code, threshold, left, right in zip(
            *(fields[name] for name in ("split_feature", "threshold", "left_child", "right_child")),
            strict=True,
        )
    ]

    def below(node: int, size: int) -> NDArray[np.uint8] | np.uint8:
        """Leaves counted from 0 of the subtree of at most `size` leaves; a negative node is a leaf."""
        if node < 0:
            return np.uint8(0)
        code, threshold, left, right = nodes[node]
        goes_right = np.negative((table[code] > threshold).view(np.uint8))  # every bit set
        first, second = below(left, size // 2), below(right, size // 2) + np.uint8(size // 2)
        return first ^ ((first ^ second) & goes_right)

    return np.asarray(below(0, 2**DEPTH))
