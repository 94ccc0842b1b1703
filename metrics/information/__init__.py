"""Estimators of mutual information, all in nats; which one to take is in docs/metrics/mutual_information.md.

`binned`: plug-in estimates of codes cut into bins. `nearest_neighbours`: without bins, for codes against codes or
against classes. `posterior`: of the posterior's samples, from its densities. `known`: distributions whose mutual
information is known. `bias`: what all of them make of those.
"""

from .bias import ESTIMATORS, SETTINGS, Bias, bias_page, measured_bias
from .binned import binned_mutual_information, equal_width_bins, factor_entropy, mutual_information_matrix
from .known import KNOWN, Known
from .nearest_neighbours import (
    ksg_class_information,
    ksg_information_matrix,
    ksg_mutual_information,
)
from .posterior import posterior_bin_information, posterior_information

__all__ = [
    "ESTIMATORS",
    "KNOWN",
    "SETTINGS",
    "Bias",
    "Known",
    "bias_page",
    "binned_mutual_information",
    "equal_width_bins",
    "factor_entropy",
    "ksg_class_information",
    "ksg_information_matrix",
    "ksg_mutual_information",
    "measured_bias",
    "mutual_information_matrix",
    "posterior_bin_information",
    "posterior_information",
]
