"""Log p(x) of trained models: what `[evaluation.likelihood]` of a study asks for, and the columns that it makes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from disbench.datasets import DataSet
from disbench.metrics import Score
from disbench.metrics.likelihood import (
    Annealing,
    MeasuredLikelihood,
    bernoulli_likelihood,
    measure_likelihood,
    simulated_bernoulli,
)
from disbench.metrics.likelihood.density import Density

from .catalogue import OBJECTIVES
from .models import Model
from .randomness import integers
from .run import Run
from .run_model import Conditioning
from .strict import Strict

DECODED_AT_ONCE = {"cpu": 256, "cuda": 4096}
"""Codes in one pass through the decoder and back, by kind of device. Changes no number beyond rounding."""

MARGINAL_LIKELIHOOD_SCORES = (
    Score("elbo_same_images_nats", "higher", "nats", "ELBO of the images that log p(x) is estimated of"),
    Score("iwae_nats", "higher", "nats", "importance-weighted bound on log p(x), mean over images"),
    Score("iwae_error_nats", None, "nats", "its standard error over images"),
    Score("iwae_sampling_error_nats", None, "nats", "its standard error from sampling, for these images"),
    Score(
        "iwae_gain_nats", "lower", "nats", "what the last part of its curve gained; near 0 where converged"
    ),
    Score("iwae_effective_share", "higher", "", "effective importance samples over all, mean over images"),
    Score("iwae_heavy_tail_share", "lower", "", "images whose weights have too heavy a tail (Pareto k)"),
    Score("inference_gap_nats", "lower", "nats", "importance-weighted bound less ELBO, the same images"),
    Score("iwae_curve_samples", None, "units", "numbers of importance samples of the curve", "curve"),
    Score("iwae_curve_nats", "higher", "nats", "importance-weighted bound at each of them", "curve"),
    Score("iwae_curve_error_nats", None, "nats", "standard error of each from sampling", "curve"),
    Score("ais_nats", "higher", "nats", "log p(x) by annealed importance sampling, mean over images"),
    Score("ais_error_nats", None, "nats", "its standard error over images"),
    Score("ais_sampling_error_nats", None, "nats", "its standard error from sampling, for these images"),
    Score(
        "ais_gain_nats", "lower", "nats", "what the second half of the steps gained; near 0 where converged"
    ),
    Score("ais_acceptance", None, "", "Hamiltonian proposals accepted; aimed at 0.65"),
    Score("ais_curve_steps", None, "units", "numbers of annealing steps of the curves", "curve"),
    Score("ais_curve_nats", "higher", "nats", "annealed importance sampling at each of them", "curve"),
    Score("ais_curve_error_nats", None, "nats", "standard error of each from sampling", "curve"),
    Score("bdmc_gap_nats", "lower", "nats", "between bounds from both sides, images of the model's own"),
    Score("bdmc_gap_error_nats", None, "nats", "its standard error over these images"),
    Score("bdmc_lower_curve_nats", None, "nats", "bound from below at each number of steps", "curve"),
    Score("bdmc_upper_curve_nats", None, "nats", "bound from above at each number of steps", "curve"),
)
"""Of studies that ask for them; empty for others."""


class LikelihoodSettings(Strict):
    """The table `[evaluation.likelihood]` of a study: how log p(x) of finished models is estimated."""

    images: Annotated[int, Field(ge=2)] = 100
    """Drawn from the data set without replacement, by the run's seed."""
    importance_samples: Annotated[int, Field(ge=25)] = 1_000
    """An image."""
    ais_steps: Annotated[int, Field(ge=0)] = 200
    """Densities between prior and joint; 0 leaves annealing out."""
    ais_chains: Annotated[int, Field(ge=2)] = 8
    """An image."""
    ais_leapfrogs: Annotated[int, Field(ge=1)] = 2
    """Gradients of the decoder a step."""
    ais_start: Literal["prior", "posterior"] = "prior"
    """Where chains start: posterior is the encoder's."""
    simulated_images: Annotated[int, Field(ge=0)] = 20
    """Made by the model and bounded from both sides; 0 leaves that out."""


def likelihood_scores(run: Run, model: Model, data: DataSet) -> dict[str, Any]:
    """Result columns of a run that asks for them; none of one that does not."""
    if run.evaluation.likelihood is None or OBJECTIVES[run.objective].codes == "points":
        return {}
    settings = LikelihoodSettings.model_validate(dict(run.evaluation.likelihood))
    return as_columns(likelihood_of(run, model, data, settings))


def likelihood_of(run: Run, model: Model, data: DataSet, settings: LikelihoodSettings) -> MeasuredLikelihood:
    """Bound, annealing and sandwich of a trained model, of log p(x | y) if it is conditional.

    Args:
        run: whose model it is; its seed draws images and everything else.
        model: with its weights, on the data set's device.
        data: whose images are scored.
        settings: how many images, samples, steps, ...
    """
    tells = Conditioning.of(run).evaluation(data)
    chosen = scored_images(run.seed, len(data), settings.images).to(data.device)
    images, told = data.images(chosen), tells(chosen, data.factors(chosen))
    at_once = DECODED_AT_ONCE.get(data.device.type, DECODED_AT_ONCE["cpu"])
    made_told = told[torch.arange(settings.simulated_images, device=told.device) % len(told)]

    def simulate(codes: Tensor) -> tuple[Density, Tensor, Tensor]:
        made = simulated_bernoulli(decoder_of(model, made_told), codes, seed=run.seed, batch_size=at_once)
        return (
            bernoulli_likelihood(decoder_of(model, made_told), made),
            *encoded(model, made, made_told, at_once),
        )

    annealing = Annealing(
        steps=max(1, settings.ais_steps), chains=settings.ais_chains, leapfrogs=settings.ais_leapfrogs
    )
    return measure_likelihood(
        bernoulli_likelihood(decoder_of(model, told), images),
        *encoded(model, images, told, at_once),
        importance_samples=settings.importance_samples,
        annealing=annealing if settings.ais_steps else None,
        start=settings.ais_start,
        simulate=simulate if settings.simulated_images else None,
        simulated_rows=settings.simulated_images or None,
        seed=run.seed,
        batch_size=at_once,
    )


def scored_images(seed: int, size: int, count: int) -> Tensor:
    """Which images log p(x) is estimated of, [count], each once; all where there are no more."""
    order = integers([seed], "metric", [2], size, below=2**31)[0, 0].argsort(stable=True)
    return order[:count]


def as_columns(found: MeasuredLikelihood) -> dict[str, Any]:
    """What was measured by result column; what was not has none."""
    bound = found.importance
    columns: dict[str, Any] = {
        "elbo_same_images_nats": found.elbo.elbo_nats,
        "iwae_nats": bound.last.nats,
        "iwae_error_nats": bound.last.error_nats,
        "iwae_sampling_error_nats": bound.last.sampling_error_nats,
        "iwae_gain_nats": bound.gain_nats,
        "iwae_effective_share": found.effective_share,
        "iwae_heavy_tail_share": found.heavy_tailed_share,
        "inference_gap_nats": found.inference_gap_nats,
        "iwae_curve_samples": [float(samples) for samples in bound.efforts],
        "iwae_curve_nats": bound.nats.tolist(),
        "iwae_curve_error_nats": bound.sampling_error_nats.tolist(),
    }
    if found.annealing is not None:
        columns |= {
            "ais_nats": found.annealing.last.nats,
            "ais_error_nats": found.annealing.last.error_nats,
            "ais_sampling_error_nats": found.annealing.last.sampling_error_nats,
            "ais_gain_nats": found.annealing.gain_nats,
            "ais_acceptance": found.acceptance,
            "ais_curve_steps": [float(steps) for steps in found.annealing.efforts],
            "ais_curve_nats": found.annealing.nats.tolist(),
            "ais_curve_error_nats": found.annealing.sampling_error_nats.tolist(),
        }
    if found.sandwich is not None:
        columns |= {
            "bdmc_gap_nats": float(found.sandwich.gap_nats[-1]),
            "bdmc_gap_error_nats": float(found.sandwich.gap_error_nats[-1]),
            "bdmc_lower_curve_nats": found.sandwich.lower.nats.tolist(),
            "bdmc_upper_curve_nats": found.sandwich.upper.nats.tolist(),
        }
    return columns


@torch.no_grad()
def encoded(model: Model, images: Tensor, told: Tensor, at_once: int) -> tuple[Tensor, Tensor]:
    """Mean and log-variance [N, D] of q(z | x, y)."""
    parts = [
        model.encode(some, some_told)
        for some, some_told in zip(images.split(at_once), told.split(at_once), strict=True)
    ]
    mean, logvar = (torch.cat(part) for part in zip(*parts, strict=True))
    return mean, logvar


def decoder_of(model: Model, told: Tensor) -> Density:
    """Codes and rows to logits, each row told its condition [N, Y]."""

    def decoder(codes: Tensor, rows: Tensor) -> Tensor:
        return model.decode(codes, told[rows])

    return decoder
