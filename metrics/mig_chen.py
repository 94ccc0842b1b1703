"""The mutual information gap as its authors compute it: posterior samples and densities instead of binned means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Array, as_factors, ranks, require_varying
from .information import posterior_information


def mig_chen(
    mean: Array,
    logvar: Array,
    factors: Array,
    *,
    exclude: Sequence[int] = (),
    samples: int = 10_000,
    seed: int = 0,
) -> float:
    """(I_1 - I_2) / log |V| of posterior samples z_j, mean over factors, with exact densities of the aggregate.

    Args:
        mean: [N, D] posterior means. The aggregate q(z_j) is the mixture over these rows: exact when they are the
            whole data set.
        logvar: [N, D] logarithms of posterior variances.
        factors: [N, K], whole-number classes; |V| is the number of classes seen. A constant factor is left out.
        exclude: columns of `factors` to leave out. Chen et al. leave out dSprites' shape, `exclude=[0]`; much other
            code does not, and reads lower.
        samples: posterior samples, at most N; 10,000 in the paper. The standard error is about 1 / sqrt(samples).
        seed: of rows and samples.

    Returns:
        0 .. 1; higher is better. Not comparable with `mig`: samples carry the posterior's noise, means do not. 0 for
        codes that tell every image: where posteriors are narrower than the distances of means, each latent knows all.

    Raises:
        ValueError: arrays that do not fit, or no varying factor left.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", eq. 6. Other code under this name keeps
        shape, or reads samples [S, D] as [D, S] in memory where it means to transpose them, which leaves about 0.
    """
    classes = as_factors(factors)
    unknown = [column for column in exclude if not 0 <= column < classes.shape[1]]
    if unknown:
        raise ValueError(
            f"exclude: expected columns 0 .. {classes.shape[1] - 1} of factors, got {unknown[0]}"
        )
    kept = [column for column in range(classes.shape[1]) if column not in exclude]
    if not kept:
        raise ValueError("exclude: leaves no factor")
    varying = np.array(kept)[require_varying(classes[:, kept])]
    information = posterior_information(mean, logvar, classes[:, varying], samples=samples, seed=seed)
    largest = np.log(ranks(classes[:, varying]).max(axis=0) + 1)
    runner_up, best = np.sort(np.vstack([np.zeros(len(varying)), information]), axis=0)[-2:]
    return float(np.mean((best - runner_up) / largest))
