"""What a model minimises: one pure function an objective, and those of ordinary VAEs; `catalogue` has all of them."""

from __future__ import annotations

from .annealed_vae import annealed_vae
from .beta_tcvae import beta_tcvae
from .beta_vae import beta_vae, cvae, vae
from .dip_vae import dip_vae_i, dip_vae_ii
from .factor_vae import DISCRIMINATOR, factor_vae
from .iwae import iwae
from .objective import ADAM_EPS, Choosing, Objective
from .setting import Helper, Options, Setting
from .telling import CLASS, Telling, Told
from .terms import bernoulli_errors, kl, reconstruction
from .warmup import WARMUP

PLAIN_OBJECTIVES: dict[str, Objective] = {
    "vae": Objective(vae, "VAE", None, "Kingma and Welling 2014", loss_options=WARMUP),
    "beta_vae": Objective(beta_vae, "β-VAE", "β", "Higgins et al. 2017", loss_options=WARMUP),
    "beta_tcvae": Objective(
        beta_tcvae,
        "β-TCVAE",
        "β",
        "Chen et al. 2018",
        loss_options={"estimator": ("mws", "mss", "mss_public_copies"), **WARMUP},
        optimiser_options={ADAM_EPS: None},
    ),
    "cvae": Objective(cvae, "CVAE", "β", "Sohn et al. 2015", conditional=True, loss_options=WARMUP),
    "annealed_vae": Objective(
        annealed_vae,
        "AnnealedVAE",
        "C",
        "Burgess et al. 2018",
        loss_options={"gamma": 1000.0, "capacity_steps": 100_000.0},
    ),
    "factor_vae": Objective(
        factor_vae, "FactorVAE", "γ", "Kim and Mnih 2018", loss_options=WARMUP, helper=DISCRIMINATOR
    ),
    "dip_vae_i": Objective(
        dip_vae_i, "DIP-VAE-I", "λ", "Kumar et al. 2018", loss_options={"diagonal_ratio": 10.0, **WARMUP}
    ),
    "dip_vae_ii": Objective(
        dip_vae_ii, "DIP-VAE-II", "λ", "Kumar et al. 2018", loss_options={"diagonal_ratio": 1.0, **WARMUP}
    ),
    "iwae": Objective(iwae, "IWAE", None, "Burda et al. 2016", importance_samples=5),
}

__all__ = [
    "CLASS",
    "PLAIN_OBJECTIVES",
    "Choosing",
    "Helper",
    "Objective",
    "Options",
    "Setting",
    "Telling",
    "Told",
    "bernoulli_errors",
    "kl",
    "reconstruction",
]
