"""Mutual information from distances to nearest neighbours: no bins, little bias, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from ..arrays import (
    Array,
    Floats,
    Integers,
    as_classes,
    as_factors,
    as_matrix,
    require_at_least,
    require_equal_rows,
)
from .binned import ROUNDING

TIED = 1e-14
"""Of the largest standardised value; distances that differ by less are equal."""


def ksg_mutual_information(left: Array, right: Array, *, neighbours: int = 3) -> float:
    """I(x; y) of two continuous quantities, each of one or more dimensions.

    psi(N) + psi(k) - mean(psi(n_x) + psi(n_y)), where n_x and n_y count the rows (the row itself included) nearer than
    the k-th neighbour in the joint space, by the largest of all coordinate differences. Every coordinate is brought to
    unit deviation first, so that units do not matter.

    Where rows are tied, all as far as the k-th neighbour count, in the joint space and in each quantity. Rows on top of
    their k-th neighbour count their copies and themselves, which for discrete quantities is the plug-in estimate less
    its bias. In between, independent quantities of some copies a value read up to 0.07 nats.

    Args:
        left: [N] or [N, d].
        right: [N] or [N, e].
        neighbours: k; more have less variance and more bias.

    Returns:
        At least 0, in nats. Strongly dependent quantities read low: it takes far more rows than exp(I).

    Raises:
        ValueError: unequal rows, NaN, infinite, or no more rows than neighbours.

    Reference:
        Kraskov, Stoegbauer and Grassberger 2004, "Estimating mutual information", eq. 8. scikit-learn's
        `mutual_info_regression` is the same but for noise of 1e-10, by which it breaks ties instead of counting them.
    """
    from scipy.spatial import cKDTree

    x, y = _as_points(left, "left"), _as_points(right, "right")
    rows = _require_rows(require_equal_rows(left=x, right=y), neighbours)
    joint = np.hstack([x, y])
    rounding = TIED * np.abs(joint).max()
    radius = cKDTree(joint).query(joint, neighbours + 1, p=np.inf)[0][:, -1]
    on_top = radius <= rounding

    def near(points: Floats) -> Integers:
        nearer, tied = _others(points, radius, rounding)
        return nearer + np.maximum(1, tied + on_top)

    found = sum(_others(joint, radius, rounding)) + on_top
    estimate = digamma(rows) + (digamma(found) - digamma(near(x)) - digamma(near(y))).mean()
    return _above_rounding(float(estimate))


def ksg_class_information(codes: Array, classes: Array, *, neighbours: int = 3) -> float:
    """I(z; v) of a continuous code, of one or more dimensions, and a class.

    psi(N) + mean(psi(k) - psi(N_v) - psi(m)): m counts the rows of any class as near as the k-th neighbour of the same
    class, N_v the rows of that class. Classes of one row are left out; smaller classes than k + 1 rows use all their
    rows. Tied rows count as they would in random order, on average: for discrete codes that is the plug-in estimate
    less its bias.

    Args:
        codes: [N] or [N, d].
        classes: [N], whole numbers.
        neighbours: k; 3 by custom, 10 in InfoMEC.

    Returns:
        At least 0, in nats; unlike binned estimates it does not grow with the number of classes. Copies of rows, as
        drawing with replacement makes, are neighbours of their own class: N rows drawn from N that know nothing read
        0.4 nats at k = 3.

    Raises:
        ValueError: unequal rows, NaN, infinite, or every class has one row.

    Reference:
        Ross 2014, "Mutual Information between Discrete and Continuous Data Sets". scikit-learn's `mutual_info_classif`
        is the same but for noise of 1e-10, by which it breaks ties instead of counting them.
    """
    points, labels = _as_points(codes, "codes"), as_classes(classes, "classes")
    require_equal_rows(codes=points, classes=labels)
    require_at_least("neighbours", neighbours, 1)
    counts = np.bincount(labels)[labels]
    if (counts == 1).all():
        raise ValueError("classes: at least one must have two rows")
    order = np.argsort(points[:, 0], kind="stable")  # searching in order is fast
    order = order[counts[order] > 1]
    points, labels, counts = points[order], labels[order], counts[order]
    rounding = TIED * np.abs(points).max()
    k, nearer_own, tied_own = np.empty((3, len(labels)), dtype=np.int64)
    radius = np.empty(len(labels))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        k[mine] = nth = min(neighbours, len(mine) - 1)
        radius[mine] = _distance(points[mine], nth)
        nearer_own[mine], tied_own[mine] = _others(points[mine], radius[mine], rounding)
    nearer, tied = _others(points, radius, rounding)

    # the k-th of the class is the `wanted`-th of it among the tied: mean and variance of its place in a random order
    wanted, gaps = k - nearer_own, tied_own + 1
    place = nearer + wanted * (tied + 1) / gaps
    variance = wanted * (gaps - wanted) * (tied + 1) * (tied - tied_own) / (gaps**2 * (gaps + 1))
    ranked = digamma(place) - variance / (2 * place**2)
    on_top = digamma(k) - digamma(tied_own + 1) + digamma(tied + 1)  # exact where no other is nearer
    ranks = np.where(nearer > 0, ranked, on_top)
    estimate = digamma(len(labels)) + (digamma(k) - digamma(counts) - ranks).mean()
    return _above_rounding(float(estimate))


def ksg_information_matrix(codes: Array, factors: Array, *, neighbours: int = 3) -> NDArray[np.float64]:
    """I(z_j; v_k) of every code dimension and factor, by nearest neighbours.

    Args:
        codes: [N, D].
        factors: [N, K], whole-number classes.
        neighbours: k.

    Returns:
        [D, K] in nats; a constant factor has 0, and so has a constant code.

    Raises:
        ValueError: as `ksg_class_information`.

    Reference:
        Ross 2014; see `ksg_class_information`.
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    require_equal_rows(codes=values, factors=classes)
    for column, labels in enumerate(classes.T):
        if np.unique(labels, return_counts=True)[1].max() < 2:
            raise ValueError(
                f"factors: column {column} has no class of two rows, so that none has a neighbour"
            )
    pairs = [[(z, v) for v in classes.T] for z in values.T]
    return np.array([[ksg_class_information(z, v, neighbours=neighbours) for z, v in line] for line in pairs])


def _above_rounding(nats: float) -> float:
    """The estimate, or 0 where it is below what rounding may leave."""
    return nats if nats > ROUNDING else 0.0


def _as_points(values: Array, name: str) -> Floats:
    """[N] or [N, d] as [N, d], every column of mean 0 and, unless it is constant, deviation 1."""
    if np.ndim(values) == 1:
        values = np.asarray(values)[:, None]
    points = as_matrix(values, name)
    varies = np.ptp(points, axis=0) > 0
    return (points - points.mean(axis=0)) * varies / np.where(varies, points.std(axis=0), 1.0)


def _require_rows(rows: int, neighbours: int) -> int:
    if rows <= require_at_least("neighbours", neighbours, 1):
        raise ValueError(f"neighbours: expected fewer than the {rows} rows, got {neighbours}")
    return rows


def _distance(points: Floats, neighbour: int) -> Floats:
    """Distance of each point to its `neighbour`-th nearest, [n]: of points [n, d] ordered by their first coordinate."""
    from scipy.spatial import cKDTree

    if points.shape[1] > 1:
        nearest: Floats = cKDTree(points).query(points, neighbour + 1, p=np.inf)[0][:, -1]
        return nearest
    line = points[:, 0]
    padded = np.concatenate([np.full(neighbour, -np.inf), line, np.full(neighbour, np.inf)])
    best = np.full(len(line), np.inf)
    for below in range(neighbour + 1):  # that many of the nearest lie below, the others above
        low, high = (
            padded[start : start + len(line)] for start in (neighbour - below, 2 * neighbour - below)
        )
        np.minimum(best, np.maximum(line - low, high - line), out=best)
    return best


def _others(points: Floats, radius: Floats, rounding: float) -> tuple[Integers, Integers]:
    """How many others lie nearer to each point than its radius, and how many as far: [n] each."""
    nearer = np.where(radius > rounding, _within(points, np.maximum(radius - rounding, 0)) - 1, 0)
    return nearer, _within(points, radius + rounding) - 1 - nearer


def _within(points: Floats, radius: Floats) -> Integers:
    """How many points, itself included, lie no further from each than its radius: [n]."""
    from scipy.spatial import cKDTree

    if points.shape[1] > 1:
        counted: Integers = cKDTree(points).query_ball_point(points, radius, p=np.inf, return_length=True)
        return counted
    value = points[:, 0]
    line = np.sort(value)
    return np.searchsorted(line, value + radius, side="right") - np.searchsorted(line, value - radius)
