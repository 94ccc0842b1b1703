"""What a model minimises: one pure function an objective, and the table that a study can name them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from .beta_tcvae import beta_tcvae
from .beta_vae import beta_vae, cvae, vae
from .terms import kl, reconstruction


@dataclass(frozen=True)
class Objective:
    """An objective that a study can name."""

    loss: Callable[..., Tensor]
    """(forward pass, strength, *, dataset_size, **options) to a scalar in nats per image, to be minimised."""
    title: str
    """As papers write it, for tables and figures."""
    strength: str | None
    """The papers' symbol for the strength, or None if there is none."""
    paper: str
    conditional: bool = False
    """Whether the model is told a factor of the image, in encoder and decoder."""
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Keywords of `loss` that a study can choose, with what each takes; the first is the default."""


OBJECTIVES: dict[str, Objective] = {
    "vae": Objective(vae, "VAE", None, "Kingma and Welling 2014"),
    "beta_vae": Objective(beta_vae, "β-VAE", "β", "Higgins et al. 2017"),
    "beta_tcvae": Objective(
        beta_tcvae, "β-TCVAE", "β", "Chen et al. 2018", options={"estimator": ("mws", "mss")}
    ),
    "cvae": Objective(cvae, "CVAE", "β", "Sohn et al. 2015", conditional=True),
}

__all__ = ["OBJECTIVES", "Objective", "kl", "reconstruction"]
