"""How well a score tells two groups of images apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def outlier_auroc(inside: Any, outside: Any) -> float:
    """Chance that an outlier scores higher than a member, a tie counting half: the area under the ROC curve.

    Args:
        inside: [N], scores of members; higher is more foreign.
        outside: [M], scores of outliers.

    Returns:
        0 to 1, higher is better; 0.5 is chance, and below it the score takes outliers for more usual than members.

    Raises:
        ValueError: no scores on a side, or such that are no numbers.

    Reference:
        Mann and Whitney 1947; scikit-learn's `roc_auc_score`, which computes it.
    """
    from sklearn.metrics import roc_auc_score  # late: it takes a second to import

    return float(roc_auc_score(*_labelled(inside, outside)))


def outlier_aupr(inside: Any, outside: Any) -> float:
    """Average precision in finding outliers, from the highest score down.

    Args:
        inside: [N], scores of members; higher is more foreign.
        outside: [M], scores of outliers, which are what is to be found.

    Returns:
        0 to 1, higher is better; chance is M / (N + M), so that numbers compare at one M / N only.

    Raises:
        ValueError: as `outlier_auroc`.

    Reference:
        Davis and Goadrich 2006; scikit-learn's `average_precision_score`, which sums steps and does not interpolate.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_labelled(inside, outside)))


def _labelled(inside: Any, outside: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels, 1 for outliers, and scores, of both groups."""
    groups = []
    for name, values in (("inside", inside), ("outside", outside)):
        scores = np.asarray(values, dtype=np.float64)
        if scores.ndim != 1 or not len(scores):
            raise ValueError(f"{name}: expected scores [N] with N >= 1, got shape {list(scores.shape)}")
        if not np.isfinite(scores).all():
            raise ValueError(f"{name}: every score must be finite")
        groups.append(scores)
    labels = np.repeat(np.arange(2), [len(scores) for scores in groups])
    return labels, np.concatenate(groups)
