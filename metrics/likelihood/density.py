"""A model as a function of codes: log p(x | z) of rows, their prior, and both evaluated in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from ..kl_decomposition import log_gaussian
from .row_noise import RowNoise, require_seed

Density: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(codes [B, D], rows [B]) to log densities [B] in nats; `rows` says which of the N inputs each code is for, int64."""

Decoder: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(codes [B, D], rows [B]) to a decoder's output [B, ...]; only a conditional decoder looks at `rows`."""


def bernoulli_likelihood(decoder: Decoder, images: Tensor) -> Density:
    """Log p(x_n | z) of independent Bernoulli pixels.

    Args:
        decoder: codes [B, D] and rows [B] to logits [B, ...].
        images: [N, ...] in 0 .. 1, of the logits' shape. Grey pixels are scored by the cross-entropy
            x log p + (1 - x) log(1 - p), as all of the field does: not a normalised density, so that such numbers
            compare models with this likelihood and nothing else.

    Returns:
        A function of (codes, rows), sum over pixels, in nats.
    """

    def log_likelihood(codes: Tensor, rows: Tensor) -> Tensor:
        logits = decoder(codes, rows)
        # softplus(l) - x l is -log p of a pixel.
        return (images[rows] * logits - F.softplus(logits)).flatten(1).sum(dim=1)

    return log_likelihood


def gaussian_likelihood(decoder: Decoder, inputs: Tensor, deviation: float) -> Density:
    """Log p(x_n | z) of independent Gaussian values around the decoder's output.

    Args:
        decoder: codes [B, D] and rows [B] to means [B, ...].
        inputs: [N, ...] of the means' shape.
        deviation: standard deviation of every value, above 0.

    Returns:
        A function of (codes, rows), sum over values, in nats: a density, that may be positive.

    Raises:
        ValueError: a deviation that is not above 0.
    """
    if not deviation > 0:
        raise ValueError(f"deviation: expected a number above 0, got {deviation}")
    logvar = torch.full((), 2.0 * math.log(deviation)).to(inputs)

    def log_likelihood(codes: Tensor, rows: Tensor) -> Tensor:
        return log_gaussian(inputs[rows], decoder(codes, rows), logvar).flatten(1).sum(dim=1)

    return log_likelihood


def simulated_bernoulli(decoder: Decoder, codes: Tensor, *, seed: int = 0, batch_size: int = 1_024) -> Tensor:
    """Black-and-white images that a decoder makes of codes, one each.

    Args:
        decoder: codes [B, D] and rows [B] to logits [B, ...].
        codes: [N, D]; row n is code n.
        seed: of the pixels.
        batch_size: codes decoded at once; changes no number beyond rounding.

    Returns:
        [N, ...], 0 or 1, in the type of the logits.
    """
    images = []
    rows = torch.arange(len(codes), device=codes.device)
    with torch.no_grad():
        for some in rows.split(batch_size):
            shares = torch.sigmoid(decoder(codes[some], some))
            noise = RowNoise(require_seed(seed), "pixels", 0, some.tolist(), shares)
            images.append((noise.uniform(*shares.shape[1:]) < shares).to(shares.dtype))
    return torch.cat(images)


def standard_normal(codes: Tensor, rows: Tensor) -> Tensor:
    """Log N(z; 0, I) [B], the prior of a VAE."""
    return log_gaussian(codes, torch.zeros_like(codes), torch.zeros_like(codes)).sum(dim=1)


def values_of(density: Density, codes: Tensor, rows: Tensor, at_once: int, name: str) -> Tensor:
    """Log densities [B] in double precision, `at_once` of them in memory together; ValueError if they are not [B]."""
    with torch.no_grad():
        return torch.cat(
            [
                _checked(density(some, some_rows), len(some), name).double()
                for some, some_rows in zip(codes.split(at_once), rows.split(at_once), strict=True)
            ]
        )


def values_and_gradients(
    density: Density, codes: Tensor, rows: Tensor, at_once: int
) -> tuple[Tensor, Tensor]:
    """Log densities [B] in double precision and their gradients [B, D] with respect to codes, in the codes' type."""
    values, gradients = [], []
    for some, some_rows in zip(codes.split(at_once), rows.split(at_once), strict=True):
        with torch.enable_grad():
            leaf = some.detach().requires_grad_()
            value = density(leaf, some_rows)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        values.append(value.detach().double())
        gradients.append(gradient)
    return torch.cat(values), torch.cat(gradients)


def joint(log_likelihood: Density, log_prior: Density) -> Density:
    """Log p(x, z) of the two, differentiable; ValueError if one of them is not [B] or the first has no gradient."""

    def log_joint(codes: Tensor, rows: Tensor) -> Tensor:
        likelihood = _checked(log_likelihood(codes, rows), len(codes), "log_likelihood")
        if codes.requires_grad and not likelihood.requires_grad:
            raise ValueError("log_likelihood: must be differentiable in codes, got values without a gradient")
        return likelihood + _checked(log_prior(codes, rows), len(codes), "log_prior")

    return log_joint


def require_gaussians(mean: Tensor, logvar: Tensor) -> None:
    """ValueError unless both are finite floating-point tensors [N, D] of one shape, type and device."""
    for name, tensor in (("mean", mean), ("logvar", logvar)):
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            got = f"dtype {tensor.dtype}" if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(f"{name}: expected a tensor of floats [N, D], got {got}")
        if tensor.ndim != 2 or 0 in tensor.shape:
            raise ValueError(f"{name}: expected shape [N, D] with N, D >= 1, got {list(tensor.shape)}")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name}: every value must be finite")
    if mean.shape != logvar.shape or mean.dtype != logvar.dtype or mean.device != logvar.device:
        raise ValueError(
            f"logvar: expected shape, type and device of mean, {list(mean.shape)} {mean.dtype} {mean.device},"
            f" got {list(logvar.shape)} {logvar.dtype} {logvar.device}"
        )


def _checked(values: Tensor, count: int, name: str) -> Tensor:
    if not isinstance(values, Tensor) or values.shape != (count,):
        got = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{name}: expected one log density a code, a tensor [{count}], got {got}")
    return values
