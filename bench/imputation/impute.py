"""`impute`: what a trained model makes of the pixels that are missing, in several draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..bad_input import BadInput, unknown
from ..models import Model
from ..run import Run
from .chance import Chance
from .gibbs import chain_rows, run_chains
from .importance import weigh
from .latent_model import LatentModel

Pixels: TypeAlias = Literal["means", "drawn"]

Trained: TypeAlias = "Model | tuple[Run, Model]"
"""A model, or a run with its model, as `Store.model(row)` gives it."""


@dataclass(frozen=True)
class Imputed:
    """What was made of N images; what is seen of them is in it as it is."""

    draws: Tensor
    """[S, N, C, H, W]."""
    mean: Tensor
    """[N, C, H, W], the estimate of E[x | x_obs]: what has the least squared error under the model."""
    acceptance: Tensor | None
    """[N], share of the proposals accepted; None where all are."""
    effective_share: Tensor | None
    """[N], effective importance samples over all; None of chains."""


@dataclass(frozen=True)
class Asked:
    """What a method is asked."""

    model: LatentModel
    x: Tensor
    observed: Tensor
    draws: int
    steps: int
    seed: int
    pixels: Pixels


@dataclass(frozen=True)
class Method:
    """A way to impute."""

    title: str
    steps: int
    """How many where nothing says so: of a chain, or importance samples."""
    answer: Callable[[Asked], Imputed]


def _pseudo_gibbs(asked: Asked) -> Imputed:
    return _chains(asked, pseudo_steps=asked.steps)


def _metropolis(asked: Asked) -> Imputed:
    return _chains(asked, pseudo_steps=max(1, asked.steps // 4))


def _chains(asked: Asked, pseudo_steps: int) -> Imputed:
    """A chain a draw, all of them at once."""
    count, draws = len(asked.x), asked.draws
    x = asked.x.repeat(draws, *(1,) * (asked.x.ndim - 1))
    seen = asked.observed.repeat(draws, *(1,) * (asked.x.ndim - 1))
    rows = torch.arange(count, device=x.device).repeat(draws)
    found = run_chains(
        asked.model,
        x,
        seen,
        rows,
        steps=asked.steps,
        pseudo_steps=pseudo_steps,
        chance=Chance(asked.seed, "chain", chain_rows(count, draws), x),
    )
    drawn = found.x if asked.pixels == "drawn" else asked.model.likelihood.mean(found.decoded)
    parts = (torch.where(seen, x, part).unflatten(0, (draws, count)) for part in (drawn, found.mean))
    each, means = parts
    tried = pseudo_steps < asked.steps
    accepted = found.acceptance.unflatten(0, (draws, count)).mean(dim=0) if tried else None
    return Imputed(each, means.mean(dim=0), accepted, None)


def _importance(asked: Asked) -> Imputed:
    rows = torch.arange(len(asked.x), device=asked.x.device)
    found = weigh(
        asked.model, asked.x, asked.observed, rows, samples=asked.steps, draws=asked.draws, seed=asked.seed
    )
    likelihood = asked.model.likelihood
    drawn = likelihood.mean(found.draws)
    if asked.pixels == "drawn":
        each = chain_rows(len(asked.x), asked.draws)
        chances = Chance(asked.seed, "pixels", each, asked.x).uniform(*asked.x.shape[1:])
        drawn = likelihood.draw(found.draws, chances.unflatten(0, (asked.draws, -1)))
    seen = asked.observed
    return Imputed(
        torch.where(seen, asked.x, drawn), torch.where(seen, asked.x, found.mean), None, found.effective_share
    )


METHODS: dict[str, Method] = {
    "pseudo_gibbs": Method("pseudo-Gibbs", 60, _pseudo_gibbs),
    "metropolis": Method("Metropolis-within-Gibbs", 60, _metropolis),
    "importance": Method("importance", 1_000, _importance),
}
"""By the name that `impute` and `--method` know them by."""


def impute(
    model: Trained,
    images: Tensor | NDArray[Any],
    observed: Tensor | NDArray[Any],
    *,
    method: str = "metropolis",
    draws: int = 5,
    steps: int | None = None,
    seed: int = 0,
    told: Tensor | None = None,
    pixels: Pixels = "means",
) -> Tensor:
    """Draws of the missing pixels of images, given the others, [draws, N, C, H, W].

    `imputed` of the same arguments has the mean over draws and how far they are to be believed too.

    Args:
        model: a trained model, or a run with its model, as `Store.model(row)` gives it. The posterior has to be a
            Gaussian to be weighed against N(0, I).
        images: [N, C, H, W], or [N, H, W] of one channel, in 0 .. 1. What stands at a missing pixel is never read.
        observed: True, or 1, where a pixel is seen: [N, C, H, W], [N, 1, H, W], [N, H, W] or [H, W].
        method: "pseudo_gibbs" (Rezende et al. 2014) and "metropolis" (Mattei and Frellsen 2018), a chain a draw;
            "importance" (Mattei and Frellsen 2019), the draws resampled from weighted codes.
        draws: from 1.
        steps: of each chain, of which "metropolis" takes the first quarter for a start, or importance samples. The
            method's own when left out: 60, 60, 1000.
        seed: of everything. The numbers of image n depend on the seed and n alone, not on the other images.
        told: [N, Y], the condition of a conditional model.
        pixels: "means" of p(x | z) for the z of a draw, or "drawn" from it, black or white.

    Returns:
        Images; a pixel that is seen is what it was in each of them.

    Raises:
        BadInput: an unknown method, arrays that do not fit, values out of range, a model without a Gaussian posterior.
    """
    return imputed(
        model, images, observed, method=method, draws=draws, steps=steps, seed=seed, told=told, pixels=pixels
    ).draws


def imputed(
    model: Trained,
    images: Tensor | NDArray[Any],
    observed: Tensor | NDArray[Any],
    *,
    method: str = "metropolis",
    draws: int = 5,
    steps: int | None = None,
    seed: int = 0,
    told: Tensor | None = None,
    pixels: Pixels = "means",
) -> Imputed:
    """As `impute`, with the mean and with what the method says of itself."""
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if pixels not in ("means", "drawn"):
        raise unknown("kind of pixels", pixels, ("means", "drawn"))
    steps = METHODS[method].steps if steps is None else steps
    for name, number in (("draws", draws), ("steps", steps)):
        if number != int(number) or number < 1:
            raise BadInput(f"{name} must be a whole number from 1, got {number}")
    if not 0 <= seed < 2**63:
        raise BadInput(f"seed must be in 0 .. 2^63 - 1, got {seed}")
    run, module = (None, model) if isinstance(model, Model) else model
    if run is not None and (why := objection(run)) is not None:
        raise BadInput(f"{run.label}: {why}")
    parameter = next(module.parameters())
    x, seen = checked(images, observed)
    x, seen = x.to(parameter.device, parameter.dtype), seen.to(parameter.device)
    condition = x.new_zeros(len(x), 0) if told is None else told.to(x)
    if len(condition) != len(x):
        raise BadInput(f"told must have a row for each of the {len(x)} images, got {len(condition)}")
    if run is not None and (size := told_size(run)) != condition.shape[1]:
        raise BadInput(f"{run.label}: is told {size} numbers an image; told has {condition.shape[1]}")
    return METHODS[method].answer(
        Asked(LatentModel.of(module, condition), x, seen, int(draws), int(steps), int(seed), pixels)
    )


def objection(run: Run) -> str | None:
    """Why missing pixels of a run's model cannot be imputed; None where they can."""
    from ..catalogue import OBJECTIVES  # here: its members may bring masks of this folder

    if OBJECTIVES[run.objective].codes == "posterior":
        return None
    return (
        "its codes have no Gaussian posterior that can be weighed against N(0, I): pseudo-Gibbs, "
        "Metropolis-within-Gibbs and importance sampling are not defined for it"
    )


def told_size(run: Run) -> int:
    """How many numbers a run's model is told of an image."""
    from ..run_model import Conditioning

    return Conditioning.of(run).size


def checked(images: Tensor | NDArray[Any], observed: Tensor | NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Images [N, C, H, W] with 0 at what is missing, and what is seen of them, bool [N, C, H, W]."""
    x, seen = (torch.as_tensor(np.asarray(a)) if not isinstance(a, Tensor) else a for a in (images, observed))
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or 0 in x.shape:
        raise BadInput(f"images must be [N, C, H, W] or [N, H, W], got {list(x.shape)}")
    if not x.is_floating_point():
        raise BadInput(f"images must be floating-point numbers in 0 .. 1, got {x.dtype}")
    if seen.dtype != torch.bool:
        if not bool(((seen == 0) | (seen == 1)).all()):
            raise BadInput(
                "observed must be True where a pixel is seen and False where not, got other numbers"
            )
        seen = seen == 1
    seen = seen[:, None] if seen.ndim == 3 else seen
    try:
        seen = seen.expand_as(x)
    except RuntimeError as error:
        raise BadInput(f"observed {list(seen.shape)} does not fit images {list(x.shape)}") from error
    x = torch.where(seen, x, torch.zeros_like(x))
    if not bool(((x >= 0) & (x <= 1)).all()):
        raise BadInput("images must be in 0 .. 1 where they are observed")
    return x, seen
