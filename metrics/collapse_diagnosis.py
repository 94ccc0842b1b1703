"""Posterior collapse in one look: which latents say nothing, for which inputs, and what that does to the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from .arrays import Array, Floats, Integers, as_classes, as_logvar, as_matrix, require_equal_rows
from .gaussian_correlation import gaussian_total_correlation
from .kl_decomposition import gaussian_kl, kl_decomposition
from .posterior_collapse import mean_variance

Kind: TypeAlias = Literal["active", "mixed", "passive"]

EPSILONS = np.logspace(-4, 1, 51)
"""Where the collapse curve is evaluated, in nats."""


@dataclass(frozen=True)
class CollapseDiagnosis:
    """Arrays are by latent, [D], unless said; all divergences in nats.

    Attributes:
        active_units: latents whose posterior mean varies (Burda et al. 2016).
        mean_variance: Var_x(E_q[z_j | x]).
        kl_per_dimension_nats: E_x KL(q(z_j|x) || p(z_j)), closed form.
        mutual_information_per_dimension_nats: I_q(x; z_j), q(z) as the mixture over all rows.
        aggregate_kl_nats: KL(q(z) || p(z)) of the joint: total correlation and dimension-wise KL together. A number.
        kinds: "passive" where the posterior is the prior for almost every input, "active" where for almost none,
            "mixed" between.
        collapsed_inputs: share of inputs with KL(q(z_j|x) || p(z_j)) < epsilon, on which `kinds` rests.
        epsilons: [E], in nats.
        collapse_curve: [E], the share of latents that are (epsilon, delta)-collapsed at each of `epsilons`.
        epsilon, delta: those of `kinds` and of the curve.
        total_correlation_of_means_nats: of a Gaussian with the covariance of posterior means; a number.
        total_correlation_of_samples_nats: the same of posterior samples. Far below that of the means where passive
            latents, which no sample shows, have correlated means; a number.
        within_class_variance: E_y Var_x(E_q[z_j | x] | y) where a condition is given: what of a latent's activity is
            not the condition itself; else None.
        active_units_given_condition: latents that stay active within the classes of the condition; else None.
        mutual_information_given_condition_nats: I_q(x; z_j | y), within each class with the mixture over its rows, mean
            over rows: what a latent says of the image beyond the condition; else None. Near 0 beside a
            `mutual_information_per_dimension_nats` that is not, a latent only repeats the condition.
    """

    active_units: int
    mean_variance: NDArray[np.float64]
    kl_per_dimension_nats: NDArray[np.float64]
    mutual_information_per_dimension_nats: NDArray[np.float64]
    aggregate_kl_nats: float
    kinds: tuple[Kind, ...]
    collapsed_inputs: NDArray[np.float64]
    epsilons: NDArray[np.float64]
    collapse_curve: NDArray[np.float64]
    epsilon: float
    delta: float
    total_correlation_of_means_nats: float
    total_correlation_of_samples_nats: float
    within_class_variance: NDArray[np.float64] | None
    active_units_given_condition: int | None
    mutual_information_given_condition_nats: NDArray[np.float64] | None


def diagnose_collapse(
    mean: Array,
    logvar: Array,
    *,
    condition: Array | None = None,
    threshold: float = 0.01,
    epsilon: float = 0.01,
    delta: float = 0.01,
    samples: int = 2_000,
    seed: int = 0,
) -> CollapseDiagnosis:
    """Everything about collapsed latents that Gaussian posteriors tell.

    A latent is (epsilon, delta)-collapsed if P_x[KL(q(z_j|x) || p(z_j)) < epsilon] >= 1 - delta. The kinds use the
    same share: at least 1 - delta is passive, at most delta is active. (Bonheme and Grzes tell them by the size and
    the variation of the posterior variance; a divergence also sees a mean that moves.)

    Args:
        mean: [N, D] posterior means.
        logvar: [N, D] logarithms of posterior variances.
        condition: [N], the class that a conditional model was told.
        threshold: variance of the mean above which a latent is active; 0.01 in Burda et al.
        epsilon: nats, above 0.
        delta: share of inputs, 0 .. below 1/2.
        samples: rows of the Monte Carlo terms (I and KL of the aggregate), at most N.
        seed: of posterior samples.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite; epsilon or delta out of range.

    Reference:
        Burda et al. 2016, "Importance Weighted Autoencoders"; Lucas et al. 2019, "Understanding Posterior Collapse in
        Generative Latent Variable Models" (the curve); Bonheme and Grzes 2021, "Be More Active! Understanding the
        Differences between Mean and Sampled Representations of Variational Autoencoders" (kinds, and the gap).
    """
    if not epsilon > 0:
        raise ValueError(f"epsilon: expected nats above 0, got {epsilon}")
    if not 0 <= delta < 0.5:
        raise ValueError(f"delta: expected a share of 0 or more, below 1/2, got {delta}")
    terms = kl_decomposition(mean, logvar, samples=samples, seed=seed)  # checks both
    means, logvars = as_matrix(mean, "mean"), as_logvar(logvar)
    divergences = gaussian_kl(torch.tensor(means), torch.tensor(logvars)).numpy()
    collapsed_inputs = (divergences < epsilon).mean(axis=0)
    variance = mean_variance(means)
    within = given = None
    if condition is not None:
        classes = as_classes(condition, "condition")
        require_equal_rows(mean=means, condition=classes)
        within = _within_class_variance(means, classes)
        given = _information_given(means, logvars, classes, samples=samples, seed=seed)
    noise = np.random.Generator(np.random.Philox(seed)).standard_normal(means.shape)
    return CollapseDiagnosis(
        active_units=int((variance > threshold).sum()),
        mean_variance=variance,
        kl_per_dimension_nats=terms.kl_per_dimension_nats,
        mutual_information_per_dimension_nats=terms.mutual_information_per_dimension_nats,
        aggregate_kl_nats=terms.total_correlation_nats + terms.dimensionwise_kl_nats,
        kinds=tuple(_kind(share, delta) for share in collapsed_inputs),
        collapsed_inputs=collapsed_inputs,
        epsilons=EPSILONS,
        collapse_curve=np.array(
            [((divergences < bound).mean(axis=0) >= 1 - delta).mean() for bound in EPSILONS]
        ),
        epsilon=epsilon,
        delta=delta,
        total_correlation_of_means_nats=gaussian_total_correlation(means),
        total_correlation_of_samples_nats=gaussian_total_correlation(means + np.exp(0.5 * logvars) * noise),
        within_class_variance=within,
        active_units_given_condition=None if within is None else int((within > threshold).sum()),
        mutual_information_given_condition_nats=given,
    )


def _kind(collapsed_inputs: float, delta: float) -> Kind:
    if collapsed_inputs >= 1 - delta:
        return "passive"
    return "active" if collapsed_inputs <= delta else "mixed"


def _within_class_variance(means: Floats, classes: Integers) -> NDArray[np.float64]:
    """Variance of what is left of the means when that of each class is taken away: [D]."""
    left = means.astype(np.float64)
    for value in np.unique(classes):
        members = classes == value
        left[members] -= left[members].mean(axis=0)
    return np.asarray(np.square(left).mean(axis=0))


def _information_given(
    means: Floats, logvars: Floats, classes: Integers, *, samples: int, seed: int
) -> NDArray[np.float64]:
    """I_q(x; z_j | y): [D]. Each class gets its share of the samples."""
    found = np.zeros(means.shape[1])
    for value in np.unique(classes):
        members = classes == value
        share = float(members.mean())
        terms = kl_decomposition(
            means[members], logvars[members], samples=max(1, round(samples * share)), seed=seed
        )
        found += share * terms.mutual_information_per_dimension_nats
    return found
