"""Measures of disentanglement: pure functions of arrays.

Functions that fit scikit-learn's or LightGBM's classifiers import them themselves: most commands never do, and they
take as long to import as all the rest but torch.
"""

from .beta_vae_score import beta_vae_score
from .collapse_diagnosis import CollapseDiagnosis, diagnose_collapse
from .compute import compute
from .condition_leakage import ConditionLeakage, condition_leakage
from .dci import DCI, concentration, dci
from .dci_es import DCIES, dci_es
from .dcimig import dcimig
from .downstream import Downstream, downstream
from .explicitness import Explicitness, explicitness
from .factor_vae_score import factor_vae_score
from .gaussian_correlation import gaussian_total_correlation, gaussian_wasserstein_correlation
from .infomec import InfoMEC, infomec
from .information import (
    equal_width_bins,
    factor_entropy,
    ksg_class_information,
    ksg_information_matrix,
    ksg_mutual_information,
    mutual_information_matrix,
    posterior_bin_information,
    posterior_information,
)
from .irs import irs
from .jemmig import jemmig
from .kl_decomposition import (
    KLDecomposition,
    gaussian_kl,
    kl_decomposition,
    log_gaussian,
    minibatch_log_densities,
)
from .limits import limits, limits_page
from .measure import function_of, measure
from .med import med
from .mig import mig
from .mig_chen import mig_chen
from .mig_sup import mig_sup
from .modularity import modularity
from .mutual_info_score import mutual_info_score
from .page import page
from .posterior_collapse import active_units, mean_variance
from .result import Measured, Result
from .rmig import RMIG, rmig
from .sap import sap, sap_continuous
from .score import Metric, Score
from .table import METRICS
from .udr import udr
from .z_min_variance import z_min_variance

__all__ = [
    "DCI",
    "DCIES",
    "METRICS",
    "RMIG",
    "CollapseDiagnosis",
    "ConditionLeakage",
    "Downstream",
    "Explicitness",
    "InfoMEC",
    "KLDecomposition",
    "Measured",
    "Metric",
    "Result",
    "Score",
    "active_units",
    "beta_vae_score",
    "compute",
    "concentration",
    "condition_leakage",
    "dci",
    "dci_es",
    "dcimig",
    "diagnose_collapse",
    "downstream",
    "equal_width_bins",
    "explicitness",
    "factor_entropy",
    "factor_vae_score",
    "function_of",
    "gaussian_kl",
    "gaussian_total_correlation",
    "gaussian_wasserstein_correlation",
    "infomec",
    "irs",
    "jemmig",
    "kl_decomposition",
    "ksg_class_information",
    "ksg_information_matrix",
    "ksg_mutual_information",
    "limits",
    "limits_page",
    "log_gaussian",
    "mean_variance",
    "measure",
    "med",
    "mig",
    "mig_chen",
    "mig_sup",
    "minibatch_log_densities",
    "modularity",
    "mutual_info_score",
    "mutual_information_matrix",
    "page",
    "posterior_bin_information",
    "posterior_information",
    "rmig",
    "sap",
    "sap_continuous",
    "udr",
    "z_min_variance",
]
