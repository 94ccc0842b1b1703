"""NVAE (Vahdat and Kautz 2020): many groups of latents at several scales, residual cells, residual posteriors."""

from __future__ import annotations

from ...models import Architecture, ImageShape
from ...objectives import Objective
from ..member import Member
from .bits import BITS
from .blueprint import MNIST, Blueprint, GroupLayout, small
from .model import NVAE
from .objective import nvae
from .reestimation import reestimated


def square(image_shape: ImageShape) -> str | None:
    """What is wrong with an image shape, if anything."""
    _, height, width = image_shape
    return None if height == width else "needs square images"


def nvae_small(image_shape: ImageShape, latents: int, condition_size: int) -> NVAE:
    """One group at 2 x 2 and two at 4 x 4 with `latents` channels each: codes of 36 times `latents` numbers."""
    return NVAE(image_shape, latents, condition_size, small(image_shape))


def nvae_mnist(image_shape: ImageShape, latents: int, condition_size: int) -> NVAE:
    """The paper's net for MNIST, with `latents` channels a group: the paper's are 20."""
    return NVAE(image_shape, latents, condition_size, MNIST)


def width(blueprint: Blueprint, image_shape: ImageShape, latents: int) -> int:
    """D, the codes of an image."""
    return GroupLayout(blueprint, image_shape[1], latents).width


MEMBER = Member(
    objectives={
        "nvae": Objective(
            nvae,
            "NVAE",
            None,
            "Vahdat and Kautz 2020",
            loss_options={"warm_up_share": 0.3, "spectral": 1e-2, "balancing": ("on", "off")},
            architectures=("nvae_small", "nvae_mnist"),
            codes="points",
            tasks=("bits",),
        )
    },
    architectures={
        "nvae_small": Architecture(
            nvae_small,
            "torch_default",
            square,
            "NVAE for a laptop: 3 groups at 2 x 2 and 4 x 4",
            code_width=lambda image_shape, latents: width(small(image_shape), image_shape, latents),
            own=True,
        ),
        "nvae_mnist": Architecture(
            nvae_mnist,
            "torch_default",
            square,
            "NVAE of Vahdat and Kautz 2020 for MNIST: 15 groups at 4 x 4 and 8 x 8",
            code_width=lambda image_shape, latents: width(MNIST, image_shape, latents),
            own=True,
        ),
    },
    tasks={"bits": BITS},
)

__all__ = ["MEMBER", "NVAE", "reestimated"]
