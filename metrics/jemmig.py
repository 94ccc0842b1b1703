"""Joint entropy minus mutual information gap."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Array, as_factors, as_matrix, require_varying
from .information import equal_width_bins, factor_entropy, mutual_information_matrix


def jemmig(codes: Array, factors: Array, *, bins: int = 20) -> float:
    """MIG that also asks that the best code knows nothing but its factor, normalised so that higher is better.

    With z* and z' the codes that know factor v best and second best, the paper's value is H(z*, v) - I(z*; v) +
    I(z'; v) in nats, lower is better. Here it is one minus that over its upper bound H(v) + log(bins), mean
    over factors.

    Args:
        codes: [N, D], posterior means. A single code is compared with 0.
        factors: [N, K], whole-number classes. A constant factor is left out.
        bins: equal-width bins a code dimension.

    Returns:
        0 .. 1; higher is better. 1 needs a code with just one bin for each class: a code that spreads each class over
        several bins, as Gaussian noise does, stays below. Not 0 of codes that know nothing: a constant code adds no
        entropy of its own, and codes that are all constant score log(bins) / (H(v) + log(bins)), far above noise. So
        has the paper's formula it; read it beside `mig`.

    Raises:
        ValueError: as `mutual_information_matrix`, fewer than 2 bins, or every factor is constant.

    Reference:
        Do and Tran 2020, "Theory and Evaluation Metrics for Learning Disentangled Representations" (JEMMIG), with the
        study's 20 bins of posterior means where the paper bins posterior samples.
    """
    if bins < 2:
        raise ValueError(f"bins: at least 2 for an entropy to normalise by, got {bins}")
    varies = require_varying(as_factors(factors))
    known = mutual_information_matrix(codes, factors, bins=bins)[:, varies]
    entropy = factor_entropy(factors)[varies]
    code_entropy = factor_entropy(equal_width_bins(as_matrix(codes, "codes"), bins=bins))
    runner_up, best = np.sort(np.vstack([np.zeros(len(entropy)), known]), axis=0)[-2:]
    joint = code_entropy[known.argmax(axis=0)] + entropy - best
    return float(np.mean(1.0 - (joint - best + runner_up) / (entropy + math.log(bins))))
