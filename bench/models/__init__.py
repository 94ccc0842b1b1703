"""Models as plain modules, and the nets of ordinary VAEs; `catalogue` has all that a study can name."""

from __future__ import annotations

from .architecture import Architecture, ImageShape
from .batch_norm import batch_normalised
from .burda_mlp import burda_mlp
from .burgess_conv import burgess_conv
from .chen_mlp import chen_mlp
from .initialisation import INITIALISATIONS, initial_parameters
from .model import KL_NATS, ForwardPass, Model
from .small_patch import GRID, small_patch
from .study_conv import study_conv
from .vae import VAE, Posterior, reparameterised


def sides_of_64(image_shape: ImageShape) -> str | None:
    """What is wrong with an image shape for the conv nets, if anything."""
    return None if image_shape[1:] == (64, 64) else "needs images of 64 x 64"


def sides_in_patches(image_shape: ImageShape) -> str | None:
    """What is wrong with an image shape for the patch net, if anything."""
    _, height, width = image_shape
    return (
        None
        if height == width and height % GRID == 0
        else f"needs square images with a side that is a multiple of {GRID}"
    )


def any_sides(image_shape: ImageShape) -> str | None:
    """Nothing is wrong with any image shape."""
    return None


PLAIN_ARCHITECTURES: dict[str, Architecture] = {
    "study_conv": Architecture(study_conv, "glorot", sides_of_64, "conv net of Locatello et al. 2019"),
    "burgess_conv": Architecture(
        burgess_conv, "torch_default", sides_of_64, "conv net of Burgess et al. 2018"
    ),
    "burgess_conv_he": Architecture(
        burgess_conv, "he", sides_of_64, "the same, initialised for ReLUs as in disentangling-vae"
    ),
    "chen_mlp": Architecture(chen_mlp, "torch_default", any_sides, "MLP of Chen et al. 2018"),
    "burda_mlp": Architecture(
        burda_mlp, "glorot", any_sides, "MLP of Burda et al. 2016, one stochastic layer"
    ),
    "small_patch": Architecture(
        small_patch, "glorot", sides_in_patches, "small net for CPUs, 5 MFLOP an image"
    ),
}

__all__ = [
    "INITIALISATIONS",
    "KL_NATS",
    "PLAIN_ARCHITECTURES",
    "VAE",
    "Architecture",
    "ForwardPass",
    "ImageShape",
    "Model",
    "Posterior",
    "any_sides",
    "batch_normalised",
    "initial_parameters",
    "reparameterised",
    "sides_in_patches",
    "sides_of_64",
]
