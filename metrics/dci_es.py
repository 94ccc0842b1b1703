"""Explicitness and size, the two that DCI-ES adds to DCI: how simple a probe may be, and how many codes it takes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from .arrays import (
    Array,
    Floats,
    Integers,
    as_factors,
    as_matrix,
    require_at_least,
    require_equal_rows,
    require_train_rows,
    require_varying,
)


@dataclass(frozen=True)
class DCIES:
    """E and S of DCI-ES; D, C and I are those of `dci`.

    Attributes:
        explicitness: 1 where the simplest probe is already the best, 0 where the loss falls in a straight line with
            capacity, down to -1 where only the most complex probe helps; mean over factors.
        size: factors over codes, K / D; 1 is one code a factor, more codes are below 1.
        capacities: [C], the depths of trees.
        losses: [K', C], test error of each varying factor at each depth, the least up to that depth.
    """

    explicitness: float
    size: float
    capacities: NDArray[np.int64]
    losses: NDArray[np.float64]


def dci_es(
    codes: Array,
    factors: Array,
    *,
    train: int,
    depth: int = 16,
    trees: int = 20,
    seed: int = 0,
    threads: int | None = None,
) -> DCIES:
    """Loss-capacity curves of random forests, cut at rising depth: E = 1 - 2 area / (capacity range x baseline loss).

    The area lies between the curve and its lowest point. The loss is the error rate on the test rows, the baseline
    that of always guessing the class most frequent in training, the capacity the depth of the trees: one forest is
    grown to `depth` and read at every depth, since a tree cut there is the tree grown no further.

    Args:
        codes: [N, D], posterior means.
        factors: [N, K], whole-number classes. A factor that is constant in the training rows is left out.
        train: the first `train` rows train, the rest test.
        depth: largest capacity, at least 2; the smallest is 1. Values depend on it: compare at the same depth only.
        trees: of a forest; the paper takes 100.
        seed: of the forests.
        threads: factors that are fitted at the same time; all processors when left out. Never changes a number.

    Returns:
        Explicitness, size, and the curves. Codes that know nothing have flat curves and so an explicitness of 1: read
        it beside informativeness, as the paper does.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, `train`
            that leaves no rows on one side, every factor constant, or a depth below 2.

    Reference:
        Eastwood et al. 2023, "DCI-ES: An Extended Disentanglement Framework with Connections to Identifiability",
        eqs. 4 and 5, with the least loss taken as 0 in the normalisation. The paper's probes are neural networks,
        random features and forests of several losses; values of different probes do not compare.
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    train = require_train_rows(train, require_equal_rows(codes=values, factors=classes))
    depth, trees = require_at_least("depth", depth, 2), require_at_least("trees", trees, 1)
    varying = require_varying(classes[:train])

    def curve(factor: int) -> tuple[Floats, float]:
        labels = classes[:train, factor]
        forest = RandomForestClassifier(n_estimators=trees, max_depth=depth, random_state=seed, n_jobs=1)
        forest.fit(values[:train], labels)
        guesses = _guesses_by_depth(forest, values[train:], depth)
        wrong = np.array([np.mean(guess != classes[train:, factor]) for guess in guesses])
        seen, counts = np.unique(labels, return_counts=True)
        baseline = float(np.mean(classes[train:, factor] != seen[counts.argmax()]))
        return np.minimum.accumulate(wrong), baseline

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        curves, baselines = zip(*pool.map(curve, varying), strict=True)
    losses = np.stack(curves)
    above = losses - losses[:, -1:]
    area = 0.5 * (above[:, 1:] + above[:, :-1]).sum(axis=1)
    largest = np.asarray(baselines) * (depth - 1)
    explicit = 1.0 - 2.0 * np.divide(area, largest, out=np.zeros_like(area), where=largest > 0)
    return DCIES(
        explicitness=float(explicit.mean()),
        size=len(varying) / values.shape[1],
        capacities=np.arange(1, depth + 1),
        losses=losses,
    )


def _guesses_by_depth(forest: RandomForestClassifier, codes: Floats, depth: int) -> list[Integers]:
    """Predicted classes [N] of the forest cut at depth 1, 2, ..., `depth`."""
    votes = np.zeros((depth, len(codes), len(forest.classes_)))
    for estimator in forest.estimators_:
        tree = estimator.tree_
        parent, level = np.zeros(tree.node_count, dtype=np.int64), np.zeros(tree.node_count, dtype=np.int64)
        for node in range(tree.node_count):  # parents come before their children
            for child in (tree.children_left[node], tree.children_right[node]):
                if child >= 0:
                    parent[child], level[child] = node, level[node] + 1
        share = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
        node = tree.apply(codes.astype(np.float32))
        for cut in range(depth, 0, -1):
            node = np.where(level[node] > cut, parent[node], node)
            votes[cut - 1] += share[node]
    return list(forest.classes_[votes.argmax(axis=2)])
