"""What the codes of a conditional model still know of the condition that its decoder is told anyway."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import (
    Array,
    Floats,
    Integers,
    as_classes,
    as_logvar,
    as_matrix,
    require_at_least,
    require_equal_rows,
    require_train_rows,
)
from .information import binned_mutual_information, equal_width_bins, factor_entropy


@dataclass(frozen=True)
class ConditionLeakage:
    """Lower is better; 0 where codes and condition are independent.

    Attributes:
        joint_nats: lower bound of I(z; y) of the whole code, from held-out predictions.
        joint_fraction: `joint_nats` as a share of the condition's entropy, 0 .. 1.
        max_code_nats: the largest entry of `corrected_nats`.
        max_code_fraction: `max_code_nats` as a share of the condition's entropy.
        mutual_information_nats: [D], I(bin of z_j; y), plug-in: above the true value by about
            (bins - 1)(classes - 1) / (2 N).
        corrected_nats: [D], the same less its mean over shuffled conditions, not below 0.
        condition_entropy_nats: empirical entropy H(y) of all rows.
    """

    joint_nats: float
    joint_fraction: float
    max_code_nats: float
    max_code_fraction: float
    mutual_information_nats: NDArray[np.float64]
    corrected_nats: NDArray[np.float64]
    condition_entropy_nats: float


def condition_leakage(
    codes: Array,
    condition: Array,
    *,
    train: int | None = None,
    mean: Array | None = None,
    logvar: Array | None = None,
    bins: int = 20,
    shuffles: int = 10,
    seed: int = 0,
) -> ConditionLeakage:
    """Information about the condition in the codes, code by code and jointly, in nats.

    Code by code: mutual information of equal-width bins with the condition. It sees any dependence of one code, and
    none that only several codes together show.

    Jointly: the entropy of the condition on the test rows less the cross-entropy of a classifier fitted to the
    training rows; a lower bound of I(z; y) whatever the classifier, up to the test rows' sampling error. The
    classifier is a logistic regression on the standardised codes, their squares and products, so it is right for
    codes that are Gaussian within each class, with means and covariances of their own; finer dependence it misses.
    A thousandth of each prediction is spread evenly over all classes.

    Posterior means say more than the decoder can hear: a collapsed latent with a mean of 1e-4 and a variance of 1
    can tell the class by its mean and nothing by its samples. Hand in samples, or means with their `logvar`.

    Args:
        codes: [N, D], posterior samples, or posterior means together with `logvar`.
        condition: [N], whole-number classes that the decoder was told.
        train: the first `train` rows fit the classifier, the rest test it; two thirds when left out.
        mean: [N, D]; posterior means that `logvar` belongs to, where `codes` are something else, e.g. samples.
        logvar: [N, D]; when given, one sample is drawn for each row around `mean`, or around `codes` without it.
        bins: equal-width bins a code.
        shuffles: shuffled conditions that measure the plug-in estimate's bias; 0 takes no correction.
        seed: of shuffles and samples.

    Returns:
        Both measures. A constant condition has no entropy to leak: all zero.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, labels that are no whole numbers, or
            `train` that leaves no rows on one side.

    Reference:
        Barber and Agakov 2003, "The IM Algorithm" (the bound); Miller 1955 (the plug-in estimate's bias).
    """
    values, labels = as_matrix(codes, "codes"), as_classes(condition, "condition")
    rows = require_equal_rows(codes=values, condition=labels)
    train = require_train_rows(2 * rows // 3 if train is None else train, rows)
    shuffles = require_at_least("shuffles", shuffles, 0)
    random = np.random.Generator(np.random.Philox(seed))
    if logvar is not None:
        values = values if mean is None else as_matrix(mean, "mean")
        require_equal_rows(mean=values, condition=labels)
        spread = np.exp(0.5 * as_logvar(logvar))
        if spread.shape != values.shape:
            raise ValueError(
                f"logvar: expected the shape of codes, {list(values.shape)}, got {list(spread.shape)}"
            )
        values = values + spread * random.standard_normal(values.shape)

    binned = equal_width_bins(values, bins=bins)
    plug_in = binned_mutual_information(binned, labels[:, None])[:, 0]
    bias = np.zeros_like(plug_in)
    if shuffles:
        shuffled = np.stack([random.permutation(labels) for _ in range(shuffles)], axis=1)
        bias = binned_mutual_information(binned, shuffled).mean(axis=1)
    corrected = np.maximum(plug_in - bias, 0.0)

    entropy = float(factor_entropy(labels[:, None])[0])
    test_entropy = float(factor_entropy(labels[train:, None])[0])
    surprise = _held_out_surprise(values, labels, train)
    joint = max(0.0, test_entropy - surprise)
    return ConditionLeakage(
        joint_nats=joint,
        joint_fraction=joint / test_entropy if joint else 0.0,
        max_code_nats=float(corrected.max()),
        max_code_fraction=float(corrected.max()) / entropy if entropy else 0.0,
        mutual_information_nats=plug_in,
        corrected_nats=corrected,
        condition_entropy_nats=entropy,
    )


def _held_out_surprise(codes: Floats, labels: Integers, train: int) -> float:
    """Mean -log p(y | z) on the test rows, in nats."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    classes = int(labels.max()) + 1
    seen = np.unique(labels[:train])
    probabilities = np.zeros((len(labels) - train, classes))
    probabilities[:, seen] = 1.0 / len(seen)
    if len(seen) > 1:
        expand, scale = PolynomialFeatures(degree=2, include_bias=False), StandardScaler()
        standard = StandardScaler().fit(codes[:train]).transform(codes)
        features = scale.fit(expand.fit_transform(standard[:train])).transform(expand.transform(standard))
        with warnings.catch_warnings(), threadpool_limits(1):  # products this small wait for second threads
            warnings.simplefilter("ignore", ConvergenceWarning)  # a rougher fit is a looser bound, no error
            model = LogisticRegression(max_iter=200).fit(features[:train], labels[:train])
            probabilities[:, seen] = model.predict_proba(features[train:])
    smoothed = 0.999 * probabilities + 0.001 / classes
    return -float(np.log(smoothed[np.arange(len(smoothed)), labels[train:]]).mean())
