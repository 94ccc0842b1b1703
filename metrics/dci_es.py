"""DCI-ES: D, C and I of random forests, how simple a forest may be (E), and how many codes it takes (S)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
from .dci import concentration

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

DEPTHS = (1, 2, 3, 4, 8, 10, 12, 14, 16, 18, 20, 32)
"""Capacities of the forests in the paper's code."""


@dataclass(frozen=True)
class DCIES:
    """The five of DCI-ES, and the curves that explicitness comes from. Higher is better but for size.

    Attributes:
        disentanglement: 0 .. 1, of the importances of the best forest, as in `dci`.
        completeness: 0 .. 1, likewise.
        informativeness: 1 - loss on the test rows of the best forest, mean over factors; at most 1.
        explicitness: 1 where the simplest probe is already the best, 0 where the loss falls in a straight line with
            capacity from guessing to nothing, down to -1 where only the most complex probe helps; mean over factors.
        size: factors over codes, K / D; 1 is one code a factor, more codes are below 1.
        best: depth of the forests of least mean loss, which D, C and I are of.
        capacities: [C], depths of trees.
        losses: [K', C], test loss of each varying factor at each depth, the least up to that depth.
        baselines: [K'], test loss of guessing.
        importance: [D, K], share of code j in the best forest of factor k; columns add up to 1, that of a constant
            factor is 0.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    explicitness: float
    size: float
    best: int
    capacities: NDArray[np.int64]
    losses: NDArray[np.float64]
    baselines: NDArray[np.float64]
    importance: NDArray[np.float64]


def dci_es(
    codes: Array,
    factors: Array,
    *,
    train: int,
    depths: Sequence[int] = DEPTHS,
    trees: int = 100,
    quantities: Sequence[int] = (),
    seed: int = 0,
    threads: int | None = None,
) -> DCIES:
    """Predict every factor by random forests of rising depth and read simplicity off the curve of loss over depth.

    Explicitness of a factor is 1 - 2 A / ((last depth - first) * baseline), A the area between the curve and its
    lowest point by trapezoids over depth, the curve the least loss up to each depth, the baseline the loss of guessing
    (the class most frequent in training, or the mean). Loss is the error rate on the test rows for classes,
    1 - R^2 for quantities.

    One forest is grown to the last depth and read at every depth: a tree cut there is distributed as one grown no
    further. Gini importances are read at the same cut.

    Args:
        codes: [N, D], posterior means; forests see their order alone.
        factors: [N, K], whole-number classes. A factor that is constant in the training rows is left out.
        train: the first `train` rows train, the rest test.
        depths: rising capacities, at least two. Explicitness depends on the first and the last: compare at equal ones.
        trees: of a forest; 100 in the paper.
        quantities: columns of `factors` whose values are amounts (positions, sizes), for regression forests. The
            paper's code takes positions and angles so; without, every factor is classes and a near miss a miss.
        seed: of the forests.
        threads: factors that are fitted at the same time; all processors when left out. Never changes a number.

    Returns:
        The five scores, and the curves. Codes that know nothing have flat curves and so an explicitness of 1: read it
        beside informativeness, as the paper does. D and C are far below those of `dci` and move with the best depth:
        trees of a forest may choose among few codes at each cut, and each tree's importances count the same.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, `train`
            that leaves no rows on one side, every factor constant, depths that do not rise from at least 1, or a column
            that is not there.

    Reference:
        Eastwood et al. 2023, "DCI-ES: An Extended Disentanglement Framework with Connections to Identifiability",
        section 4, with its random forests: depth as the capacity, on a linear axis, and the least loss l* taken as 0
        in the normalisation, as its code does. The paper's other probes (networks and random features, over the
        logarithm of parameters) give other values. Its code fits a forest for each depth, uses 1 - 1 / |V| as the
        baseline of classes, and so differs by the noise of forests alone.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    train = require_train_rows(train, require_equal_rows(codes=values, factors=classes))
    trees = require_at_least("trees", trees, 1)
    capacities = np.array([require_at_least("depths", depth, 1) for depth in depths])
    if len(capacities) < 2 or (np.diff(capacities) <= 0).any():
        raise ValueError(f"depths: expected at least two that rise, got {list(depths)}")
    unknown = [column for column in quantities if column not in range(classes.shape[1])]
    if unknown:
        raise ValueError(f"quantities: expected columns in 0 .. {classes.shape[1] - 1}, got {unknown[0]}")
    varying = require_varying(classes[:train])

    def curve(factor: int) -> tuple[Floats, float, Floats]:
        """Losses [C], baseline, importances [C, D]."""
        labels, truth = classes[:train, factor], classes[train:, factor]
        kind = RandomForestRegressor if factor in quantities else RandomForestClassifier
        forest = kind(n_estimators=trees, max_depth=int(capacities[-1]), random_state=seed, n_jobs=1)
        forest.fit(values[:train], labels)
        outputs, importance = _cut(forest, values[train:], capacities)
        if factor in quantities:
            spread = ((truth - truth.mean()) ** 2).mean()
            errors = ((outputs[:, :, 0] / trees - truth) ** 2).mean(axis=1)
            # a quantity that the test rows hold constant: any miss is a whole loss
            losses = errors / spread if spread > 0 else (errors > 0).astype(float)
            return losses, 1.0, importance
        guesses = forest.classes_[outputs.argmax(axis=2)]
        seen, counts = np.unique(labels, return_counts=True)
        return (guesses != truth).mean(axis=1), float(np.mean(truth != seen[counts.argmax()])), importance

    slowest_first = sorted(varying, key=lambda factor: -len(np.unique(classes[:train, factor])))
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        found = dict(zip(slowest_first, pool.map(curve, slowest_first), strict=True))
    raw = np.stack([found[factor][0] for factor in varying])
    baselines = np.array([found[factor][1] for factor in varying])
    losses = np.minimum.accumulate(raw, axis=1)
    best = int(raw.mean(axis=0).argmin())
    importance = np.zeros((values.shape[1], classes.shape[1]))
    importance[:, varying] = np.stack([found[factor][2][best] for factor in varying], axis=1)
    return DCIES(
        disentanglement=concentration(importance[:, varying]),
        completeness=concentration(importance[:, varying].T),
        informativeness=float(1 - raw[:, best].mean()),
        explicitness=float(_explicitness(capacities, losses, baselines).mean()),
        size=len(varying) / values.shape[1],
        best=int(capacities[best]),
        capacities=capacities,
        losses=losses,
        baselines=baselines,
        importance=importance,
    )


def _explicitness(capacities: Integers, losses: Floats, baselines: Floats) -> Floats:
    """Of each curve: [K', C] -> [K']."""
    above = losses - losses[:, -1:]
    area = (0.5 * (above[:, 1:] + above[:, :-1]) * np.diff(capacities)).sum(axis=1)
    largest = baselines * (capacities[-1] - capacities[0])
    return np.asarray(1.0 - 2.0 * np.divide(area, largest, out=np.zeros_like(area), where=largest > 0))


def _cut(
    forest: RandomForestClassifier | RandomForestRegressor, codes: Floats, depths: Integers
) -> tuple[Floats, Floats]:
    """Sums over trees cut at each depth: outputs [C, N, classes or 1] and importances [C, D] (shares)."""
    first = forest.estimators_[0].tree_
    outputs = np.zeros((len(depths), len(codes), first.value.shape[2]))
    importance = np.zeros((len(depths), codes.shape[1]))
    narrow = codes.astype(np.float32)  # what trees take
    for estimator in forest.estimators_:
        tree = estimator.tree_
        inner = np.flatnonzero(tree.children_left >= 0)
        left, right = tree.children_left[inner], tree.children_right[inner]
        parent, level = np.zeros(tree.node_count, dtype=np.int64), np.zeros(tree.node_count, dtype=np.int64)
        parent[left] = parent[right] = inner
        edge = np.zeros(1, dtype=np.int64)
        while edge.size:
            below = np.concatenate([tree.children_left[edge], tree.children_right[edge]])
            below = below[below >= 0]
            level[below] = level[parent[below]] + 1
            edge = below
        answer = tree.value[:, 0]
        if hasattr(forest, "classes_"):
            answer = answer / answer.sum(axis=1, keepdims=True)
        weighed = tree.weighted_n_node_samples * tree.impurity
        gain, leaf, stop = (
            weighed[inner] - weighed[left] - weighed[right],
            tree.apply(narrow),
            np.arange(len(level)),
        )
        for cut in range(len(depths) - 1, -1, -1):
            while (level[stop] > depths[cut]).any():
                stop = np.where(level[stop] > depths[cut], parent[stop], stop)
            outputs[cut] += answer[stop[leaf]]
            above = level[inner] < depths[cut]
            shares = np.bincount(tree.feature[inner[above]], gain[above], minlength=codes.shape[1])
            importance[cut] += shares / shares.sum() if shares.sum() > 0 else 0
    total = importance.sum(axis=1, keepdims=True)
    return outputs, np.divide(importance, total, out=importance, where=total > 0)
