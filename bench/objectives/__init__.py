"""What a model minimises: one pure function an objective, and the table that a study can name them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from ..run import IMPORTANCE_SAMPLES
from .annealed_vae import annealed_vae
from .beta_tcvae import beta_tcvae
from .beta_vae import beta_vae, cvae, vae
from .dip_vae import dip_vae_i, dip_vae_ii
from .factor_vae import DISCRIMINATOR, factor_vae
from .iwae import iwae
from .setting import Helper, Options, Setting
from .terms import kl, reconstruction


@dataclass(frozen=True)
class Objective:
    """An objective that a study can name."""

    loss: Callable[..., Tensor]
    """(forward pass, strength, setting, **loss_options) to a scalar in nats per image, to be minimised."""
    title: str
    """As papers write it, for tables and figures."""
    strength: str | None
    """The papers' symbol for the strength, or None if there is none."""
    paper: str
    conditional: bool = False
    """Whether the model is told a factor of the image, in encoder and decoder."""
    loss_options: Options = field(default_factory=dict)
    """Keywords of `loss` that a study can choose."""
    helper: Helper | None = None
    """The network that trains beside each model, if any."""
    importance_samples: int | None = None
    """How many codes an image it is given where a study does not say; None for objectives that take one."""

    @property
    def options(self) -> Options:
        """All that a study can choose: keywords of the loss, then those of the helper, then codes an image."""
        several = {} if self.importance_samples is None else {IMPORTANCE_SAMPLES: self.importance_samples}
        return {**self.loss_options, **(self.helper.options if self.helper else {}), **several}


OBJECTIVES: dict[str, Objective] = {
    "vae": Objective(vae, "VAE", None, "Kingma and Welling 2014"),
    "beta_vae": Objective(beta_vae, "β-VAE", "β", "Higgins et al. 2017"),
    "beta_tcvae": Objective(
        beta_tcvae, "β-TCVAE", "β", "Chen et al. 2018", loss_options={"estimator": ("mws", "mss")}
    ),
    "cvae": Objective(cvae, "CVAE", "β", "Sohn et al. 2015", conditional=True),
    "annealed_vae": Objective(
        annealed_vae,
        "AnnealedVAE",
        "C",
        "Burgess et al. 2018",
        loss_options={"gamma": 1000.0, "capacity_steps": 100_000.0},
    ),
    "factor_vae": Objective(factor_vae, "FactorVAE", "γ", "Kim and Mnih 2018", helper=DISCRIMINATOR),
    "dip_vae_i": Objective(
        dip_vae_i, "DIP-VAE-I", "λ", "Kumar et al. 2018", loss_options={"diagonal_ratio": 10.0}
    ),
    "dip_vae_ii": Objective(
        dip_vae_ii, "DIP-VAE-II", "λ", "Kumar et al. 2018", loss_options={"diagonal_ratio": 1.0}
    ),
    "iwae": Objective(iwae, "IWAE", None, "Burda et al. 2016", importance_samples=5),
}

__all__ = ["OBJECTIVES", "Helper", "Objective", "Options", "Setting", "kl", "reconstruction"]
