"""The best cuts of one code between classes in order."""

from __future__ import annotations

import numpy as np

from .arrays import Floats, Integers


def fit_thresholds(values: Floats, labels: Integers) -> tuple[Floats, Integers]:
    """Cut a line into one interval a class, classes in the order of their means, most rows where they belong.

    Rows weigh by the inverse frequency of their class; no other cuts have a higher balanced accuracy on these rows.
    Found exactly, by dynamic programming over classes and places between neighbouring values.

    Args:
        values: [n].
        labels: [n], whole numbers from 0, each present.

    Returns:
        Cuts [classes - 1], rising, and the class of each of the intervals between them, [classes]. Intervals may be
        empty.
    """
    places, at = np.unique(values, return_inverse=True)
    counts = np.bincount(labels)
    order = np.argsort(np.bincount(labels, weights=values) / counts, kind="stable")
    share = np.zeros((len(counts), len(places) + 1))  # of each class, below each place
    np.add.at(share, (labels, at + 1), 1 / counts[labels])
    below = share.cumsum(axis=1)[order]

    best, back = below[0], []  # with the first class in work, by where its interval ends
    for class_below in below[1:]:
        start = best - class_below
        highest = np.maximum.accumulate(start)
        back.append(np.maximum.accumulate(np.where(start == highest, np.arange(len(start)), 0)))
        best = class_below + highest
    end, ends = len(places), []
    for place in reversed(back):
        end = int(place[end])
        ends.append(end)
    edges = np.concatenate(([-np.inf], (places[:-1] + places[1:]) / 2, [np.inf]))
    return edges[ends[::-1]], order
