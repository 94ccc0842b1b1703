"""Outlier scores of images under a model: all in nats, all higher for what the model takes for foreign."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from disbench.metrics import gaussian_kl
from disbench.metrics.likelihood import (
    bernoulli_likelihood,
    draw_importance_samples,
    elbo_terms,
    importance_weighted_bound,
    likelihood_regret,
)
from disbench.metrics.likelihood.density import Decoder

from ..bad_input import BadInput
from ..models import KL_NATS, ForwardPass
from ..objectives import bernoulli_errors
from ..pixels import as_images
from ..randomness import normal
from .complexity import complexity_nats

Values = NDArray[np.float64]

SCORES = {
    "nll": "negative importance-weighted bound on log p(x)",
    "elbo": "negative ELBO",
    "kl": "KL of the posterior to the prior",
    "reconstruction": "-log p(x | z), mean over z of the posterior",
    "regret": "likelihood regret: what the best posterior of the image gains over the encoder's",
    "complexity": "negative log-likelihood less the length of the image compressed",
}
"""Every score and what it is."""

PASSES = 8
"""Codes an image of models whose posterior is no Gaussian of a known density."""

STEP = 24
"""Of the role `metric`: the noise of those passes."""


class Scored(Protocol):
    """What is asked of a model."""

    def __call__(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One pass with a sampled code."""

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [B, D]."""

    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, H, W]."""


def outlier_scores(
    model: Scored,
    images: Tensor | NDArray[Any],
    condition: Tensor | NDArray[Any] | None = None,
    *,
    posterior: bool = True,
    bound: bool = True,
    importance_samples: int = 100,
    regret_steps: int = 50,
    regret_draws: int = 16,
    seed: int = 0,
    batch_size: int = 256,
) -> dict[str, Values]:
    """Score images by how foreign a model finds them.

    Args:
        model: in evaluation mode, with Bernoulli logits for every pixel and prior N(0, I).
        images: [N, C, H, W], or [N, H, W] of one channel, in [0, 1], or bytes.
        condition: [N, Y] that a conditional model is told; none when left out.
        posterior: whether `encode` gives the Gaussian q(z | x) that codes are drawn from. If not, `nll` and `regret`
            are left out, and the others come of forward passes, with the KL that they say.
        bound: whether reconstruction and KL bound log p(x); if not, `reconstruction` alone is there, and `kl` where
            there is a posterior.
        importance_samples: behind `nll`, `elbo` and `reconstruction`.
        regret_steps: of the optimiser; 0 leaves `regret` out.
        regret_draws: codes an image that each of them is fitted to, an even number: at least; 2 D where that is more.
        seed: of all draws.
        batch_size: images or codes in one pass; changes no number beyond rounding.

    Returns:
        Score to its values [N] in nats; in all of them higher is more foreign. Keys are among `SCORES`, in that order.

    Raises:
        BadInput: images or conditions that the model does not take; values that are no pixels.
        ValueError: numbers out of range, or an encoder that answers with numbers that are none.

    Reference:
        Xiao et al. 2020 (regret); Serra et al. 2020 (complexity); Nalisnick et al. 2019, "Do Deep Generative Models
        Know What They Don't Know?" (why the likelihood alone misleads).
    """
    images, told = _taken(model, images, condition)
    if posterior:
        found = _gaussian(model, images, told, importance_samples, seed, batch_size)
    else:
        found = _by_passes(model, images, told, seed, batch_size)
    if not bound:
        kept = ("kl", "reconstruction") if posterior else ("reconstruction",)
        return {name: found[name] for name in kept}
    found["elbo"] = found["reconstruction"] + found["kl"]
    found["complexity"] = found.get("nll", found["elbo"]) - complexity_nats(images, seed=seed)
    if posterior and regret_steps:
        found["regret"] = likelihood_regret(
            bernoulli_likelihood(_decoder(model, told), images),
            *_encoded(model, images, told, batch_size),
            steps=regret_steps,
            draws=regret_draws,
            seed=seed,
            batch_size=batch_size,
        ).rows_nats
    return {name: found[name] for name in SCORES if name in found}


def _taken(
    model: Scored, images: Tensor | NDArray[Any], condition: Tensor | NDArray[Any] | None
) -> tuple[Tensor, Tensor]:
    """Images and what is told of each as the model takes them, or `BadInput` where it does not."""
    pixels = as_images(images)
    if isinstance(model, nn.Module) and (parameter := next(model.parameters(), None)) is not None:
        pixels = pixels.to(parameter)
    told = pixels.new_zeros(len(pixels), 0) if condition is None else torch.as_tensor(condition).to(pixels)
    if told.ndim != 2 or len(told) != len(pixels):
        raise BadInput(
            f"condition must be [N, Y] with a row for each of the {len(pixels)} images, got {list(told.shape)}"
        )
    refusal = f"the model does not take images {list(pixels.shape[1:])} told {told.shape[1]} numbers each"
    try:
        with torch.no_grad():
            made = model.decode(model.encode(pixels[:1], told[:1])[0], told[:1])
    except (RuntimeError, ValueError) as error:
        raise BadInput(f"{refusal}: {str(error).splitlines()[0]}") from error
    if made.shape[1:] != pixels.shape[1:]:
        raise BadInput(f"{refusal}: it draws images {list(made.shape[1:])}")
    return pixels, told


def _gaussian(
    model: Scored, images: Tensor, told: Tensor, samples: int, seed: int, batch_size: int
) -> dict[str, Values]:
    """Scores from weighted draws of Gaussian posteriors."""
    mean, logvar = _encoded(model, images, told, batch_size)
    drawn = draw_importance_samples(
        bernoulli_likelihood(_decoder(model, told), images),
        mean,
        logvar,
        samples=samples,
        seed=seed,
        batch_size=batch_size,
    )
    terms = elbo_terms(drawn.log_likelihoods, mean, logvar)
    return {
        "nll": -importance_weighted_bound(drawn.log_weights).rows_nats,
        "kl": terms.rows_kl_nats,
        "reconstruction": terms.rows_reconstruction_nats,
    }


@torch.no_grad()
def _by_passes(model: Scored, images: Tensor, told: Tensor, seed: int, batch_size: int) -> dict[str, Values]:
    """Reconstruction and KL [N], means over forward passes."""
    width = _encoded(model, images[:1], told[:1], 1)[0].shape[1]
    noise = normal([seed], "metric", [STEP], PASSES * len(images) * width)[0, 0].reshape(-1, PASSES, width)
    parts = []
    for some, some_told, some_noise in zip(
        images.split(batch_size), told.split(batch_size), noise.to(images).split(batch_size), strict=True
    ):
        passes = [model(some, some_told, some_noise[:, number]) for number in range(PASSES)]
        parts.append(torch.stack([torch.stack(terms_of(outcome)) for outcome in passes]).mean(dim=0))
    reconstruction, kl = torch.cat(parts, dim=1).double().cpu().numpy()
    return {"kl": kl, "reconstruction": reconstruction}


def terms_of(outcome: ForwardPass) -> tuple[Tensor, Tensor]:
    """-log p(x | z) and KL of each image of a pass, [B] in nats."""
    kl = outcome.extra.get(KL_NATS, gaussian_kl(outcome.mean, outcome.logvar))
    return bernoulli_errors(outcome.images, outcome.logits), kl.sum(dim=1)


@torch.no_grad()
def _encoded(model: Scored, images: Tensor, told: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Mean and log-variance [N, D]."""
    pairs = zip(images.split(batch_size), told.split(batch_size), strict=True)
    mean, logvar = (
        torch.cat(part) for part in zip(*(model.encode(some, t) for some, t in pairs), strict=True)
    )
    return mean, logvar


def _decoder(model: Scored, told: Tensor) -> Decoder:
    """Codes and rows to logits, each row told its condition [N, Y]."""

    def decoder(codes: Tensor, rows: Tensor) -> Tensor:
        return model.decode(codes, told[rows])

    return decoder
