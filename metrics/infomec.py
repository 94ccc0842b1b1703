"""InfoMEC: modularity, explicitness and compactness in terms of information."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .arrays import Array, Floats, Integers, as_factors, as_matrix, ranks, require_equal_rows, require_varying
from .information import binned_mutual_information, factor_entropy, ksg_information_matrix

Convention: TypeAlias = Literal["range", "quartiles"]


@dataclass(frozen=True)
class InfoMEC:
    """All at most 1, higher is better.

    Attributes:
        modularity: InfoM, how far each active code knows of one factor alone, 0 .. 1.
        explicitness: InfoE, what a linear classifier of all codes knows of a factor, over what it could, mean over
            factors: 0 (it finds nothing) .. 1. Fitted and scored on the same rows, it reads high where they are few.
        compactness: InfoC, how far each factor is known by one active code alone, 0 .. 1.
        information: [D, K], I(z_j; v_k) / H(v_k).
        active: [D], which codes count.
    """

    modularity: float
    explicitness: float
    compactness: float
    information: NDArray[np.float64]
    active: NDArray[np.bool_]


def infomec(
    codes: Array,
    factors: Array,
    *,
    convention: Convention = "quartiles",
    neighbours: int = 10,
    discrete: bool = False,
) -> InfoMEC:
    """Ratios of normalised mutual information, and the information that a linear classifier can use.

    With R[j, k] = I(z_j; v_k) / H(v_k): InfoM is the mean over active codes of max_k R / sum_k R, moved and scaled so
    that 1 / K becomes 0; InfoC the same by factors over active codes. InfoE is 1 - H(v | z) / H(v), both the
    cross-entropy of an unpenalised logistic regression on the rows that it was fitted to, of all codes and of nothing.
    Its classes are weighted by inverse frequency, so that nothing leaves log |V|; it stops after 100 steps, which
    matters where classes are separable and weights would grow for ever.

    Args:
        codes: [N, D], standardised inside.
        factors: [N, K], whole-number classes. A constant factor is left out.
        convention: which codes are active. "range" is that of the first paper's published code: the range of a code
            is above a 20th of the largest. "quartiles" is that of the later one (Tripod): the distance between the
            quartiles is above a tenth of the largest, so that outliers do not keep a dead code; it also drops a code
            with one value in three quarters of the rows, which a good code of a rare class is. With `discrete`: a
            range above 0; quartiles more than 0.1 apart, which is meant for values in -1 .. 1.
        neighbours: k of the estimate of mutual information; 10 in both.
        discrete: codes take few values (quantised, vector-quantised): plug-in mutual information, and one indicator a
            value in the classifier.

    Returns:
        The three, the matrix, and which codes are active. With no active code all three are 0; one active code is
        perfectly compact, one factor perfectly modular. A code or factor without any information has ratio 0 (those
        are 0 / 0 in the published code). Ratios of codes that know next to nothing are ratios of noise.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, factors that are no whole numbers, every
            factor constant, an unknown convention, or a factor all of whose classes have one row.

    Reference:
        Hsu et al. 2023, "Disentanglement via Latent Quantization"; Hsu et al. 2024, "Tripod: Three Complementary
        Inductive Biases for Disentangled Representation Learning". Their mutual information is scikit-learn's
        `mutual_info_classif`, Ross 2014 with unseeded noise of 1e-10; ours has none.
    """
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    values, classes = as_matrix(codes, "codes"), as_factors(factors)
    require_equal_rows(codes=values, factors=classes)
    varying = ranks(classes[:, require_varying(classes)])
    active = _active(values, convention, discrete)
    if discrete:
        information = binned_mutual_information(_numbered(values), varying)
    else:
        information = ksg_information_matrix(values, varying, neighbours=neighbours)
    information /= factor_entropy(varying)
    whole = np.zeros((values.shape[1], classes.shape[1]))
    whole[:, require_varying(classes)] = information
    if not active.any():
        return InfoMEC(0.0, 0.0, 0.0, whole, active)
    scale = OneHotEncoder(sparse_output=False) if discrete else StandardScaler()
    return InfoMEC(
        modularity=_concentrated(information[active]),
        explicitness=_explicitness(scale.fit_transform(values), varying),
        compactness=_concentrated(information[active].T),
        information=whole,
        active=active,
    )


def _active(values: Floats, convention: Convention, discrete: bool) -> NDArray[np.bool_]:
    if convention == "range":
        spread, share = np.ptp(values, axis=0), 1 / 20
    elif convention == "quartiles":
        spread, share = np.subtract(*np.quantile(values, [0.75, 0.25], axis=0)), 1 / 10
    else:
        raise ValueError(f'convention: expected "range" or "quartiles", got {convention!r}')
    least = (0.0 if convention == "range" else 0.1) if discrete else float(spread.max()) * share
    active: NDArray[np.bool_] = spread > least
    return active


def _concentrated(information: Floats) -> float:
    """Mean share of the largest entry of each row of [rows, columns], 1 / columns moved to 0."""
    columns = information.shape[1]
    if columns == 1:
        return float((information[:, 0] > 0).mean())
    total = information.sum(axis=1)
    share = np.divide(information.max(axis=1), total, out=np.full(len(total), 1 / columns), where=total > 0)
    return max(0.0, float((share.mean() - 1 / columns) / (1 - 1 / columns)))


def _explicitness(features: Floats, classes: Integers) -> float:
    """Mean over factors of 1 - H(v | z) / H(v) by unpenalised regression with weighted classes."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = []
    for labels in classes.T:
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=np.inf, class_weight="balanced").fit(features, labels)
        share = model.predict_proba(features)[np.arange(len(labels)), labels]
        left = -np.log(np.maximum(share, np.finfo(np.float64).eps)).mean()
        known.append(1.0 - left / np.log(labels.max() + 1))  # of nothing, weighted classes are all as likely
    return float(np.mean(known))


def _numbered(values: Floats) -> Integers:
    """Values of each column as numbers from 0."""
    return np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], axis=1).astype(
        np.int64
    )
