"""Missing pixels: masks, chains and importance sampling of trained models, and the baselines that they have to beat.

To add a way for pixels to be missing: a function in `masks.py` and a row of `MASKS`. To add a method: a function from
`Asked` to `Imputed` and a row of `METHODS` in `impute.py`.
"""

from .baselines import knn_imputation, mean_imputation
from .error import independent_nats, rmse
from .importance import missing_density
from .impute import METHODS, Imputed, impute, imputed, objection
from .latent_model import LatentModel
from .masks import MASKS, observed_pixels, require_missing

__all__ = [
    "MASKS",
    "METHODS",
    "Imputed",
    "LatentModel",
    "impute",
    "imputed",
    "independent_nats",
    "knn_imputation",
    "mean_imputation",
    "missing_density",
    "objection",
    "observed_pixels",
    "require_missing",
    "rmse",
]
