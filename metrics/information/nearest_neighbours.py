"""Mutual information from distances to nearest neighbours: no bins, little bias, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
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


def ksg_mutual_information(left: Array, right: Array, *, neighbours: int = 3) -> float:
    """I(x; y) of two continuous quantities, each of one or more dimensions.

    psi(N) + psi(k) - mean(psi(n_x) + psi(n_y)), where n_x and n_y count the rows (the row itself included) nearer than
    the k-th neighbour in the joint space, by the largest of all coordinate differences. Rows that lie on top of their
    k-th neighbour count their ties instead, so that discrete quantities are estimated too.

    Args:
        left: [N] or [N, d].
        right: [N] or [N, e]. Neither is rescaled: an invertible change of one of them changes the estimate a little.
        neighbours: k; more have less variance and more bias.

    Returns:
        At least 0, in nats. Strongly dependent quantities read low: it takes far more rows than exp(I).

    Raises:
        ValueError: unequal rows, NaN, infinite, or no more rows than neighbours.

    Reference:
        Kraskov, Stoegbauer and Grassberger 2004, "Estimating mutual information", eq. 8; ties as Gao et al. 2017,
        "Estimating Mutual Information for Discrete-Continuous Mixtures".
    """
    x, y = _as_points(left, "left"), _as_points(right, "right")
    rows = _require_rows(require_equal_rows(left=x, right=y), neighbours)
    joint = np.hstack([x, y])
    tree = cKDTree(joint)
    radius = tree.query(joint, neighbours + 1, p=np.inf)[0][:, -1]
    tied = radius == 0
    found = np.full(rows, neighbours)
    if tied.any():
        found[tied] = tree.query_ball_point(joint[tied], 0, p=np.inf, return_length=True) - 1
    near_x, near_y = _nearer(x, radius), _nearer(y, radius)
    estimate = digamma(rows) + digamma(found).mean() - digamma(near_x).mean() - digamma(near_y).mean()
    return max(0.0, float(estimate))


def ksg_class_information(codes: Array, classes: Array, *, neighbours: int = 3) -> float:
    """I(z; v) of a continuous code, of one or more dimensions, and a class.

    psi(N) + mean(psi(k) - psi(N_v) - psi(m)): m counts the rows (the row itself included) of any class nearer than the
    k-th neighbour of the same class, N_v the rows of that class. Classes of one row are left out; smaller classes than
    k + 1 rows use all their rows. Codes that are tied with their neighbour count ties, as in `ksg_mutual_information`.

    Args:
        codes: [N] or [N, d].
        classes: [N], whole numbers.
        neighbours: k; 3 by custom, 10 in InfoMEC.

    Returns:
        At least 0, in nats; unlike binned estimates it does not grow with the number of classes.

    Raises:
        ValueError: unequal rows, NaN, infinite, or every class has one row.

    Reference:
        Ross 2014, "Mutual Information between Discrete and Continuous Data Sets".
    """
    points, labels = _as_points(codes, "codes"), as_classes(classes, "classes")
    require_equal_rows(codes=points, classes=labels)
    require_at_least("neighbours", neighbours, 1)
    counts = np.bincount(labels)[labels]
    if (counts == 1).all():
        raise ValueError("classes: at least one must have two rows")
    points, labels, counts = points[counts > 1], labels[counts > 1], counts[counts > 1]
    found = np.minimum(neighbours, counts - 1)
    radius = np.empty(len(labels))
    for label in np.unique(labels):
        mine = labels == label
        radius[mine] = _distance(points[mine], int(found[mine][0]))
    tied = radius == 0
    if tied.any():
        found[tied] = _ties(points, labels)[tied]
    near = _nearer(points, radius)
    estimate = digamma(len(labels)) + (digamma(found) - digamma(counts) - digamma(near)).mean()
    return max(0.0, float(estimate))


def ksg_information_matrix(codes: Array, factors: Array, *, neighbours: int = 3) -> NDArray[np.float64]:
    """I(z_j; v_k) of every code dimension and factor, by nearest neighbours.

    Args:
        codes: [N, D].
        factors: [N, K], whole-number classes.
        neighbours: k.

    Returns:
        [D, K] in nats; a constant factor has 0, and so has a constant code.

    Reference:
        Ross 2014; see `ksg_class_information`.
    """
    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    require_equal_rows(codes=values, factors=classes)
    pairs = [[(z, v) for v in classes.T] for z in values.T]
    return np.array([[ksg_class_information(z, v, neighbours=neighbours) for z, v in line] for line in pairs])


def _as_points(values: Array, name: str) -> Floats:
    """[N] or [N, d] as [N, d]."""
    return as_matrix(values[:, None] if values.ndim == 1 else values, name)


def _require_rows(rows: int, neighbours: int) -> int:
    if rows <= require_at_least("neighbours", neighbours, 1):
        raise ValueError(f"neighbours: expected fewer than the {rows} rows, got {neighbours}")
    return rows


def _distance(points: Floats, neighbour: int) -> Floats:
    """Distance of each point [n, d] to its `neighbour`-th nearest: [n]."""
    if points.shape[1] > 1:
        nearest: Floats = cKDTree(points).query(points, neighbour + 1, p=np.inf)[0][:, -1]
        return nearest
    order = np.argsort(points[:, 0], kind="stable")
    line = points[order, 0]
    padded = np.concatenate([np.full(neighbour, -np.inf), line, np.full(neighbour, np.inf)])
    best = np.full(len(line), np.inf)
    for below in range(neighbour + 1):  # that many of the nearest lie below, the others above
        low = padded[neighbour - below : neighbour - below + len(line)]
        start = 2 * neighbour - below
        high = padded[start : start + len(line)]
        np.minimum(best, np.maximum(line - low, high - line), out=best)
    distance = np.empty_like(best)
    distance[order] = best
    return distance


def _nearer(points: Floats, radius: Floats) -> Integers:
    """How many points, itself included, lie nearer to each than its radius (on it, where that is 0): [n]."""
    if points.shape[1] > 1:
        inside = np.where(radius > 0, np.nextafter(radius, 0), 0)
        counted: Integers = cKDTree(points).query_ball_point(points, inside, p=np.inf, return_length=True)
        return counted
    value = points[:, 0]
    line = np.sort(value)
    low = np.searchsorted(line, value - radius, side="right")
    high = np.searchsorted(line, value + radius, side="left")
    last = len(line) - 1
    for _ in range(2):  # sums round: compare the differences themselves at both ends
        low -= (low > 0) & (value - line[np.maximum(low - 1, 0)] < radius)
        low += (low <= last) & (value - line[np.minimum(low, last)] >= radius)
        high -= (high > 0) & (line[np.maximum(high - 1, 0)] - value >= radius)
        high += (high <= last) & (line[np.minimum(high, last)] - value < radius)
    on_top = np.searchsorted(line, value, side="right") - np.searchsorted(line, value, side="left")
    return np.where(radius > 0, high - low, on_top).astype(np.int64)


def _ties(points: Floats, labels: Integers) -> Integers:
    """How many other points of the same class lie on each: [n]."""
    joint = np.column_stack([points, labels])
    _, which, counts = np.unique(joint, axis=0, return_inverse=True, return_counts=True)
    ties: Integers = counts[which.ravel()] - 1
    return ties
