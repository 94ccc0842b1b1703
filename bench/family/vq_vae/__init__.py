"""The VQ-VAE (van den Oord et al. 2017): discrete codes on a map, a codebook that follows them, a PixelCNN prior."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ...models import Architecture, ImageShape, sides_in_patches
from ...objectives import Objective
from ..member import Member
from .codebook import CODEBOOK
from .model import VQVAE
from .networks import (
    ConvDecoder,
    ConvEncoder,
    SmallDecoder,
    SmallEncoder,
    conv_map,
    sides_in_quarters,
    small_map,
)
from .objective import vq_vae
from .pixelcnn import GatedPixelCNN
from .quantiser import VectorQuantiser

MapShape = Callable[[ImageShape], tuple[int, int]]


def positions(map_shape: MapShape) -> Callable[[ImageShape, int], int]:
    """How many codes an image has: the positions of its map."""

    def width(image_shape: ImageShape, latents: int) -> int:
        rows, columns = map_shape(image_shape)
        return rows * columns

    return width


def build(
    encoder: Callable[[ImageShape, int], nn.Module],
    decoder: Callable[[ImageShape, int], nn.Module],
    map_shape: MapShape,
    codes: int,
    *,
    features: int,
    layers: int,
    kernel: int,
) -> Callable[[ImageShape, int, int], VQVAE]:
    """A model whose code vectors have as many numbers as the study says latents."""

    def built(image_shape: ImageShape, latents: int, condition_size: int) -> VQVAE:
        return VQVAE(
            encoder(image_shape, latents),
            decoder(image_shape, latents),
            VectorQuantiser(codes, latents),
            GatedPixelCNN(codes, map_shape(image_shape), features, layers, kernel),
        )

    return built


MEMBER = Member(
    objectives={
        "vq_vae": Objective(
            vq_vae,
            "VQ-VAE",
            None,
            "van den Oord et al. 2017",
            loss_options={"commitment": 0.25, "prior_share": 0.3},
            architectures=("vq_small", "vq_conv", "vq_hsu_style"),  # the last from `latent_quantisation`
            codes="points",
            tasks=("codebook",),
        )
    },
    architectures={
        "vq_small": Architecture(
            build(SmallEncoder, SmallDecoder, small_map, 64, features=32, layers=3, kernel=3),
            "glorot",
            sides_in_patches,
            "patch net with a map of 4 x 4 of 64 codes, for CPUs",
            code_width=positions(small_map),
            own=True,
        ),
        "vq_conv": Architecture(
            build(ConvEncoder, ConvDecoder, conv_map, 512, features=128, layers=12, kernel=5),
            "torch_default",
            sides_in_quarters,
            "conv net of van den Oord et al. 2017, a map of a quarter of the image of 512 codes",
            code_width=positions(conv_map),
            own=True,
        ),
    },
    tasks={"codebook": CODEBOOK},
)
