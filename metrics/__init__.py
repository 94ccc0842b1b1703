"""Measures of disentanglement: pure functions of arrays."""

from .beta_vae_score import beta_vae_score
from .collapse_diagnosis import CollapseDiagnosis, diagnose_collapse
from .condition_leakage import ConditionLeakage, condition_leakage
from .dci import DCI, concentration, dci
from .dcimig import dcimig
from .explicitness import Explicitness, explicitness
from .factor_vae_score import factor_vae_score
from .gaussian_correlation import gaussian_total_correlation, gaussian_wasserstein_correlation
from .irs import irs
from .jemmig import jemmig
from .kl_decomposition import (
    KLDecomposition,
    gaussian_kl,
    kl_decomposition,
    log_gaussian,
    minibatch_log_densities,
)
from .mig import mig
from .mig_sup import mig_sup
from .modularity import modularity
from .mutual_info_score import mutual_info_score
from .mutual_information import equal_width_bins, factor_entropy, mutual_information_matrix
from .posterior_collapse import active_units, mean_variance
from .sap import sap, sap_continuous
from .table import METRICS, Metric, Score, compute

__all__ = [
    "DCI",
    "METRICS",
    "CollapseDiagnosis",
    "ConditionLeakage",
    "Explicitness",
    "KLDecomposition",
    "Metric",
    "Score",
    "active_units",
    "beta_vae_score",
    "compute",
    "concentration",
    "condition_leakage",
    "dci",
    "dcimig",
    "diagnose_collapse",
    "equal_width_bins",
    "explicitness",
    "factor_entropy",
    "factor_vae_score",
    "gaussian_kl",
    "gaussian_total_correlation",
    "gaussian_wasserstein_correlation",
    "irs",
    "jemmig",
    "kl_decomposition",
    "log_gaussian",
    "mean_variance",
    "mig",
    "mig_sup",
    "minibatch_log_densities",
    "modularity",
    "mutual_info_score",
    "mutual_information_matrix",
    "sap",
    "sap_continuous",
]
