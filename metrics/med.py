"""MED: DCI's disentanglement of the mutual information matrix, without trees."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .arrays import Array, as_factors, require_varying
from .dci import concentration
from .information import mutual_information_matrix


def med(
    codes: Array, factors: Array, *, bins: int = 20, normalise: Literal["factors", "none"] = "factors"
) -> float:
    """One minus the entropy of what each code knows of the factors, codes weighted by all they know.

    Args:
        codes: [N, D], posterior means. Dead and copied codes change nothing.
        factors: [N, K], whole-number classes. A constant factor is left out; a single factor scores 1, or 0 where no
            code knows of it.
        bins: equal-width bins a code dimension.
        normalise: "factors" divides each factor's column by its sum, as DCI's importances are, so that factors weigh
            the same; "none" takes I(z_j; v_k) in nats, so that factors of many classes weigh more.

    Returns:
        0 .. 1; higher is better. With "none" the bias of binned estimates holds noise codes above 0, see `modularity`.

    Raises:
        ValueError: as `mutual_information_matrix`, every factor is constant, or an unknown normalisation.

    Reference:
        Cao et al. 2022, "An Empirical Study on Disentanglement of Negative-free Contrastive Learning" (MED): DCI's
        aggregation (Eastwood and Williams 2018) of the study's 20-bin matrix, by columns that add up to 1, as their
        code has it. Their Top-k MED, of the k best codes a factor, and the completeness beside it are not here.
    """
    if normalise not in ("none", "factors"):
        raise ValueError(f'normalise: expected "none" or "factors", got {normalise!r}')
    information = mutual_information_matrix(codes, factors, bins=bins)[
        :, require_varying(as_factors(factors))
    ]
    if not information.any():
        return 0.0
    if normalise == "factors":
        information = information / np.where(information.sum(axis=0) > 0, information.sum(axis=0), 1.0)
    return concentration(information)
