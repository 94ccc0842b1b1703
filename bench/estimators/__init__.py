"""How far estimators of mutual information and of the KL decomposition are from values that are known."""

from __future__ import annotations

from .figures import draw_information, draw_kl_terms
from .information import information_bias
from .kl_terms import kl_terms_bias
from .posteriors import GaussianPosteriors, grid_posteriors, read_posteriors
from .report import as_markdown, as_table, save

__all__ = [
    "GaussianPosteriors",
    "as_markdown",
    "as_table",
    "draw_information",
    "draw_kl_terms",
    "grid_posteriors",
    "information_bias",
    "kl_terms_bias",
    "read_posteriors",
    "save",
]
