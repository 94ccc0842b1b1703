"""Gaussian posteriors to decompose the KL of: made over a grid of factors, or read from a file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ..bad_input import BadInput

LATENTS = 10

DSPRITES = (3, 6, 40, 32, 32)
"""Classes of its factors: shape, scale, orientation, and the two positions."""


@dataclass(frozen=True)
class GaussianPosteriors:
    """q(z | x) of every image of a data set."""

    name: str
    meaning: str
    """One line."""
    mean: NDArray[np.float64]
    """[N, D]."""
    logvar: NDArray[np.float64]
    """[N, D]."""


def grid_posteriors(
    name: str, deviation: float, sizes: Sequence[int] = DSPRITES, seed: int = 0
) -> GaussianPosteriors:
    """Posteriors as a VAE over a full grid of five factors has them, six of their ten latents in use.

    Shape, scale and the positions lie on normal quantiles, so that each latent's aggregate is near the prior;
    orientation goes around a circle of two latents; the latents of scale and x are turned by 30 degrees, so that
    neither is a factor's. Widths vary by a quarter around `deviation`, from row to row and latent to latent; the
    other four latents are collapsed, their means within 0.03 of the prior's.

    Args:
        name: of the family.
        deviation: of the posteriors in use, typically.
        sizes: classes of the five factors.
        seed: of widths and of what is left in collapsed means.
    """
    random = np.random.Generator(np.random.Philox(seed))
    rows = prod(sizes)
    classes = np.stack(np.unravel_index(np.arange(rows), tuple(sizes)), axis=1)
    level = (classes + 0.5) / np.array(sizes)
    shape, scale, _, x, y = ndtri(level).T
    angle = 2 * np.pi * level[:, 2]
    turn = np.deg2rad(30)
    mean = 0.03 * random.standard_normal((rows, LATENTS))
    spread = np.sqrt(1 - deviation**2)
    mean[:, 0] = spread * shape
    mean[:, 1] = spread * (np.cos(turn) * scale - np.sin(turn) * x)
    mean[:, 2] = spread * (np.sin(turn) * scale + np.cos(turn) * x)
    mean[:, 3] = spread * y
    mean[:, 4], mean[:, 5] = spread * np.sqrt(2) * np.cos(angle), spread * np.sqrt(2) * np.sin(angle)
    logvar = np.full((rows, LATENTS), -0.001)
    logvar[:, :6] = 2 * (np.log(deviation) + 0.25 * random.standard_normal((rows, 6)))
    meaning = f"a grid of {rows:,} images, six latents in use with posteriors of deviation {deviation:g}"
    return GaussianPosteriors(name, meaning, mean, logvar)


def read_posteriors(path: Path) -> GaussianPosteriors:
    """The arrays `mean` and `logvar`, [N, D] each, of an .npz file; named after the file.

    Raises:
        BadInput: no such file, not an .npz file, an array is missing, has another shape, or is not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ("mean", "logvar") if name not in file.files]
            if missing:
                raise BadInput(
                    f"{path} has no array {missing[0]!r}; it has: {', '.join(file.files) or 'none'}"
                )
            mean, logvar = (file[name].astype(np.float64) for name in ("mean", "logvar"))
    except BadInput:
        raise
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{path} is not a readable .npz file of plain arrays: {why}") from error
    if mean.ndim != 2 or mean.shape != logvar.shape or 0 in mean.shape:
        raise BadInput(
            f"{path}: mean and logvar: expected [N, D] each, got {list(mean.shape)} and {list(logvar.shape)}"
        )
    if not (np.isfinite(mean).all() and np.isfinite(logvar).all()):
        raise BadInput(f"{path}: mean and logvar: every value must be finite")
    return GaussianPosteriors(
        path.stem, f"{len(mean):,} posteriors of {mean.shape[1]} latents, from {path.name}", mean, logvar
    )
