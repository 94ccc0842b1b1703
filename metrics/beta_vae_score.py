"""The BetaVAE score: which factor pairs share, told by how far their codes are apart."""

from __future__ import annotations

import warnings

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import Array, as_factors, as_matrix, require_at_least, require_equal_rows
from .fixed_factor import FixedFactor

POINTS_AT_ONCE = 500
"""In memory at once."""


def beta_vae_score(
    codes: Array,
    factors: Array,
    *,
    points: int = 10_000,
    test_points: int = 5_000,
    batch_size: int = 64,
    seed: int = 0,
) -> float:
    """Accuracy of a linear classifier that tells which factor pairs share from their mean |difference| of codes.

    A point is the mean over `batch_size` pairs of rows that agree in one factor, the same for the whole batch, in
    whatever class.

    Args:
        codes: [N, D], posterior means, of the whole data set or a sample of it; pairs are drawn from this table with
            replacement.
        factors: [N, K], whole-number classes. Constant factors, and rows alone in their class, are left out.
        points: that train the classifier; 10,000 in the study.
        test_points: that judge it; 5,000 in the study.
        batch_size: pairs a point; 64 in the study.
        seed: of every draw.

    Returns:
        0 .. 1; 1 / K by chance; higher is better. Known to be generous: with one factor in no code at all it can still
        be 1, since nothing being alike then tells that factor (Kim and Mnih 2018), and it does not ask for codes along
        axes.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, no factor
            that can be shared, or a count below its least.

    Reference:
        Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework",
        section 3, as computed by Locatello et al. 2019: logistic regression of scikit-learn at its defaults, which were
        one against the rest then and are multinomial now. Carbonneau et al.'s "Z-diff" is the same with batches of
        200, rescaled so that chance is 0.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    require_equal_rows(codes=values, factors=classes)
    points = require_at_least("points", points, 1)
    total = points + require_at_least("test_points", test_points, 1)
    batch_size = require_at_least("batch_size", batch_size, 1)
    table = FixedFactor(classes)
    random = np.random.Generator(np.random.Philox(seed))
    shared = random.integers(len(table.columns), size=total)
    features = np.empty((total, values.shape[1]))
    for which in range(len(table.columns)):
        mine = np.flatnonzero(shared == which)
        for some in np.split(mine, range(POINTS_AT_ONCE, len(mine), POINTS_AT_ONCE)):
            left = table.anchors(which, random.random((len(some), batch_size)))
            right = table.partners(which, left, random.random(left.shape))
            features[some] = np.abs(values[left] - values[right]).mean(axis=1)
    if len(np.unique(shared[:points])) == 1:  # one factor alone: nothing to tell apart
        return float(np.mean(shared[points:] == shared[0]))
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = LogisticRegression().fit(features[:points], shared[:points])
    return float(classifier.score(features[points:], shared[points:]))
