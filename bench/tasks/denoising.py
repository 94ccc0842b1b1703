"""Spoilt images and what a trained model makes of them, beside a classical filter and the spoilt images themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from disbench.metrics import Score

from ..bad_input import BadInput
from ..denoising import CORRUPTIONS, best_filter, corrupted, filtered, mean_squared_error, psnr
from ..models import Model
from .task import Subject, Task

LEVELS = (0.1, 0.25, 0.5)

MENDED = {
    "denoised": "the model's reconstruction from the posterior mean",
    "filtered": "a classical filter, chosen and tuned on other images",
    "noisy": "the spoilt image as it is",
}
"""Who is compared, and the part of the column's name that says so."""

KINDS = {
    "gaussian": "Gaussian noise",
    "salt_and_pepper": "salt-and-pepper noise",
    "masking": "masking noise",
}


def scores() -> Iterator[Score]:
    """Every column, noise by noise."""
    yield Score("denoising_levels", None, "", "levels of noise behind the curves", "curve")
    yield Score("psnr_reconstructed", "higher", "dB", "PSNR of the model's reconstruction of clean images")
    for kind, noise in KINDS.items():
        for who, meaning in MENDED.items():
            yield Score(
                f"psnr_{who}_{kind}", "higher", "dB", f"PSNR of {meaning}; {noise}, mean over levels",
                may_be_infinite=True,
            )  # fmt: skip
            yield Score(f"mse_{who}_{kind}", "lower", "", f"mean squared error of {meaning}; {noise}")
            yield Score(f"psnr_{who}_{kind}_curve", "higher", "dB", f"PSNR of {meaning}; {noise}", "curve")


def measure_denoising(
    subject: Subject, *, images: int, training_images: int, levels: Sequence[float], noises: Sequence[str]
) -> Mapping[str, Any]:
    """PSNR and mean squared error against clean images, over noises and their levels.

    Every model of a seed is asked about the same images, held out of its training or not.

    Args:
        subject: the model and its evaluated images.
        images: spoilt and mended, at most.
        training_images: other evaluated images, on which the filter is chosen, at most; none of them is scored.
        levels: deviations of Gaussian noise, shares of values of the others, in 0 .. 1.
        noises: of `CORRUPTIONS`.

    Returns:
        Columns to values: decibels and squared errors as means over levels, and the curves over levels.

    Raises:
        BadInput: no level, an unknown noise, or a level that it does not take.
    """
    if not levels:
        raise BadInput("denoising: levels should name one level or more, got none")
    order = torch.tensor(list(dict.fromkeys(subject.indices.flip(0).tolist())))  # those that test come first
    if len(order) < 2:
        raise BadInput("denoising: needs two images or more, one to choose the filter on")
    asked = order[: min(images, len(order) - 1)].to(subject.data.device)
    known = order[len(asked) :][:training_images].to(subject.data.device)
    clean, examples = subject.data.images(asked), subject.data.images(known)
    told = subject.told(asked, subject.data.factors(asked))
    truth, seed = clean.cpu(), subject.run.seed
    again = mean_squared_error(denoised(subject.model, clean, told).cpu(), truth)
    found: dict[str, Any] = {
        "denoising_levels": [float(level) for level in levels],
        "psnr_reconstructed": psnr(again),
    }
    for kind in noises:
        errors: dict[str, list[float]] = {who: [] for who in MENDED}
        for level in levels:
            noisy = corrupted(clean, asked, kind, float(level), seed)
            suited = best_filter(corrupted(examples, known, kind, float(level), seed), examples)
            mended = {
                "denoised": denoised(subject.model, noisy, told).cpu(),
                "filtered": filtered(noisy, suited),
                "noisy": noisy.cpu(),
            }
            for who, made in mended.items():
                errors[who].append(mean_squared_error(made, truth))
        for who, squared in errors.items():
            ratios = [psnr(error) for error in squared]
            found[f"psnr_{who}_{kind}"] = sum(ratios) / len(ratios)
            found[f"mse_{who}_{kind}"] = sum(squared) / len(squared)
            found[f"psnr_{who}_{kind}_curve"] = ratios
    return found


def denoised(model: Model, noisy: Tensor, told: Tensor, at_once: int = 128) -> Tensor:
    """Means of p(x | z) at the mean of q(z | noisy image), [N, C, H, W] in [0, 1]."""
    parts = []
    for some, some_told in zip(noisy.split(at_once), told.split(at_once), strict=True):
        mean, _ = model.encode(some, some_told)
        parts.append(model.decode(mean, some_told).sigmoid())
    return torch.cat(parts)


TASKS = {
    "denoising": Task(
        scores=tuple(scores()),
        measure=measure_denoising,
        options={"images": 200, "training_images": 100, "levels": LEVELS, "noises": tuple(CORRUPTIONS)},
    )
}
