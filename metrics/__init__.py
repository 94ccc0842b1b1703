"""Measures of disentanglement: pure functions of arrays."""

from .condition_leakage import ConditionLeakage, condition_leakage
from .dci import DCI, concentration, dci
from .kl_decomposition import (
    KLDecomposition,
    gaussian_kl,
    kl_decomposition,
    log_gaussian,
    minibatch_log_densities,
)
from .mig import mig
from .mutual_information import equal_width_bins, factor_entropy, mutual_information_matrix
from .posterior_collapse import active_units, mean_variance
from .table import METRICS, Metric, Score, compute

__all__ = [
    "DCI",
    "METRICS",
    "ConditionLeakage",
    "KLDecomposition",
    "Metric",
    "Score",
    "active_units",
    "compute",
    "concentration",
    "condition_leakage",
    "dci",
    "equal_width_bins",
    "factor_entropy",
    "gaussian_kl",
    "kl_decomposition",
    "log_gaussian",
    "mean_variance",
    "mig",
    "minibatch_log_densities",
    "mutual_information_matrix",
]
