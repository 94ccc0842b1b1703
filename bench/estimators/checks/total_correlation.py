"""FactorVAE's discriminator on Gaussians whose total correlation is known: what its density ratio makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from ...models import initial_parameters
from ...objectives.factor_vae import DISCRIMINATOR, UNITS, discriminator
from ...objectives.setting import Network
from ...randomness import normal, uniform
from ...training_state import HELPER_ORDINAL

DIMENSIONS = 10
CORRELATIONS = (0.3, 0.6, 0.9)

LEARNING_RATE = 1e-4
"""Of FactorVAE's discriminator."""

BATCH_SIZE = 64
"""Of FactorVAE's training: as many codes again are permuted."""

CODES = 2_048
"""Behind each estimate; never trained on. Whole batches of them are permuted."""

POINTS = 5
"""Of the curve of a training."""

NODES = 100
"""Of the quadrature, in each of a pair's two dimensions."""


def pairs_total_correlation(correlation: float, dimensions: int = DIMENSIONS) -> float:
    """Of D / 2 independent pairs of standard normals of correlation rho: -D/4 log(1 - rho^2), in nats."""
    return -0.25 * dimensions * math.log1p(-(correlation**2))


def attainable_total_correlation(correlation: float, batch_size: int, dimensions: int = DIMENSIONS) -> float:
    """What the best of all discriminators reads where dimensions are permuted over a batch of B codes, in nats.

    Each dimension of a permuted code comes from one of the batch's B codes, so both of a pair come from the same one
    with probability 1/B: "permuted" pairs follow (1 - 1/B) q(z_1) q(z_2) + q(z_1, z_2) / B and not the product. The
    density ratio that is there to be learned is smaller; of large B it is that of the total correlation.

    Args:
        correlation: rho, in -1 .. 1 and inside it.
        batch_size: B, at least 1: a batch of one code is its own permutation.
        dimensions: D, even.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    # Sum and difference of a pair are independent, of variance 1 + rho and 1 - rho.
    added = nodes[:, None] * math.sqrt(1 + correlation)
    subtracted = nodes[None] * math.sqrt(1 - correlation)
    pairs = torch.from_numpy(np.stack((added + subtracted, added - subtracted), axis=2) / math.sqrt(2))
    values = learnable_log_ratios(pairs.flatten(0, 1), correlation, batch_size).numpy()
    return float(dimensions / 2 * values @ np.outer(weights, weights).ravel())


def learnable_log_ratios(codes: Tensor, correlation: float, batch_size: int) -> Tensor:
    """Log q(z) less the log density of codes permuted over a batch, of codes [B, D]: [B], in nats."""
    first, second = codes[:, 0::2], codes[:, 1::2]
    free = 1 - correlation**2
    exponents = correlation * first * second - 0.5 * correlation**2 * (first.square() + second.square())
    log_ratios = exponents / free - 0.5 * math.log(free)
    if batch_size == 1:
        return torch.zeros_like(log_ratios).sum(dim=1)
    mixture = torch.logaddexp(
        math.log1p(-1 / batch_size) - log_ratios, torch.full_like(log_ratios, -math.log(batch_size))
    )
    return -mixture.sum(dim=1)


def discriminator_check(
    correlations: Sequence[float],
    steps: int,
    seed: int,
    *,
    units: int = UNITS,
    learning_rate: float = LEARNING_RATE,
    dimensions: int = DIMENSIONS,
    batch_size: int = BATCH_SIZE,
    codes: int = CODES,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Train the discriminator on fresh Gaussian codes of each correlation, and read total correlation off its logits.

    Network, loss, Adam, initial weights and the permutation of each dimension over the batch are those of FactorVAE's
    training. Two things differ: codes come from a fixed Gaussian, and the learning rate falls to nothing along half a
    cosine, so that the last estimate is not that of one noisy step.

    Args:
        correlations: rho of the pairs (z_1, z_2), (z_3, z_4), ...; other pairs are independent.
        steps: updates, at least 1.
        seed: of weights, codes and permutations. All correlations see the same noise.
        units: of each of the network's six layers; a narrow network converges in the time that a wide one begins in.
        learning_rate: of the first step.
        dimensions: D, even.
        batch_size: codes a step.
        codes: behind each estimate, whole batches.
        say: called with a line after each correlation.

    Returns:
        A mapping for each correlation: what was trained, `codes` behind each estimate, `analytic_nats`,
        `attainable_nats` (see `attainable_total_correlation`), and `points` along training: `steps`; `nats`, the mean
        difference of the logits, with `standard_error_nats`; `error_nats`, its difference from the best
        discriminator's at the same codes, with `error_standard_error_nats`: the draw of codes is not in it; and
        `excess_loss_nats`, the cross entropy above the best discriminator's at the same codes.

    Reference:
        Kim and Mnih 2018, "Disentangling by Factorising", eq. 3 and algorithm 2.
    """
    found = []
    for correlation in correlations:
        draw = partial(_codes, correlation, dimensions, seed)
        test = draw("metric", 0, codes // batch_size * batch_size)
        batches = test.unflatten(0, (-1, batch_size))
        orders = [_order(seed, "metric", 1 + number, *batch.shape) for number, batch in enumerate(batches)]
        permuted = torch.cat([batch.gather(0, order) for batch, order in zip(batches, orders, strict=True)])
        best = [learnable_log_ratios(some.double(), correlation, batch_size) for some in (test, permuted)]

        with torch.device("meta"):
            module = discriminator(dimensions, units)
        stacked = initial_parameters(module, "glorot", [seed], torch.device("cpu"), first=HELPER_ORDINAL)
        weights = {name: value[0].requires_grad_() for name, value in stacked.items()}
        network: Network = partial(functional_call, module, weights)
        adam = torch.optim.Adam(weights.values(), lr=learning_rate, betas=DISCRIMINATOR.betas, fused=True)
        points = []
        ends = {round(steps * point / POINTS) for point in range(1, POINTS + 1)}
        for step in range(steps):
            adam.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            batch = draw("data", step, batch_size)
            order = _order(seed, "permute", step, *batch.shape)
            loss = DISCRIMINATOR.loss(network, batch, batch.gather(0, order))
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            if step + 1 in ends:
                with torch.no_grad():
                    learned = [_difference(network(some)) for some in (test, permuted)]
                points.append({"steps": step + 1, **_measured(learned, best)})
        found.append(
            {
                "correlation": correlation,
                "dimensions": dimensions,
                "units": units,
                "learning_rate": learning_rate,
                "batch_size": batch_size,
                "codes": len(test),
                "analytic_nats": pairs_total_correlation(correlation, dimensions),
                "attainable_nats": attainable_total_correlation(correlation, batch_size, dimensions),
                "points": points,
            }
        )
        say(f"discriminator at correlation {correlation:g}: {points[-1]['nats']:.3f} nats")
    return found


def _codes(correlation: float, dimensions: int, seed: int, role: str, step: int, count: int) -> Tensor:
    """Codes [count, D] of correlated pairs."""
    noise = normal([seed], role, [step], count * dimensions)[0, 0].view(count, dimensions)
    codes = noise.clone()
    codes[:, 1::2] = correlation * noise[:, 0::2] + math.sqrt(1 - correlation**2) * noise[:, 1::2]
    return codes


def _order(seed: int, role: str, step: int, count: int, dimensions: int) -> Tensor:
    """For each dimension a permutation of the batch [count, D], as training draws it."""
    chances = uniform([seed], role, [step], count * dimensions)[0, 0].view(count, dimensions)
    return chances.argsort(dim=0, stable=True)


def _difference(logits: Tensor) -> Tensor:
    """Log ratio of densities that two logits [B, 2] stand for: [B]."""
    return (logits[:, 0] - logits[:, 1]).double()


def _measured(learned: Sequence[Tensor], best: Sequence[Tensor]) -> dict[str, float]:
    """Estimate, its difference from the best one and the excess of cross entropy; of codes and of permuted ones."""
    ours, errors = learned[0], learned[0] - best[0]
    losses = [
        0.5 * (torch.nn.functional.softplus(-a) + torch.nn.functional.softplus(b)) for a, b in (learned, best)
    ]
    root = math.sqrt(len(ours))
    return {
        "nats": float(ours.mean()),
        "standard_error_nats": float(ours.std()) / root,
        "error_nats": float(errors.mean()),
        "error_standard_error_nats": float(errors.std()) / root,
        "excess_loss_nats": float((losses[0] - losses[1]).mean()),
    }
