"""VAEs of several stochastic layers: the ladder (Sonderby et al. 2016) and the plain hierarchy beside it."""

from __future__ import annotations

from functools import partial

from ...models import Architecture, ImageShape
from ...objectives import Objective
from ..member import Member
from .model import Hierarchy, hierarchy, widths_of
from .objective import OPTIONS, hierarchical_bound
from .tasks import LAYERS, LAYERS_LIKELIHOOD

SMALL, PAPER = (256, 128, 64), (512, 256, 128, 64, 32)
"""Units of the hidden layers from the image upwards, and so the number of layers."""


def any_sides(image_shape: ImageShape) -> str | None:
    """Nothing is wrong with any image shape."""
    return None


def width(units: tuple[int, ...], image_shape: ImageShape, latents: int) -> int:
    """Units of all layers together."""
    return sum(widths_of(latents, len(units)))


def architectures(kind: str, *, ladder: bool) -> dict[str, Architecture]:
    """Small and the paper's, each with batch normalisation and without."""
    return {
        f"{kind}_mlp{size}{suffix}": Architecture(
            partial(hierarchy, units=units, ladder=ladder, normalised=normalised),
            "glorot",
            any_sides,
            f"{len(units)} layers, MLPs of {'-'.join(map(str, units))}"
            f"{', batch-normalised' if normalised else ''}",
            code_width=partial(width, units),
            own=True,
        )
        for size, units in (("_small", SMALL), ("", PAPER))
        for suffix, normalised in (("", True), ("_no_norm", False))
    }


LADDERS = architectures("ladder", ladder=True)
CHAINS = architectures("hierarchical", ladder=False)


def objective(title: str, nets: dict[str, Architecture]) -> Objective:
    """The same bound, of other nets."""
    return Objective(
        hierarchical_bound,
        title,
        None,
        "Sonderby et al. 2016",
        loss_options=OPTIONS,
        architectures=tuple(nets),
        # Given the layers above, not against N(0, I) of its own: metrics of posteriors would take them for independent.
        codes="points",
        tasks=("layers", "layers_likelihood"),
    )


MEMBER = Member(
    objectives={
        "ladder_vae": objective("Ladder VAE", LADDERS),
        "hierarchical_vae": objective("hierarchical VAE", CHAINS),
    },
    architectures={**LADDERS, **CHAINS},
    tasks={"layers": LAYERS, "layers_likelihood": LAYERS_LIKELIHOOD},
)

__all__ = ["MEMBER", "Hierarchy"]
