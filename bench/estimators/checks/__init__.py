"""Estimators beside closed forms: the discriminator's total correlation, identities of the KL's terms, a linear VAE."""

from __future__ import annotations

from .figures import draw_discriminators
from .identities import aligned_posteriors, decomposition_identities
from .linear_vae import linear_vae_check
from .report import as_markdown, save
from .total_correlation import attainable_total_correlation, discriminator_check, pairs_total_correlation

__all__ = [
    "aligned_posteriors",
    "as_markdown",
    "attainable_total_correlation",
    "decomposition_identities",
    "discriminator_check",
    "draw_discriminators",
    "linear_vae_check",
    "pairs_total_correlation",
    "save",
]
