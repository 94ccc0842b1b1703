"""Annealed importance sampling: log p(x) by a chain from a Gaussian to the joint density, and back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..arrays import require_at_least
from .bridge import Bridge, Place
from .density import Density, joint, require_gaussians, standard_normal
from .estimate import Convergence, LogLikelihood, require_ascending
from .row_noise import RowNoise, require_seed
from .weights import effective_sample_size, log_mean, log_mean_error

Schedule: TypeAlias = Literal["sigmoid", "linear"]

STEEPNESS = 4.0
"""Of the sigmoid: its argument goes from -4 to 4."""

TARGET = 0.65
"""Share of proposals to accept: where Hamiltonian Monte Carlo is most efficient in many dimensions (Neal 2011)."""

PILOT_CHAINS = 4
"""A row, whose acceptance moves the row's step length."""

FIRST_STEP, GAIN = 0.5, 0.5
"""Of the pilot: its first step length, and by how much the logarithm moves for a missed share of 1."""

JITTER = 0.2
"""Step lengths vary by this share at random, so that no trajectory comes back to where it began."""


@dataclass(frozen=True)
class Annealing:
    """How annealed importance sampling is carried out; every field changes the numbers."""

    steps: int = 1_000
    """T: densities between start and joint."""
    chains: int = 16
    """A row."""
    leapfrogs: int = 2
    """Gradients a transition. For as many gradients in all, more steps of fewer came closer (see the docs)."""
    schedule: Schedule = "sigmoid"
    """How beta goes from 0 to 1: slowly at both ends, or at one speed."""
    pilot_steps: int = 100
    """Densities at which step lengths are tried before; more where the schedule is longer change little."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "chains", "leapfrogs"):
            require_at_least(name, getattr(self, name), 1)
        require_at_least("pilot_steps", self.pilot_steps, 2)
        require_seed(self.seed)
        if self.schedule not in ("sigmoid", "linear"):
            raise ValueError(f'schedule: expected "sigmoid" or "linear", got {self.schedule!r}')

    def betas(self, steps: int | None = None) -> NDArray[np.float64]:
        """The inverse temperatures [steps + 1], from 0 to 1."""
        share = np.linspace(0.0, 1.0, (self.steps if steps is None else steps) + 1)
        if self.schedule == "linear":
            return share
        curve = np.tanh(0.5 * STEEPNESS * (2.0 * share - 1.0))  # a sigmoid, centred
        betas: NDArray[np.float64] = (curve - curve[0]) / (curve[-1] - curve[0])
        return betas


@dataclass(frozen=True)
class AnnealedLikelihood(LogLikelihood):
    """What annealing says of log p(x), and how the chains fared."""

    log_weights: NDArray[np.float64]
    """[N, chains]; the mean weight is unbiased for p(x), or for 1 / p(x) of chains that run back."""
    acceptance: NDArray[np.float64]
    """[N], share of proposals accepted; near 0.65 where the pilot's step lengths fit."""

    @property
    def effective_chains(self) -> NDArray[np.float64]:
        """[N], 1 .. chains: near 1 the estimate rests on a single chain."""
        return effective_sample_size(self.log_weights)


def annealed_importance_sampling(
    log_likelihood: Density,
    mean: Tensor,
    logvar: Tensor,
    *,
    log_prior: Density = standard_normal,
    annealing: Annealing | None = None,
    batch_size: int = 1_024,
) -> AnnealedLikelihood:
    """Estimate log p(x) by chains led from a Gaussian to p(x, z), row by row: a stochastic lower bound.

    Chain c starts at z_0 ~ q and passes f_1, ..., f_T on the geometric path from q to p(x, z): its weight takes in
    (beta_t - beta_{t-1}) (log p(x, z) - log q(z)) and a Hamiltonian Monte Carlo transition that keeps f_t follows. The
    mean weight is unbiased for p(x), so its logarithm is below log p(x) in expectation, and above it by more than b
    nats with a probability below e^-b. It reaches the truth as steps grow, with any number of chains.

    Step lengths are found, row by row and along the path, by chains of a pilot run, and are then held. Lengths that
    adapt within the run, as elsewhere, follow a chain's own past: such transitions keep no density exactly, and the
    mean weight is no longer unbiased.

    Args:
        log_likelihood: (codes [B, D], rows [B]) to log p(x_row | z) [B] in nats, differentiable in codes, on the
            device of `mean`.
        mean: [N, D] of the Gaussian to start from: zeros for a prior N(0, I), which asks nothing of the encoder; or of
            the encoder's q(z | x), which is close to the end already and needs fewer steps, but like importance
            sampling sees no mode far from it.
        logvar: [N, D], logarithms of its variances; zeros for the prior.
        log_prior: (codes, rows) to log p(z) [B], normalised; N(0, I) when left out.
        annealing: steps, chains, seed, ...
        batch_size: codes decoded at once, and chains in memory at once; changes no number beyond rounding.

    Returns:
        log p(x) by row with its error over chains by the delta method, which reads low where few chains are effective.

    Raises:
        ValueError: tensors that do not fit; densities that return something else than one number a code, have no
            gradient, or are not finite where a chain starts.

    Reference:
        Neal 2001, "Annealed importance sampling"; Wu et al. 2017, "On the Quantitative Analysis of Decoder-Based
        Generative Models" (of decoders, from the prior).
    """
    plan = annealing or Annealing()
    blocks = _blocks(log_likelihood, log_prior, mean, logvar, plan, batch_size)
    return _joined([chains.forward(plan.steps, chains.pilot()) for chains in blocks], sign=1.0)


def annealing_curve(
    log_likelihood: Density,
    mean: Tensor,
    logvar: Tensor,
    *,
    steps: Sequence[int],
    log_prior: Density = standard_normal,
    annealing: Annealing | None = None,
    batch_size: int = 1_024,
) -> Convergence[AnnealedLikelihood]:
    """Annealed importance sampling at each of several numbers of steps: flat where more change nothing.

    Args:
        log_likelihood: as of `annealed_importance_sampling`, as are `mean`, `logvar`, `log_prior` and `batch_size`.
        mean: [N, D].
        logvar: [N, D].
        steps: the T, ascending; each is a run of its own, with its own chains, after one pilot for all.
        log_prior: (codes, rows) to log p(z).
        annealing: chains, seed, ...; its `steps` are not used.
        batch_size: codes decoded at once.

    Returns:
        An `AnnealedLikelihood` at each T: a lower bound that rises with T in expectation.

    Raises:
        ValueError: as of `annealed_importance_sampling`, or steps that do not ascend from 1.
    """
    plan, ladder = annealing or Annealing(), require_ascending("steps", steps)
    parts: list[list[_Run]] = [[] for _ in ladder]
    for chains in _blocks(log_likelihood, log_prior, mean, logvar, plan, batch_size):
        lengths = chains.pilot()
        for part, count in zip(parts, ladder, strict=True):
            part.append(chains.forward(count, lengths))
    return Convergence("annealing steps", ladder, tuple(_joined(part, sign=1.0) for part in parts))


@dataclass(frozen=True)
class Sandwich:
    """Log p(x) of simulated rows between two bounds, at each of several numbers of steps."""

    lower: Convergence[AnnealedLikelihood]
    """Chains led from the Gaussian to the joint density: below log p(x) in expectation."""
    upper: Convergence[AnnealedLikelihood]
    """Chains led back from the codes that made x: above log p(x) in expectation."""

    @property
    def gap_nats(self) -> NDArray[np.float64]:
        """[P], upper less lower bound, mean over rows: no estimate of these is further off, in expectation."""
        return self.upper.nats - self.lower.nats

    @property
    def gap_error_nats(self) -> NDArray[np.float64]:
        """[P], its standard error over rows; NaN for one row."""
        gaps = [
            above.rows_nats - below.rows_nats
            for above, below in zip(self.upper.estimates, self.lower.estimates, strict=True)
        ]
        rows = len(gaps[0])
        if rows < 2:
            return np.full(len(gaps), math.nan)
        return np.array([gap.std(ddof=1) / math.sqrt(rows) for gap in gaps])


def bidirectional_monte_carlo(
    log_likelihood: Density,
    codes: Tensor,
    mean: Tensor,
    logvar: Tensor,
    *,
    steps: Sequence[int],
    log_prior: Density = standard_normal,
    annealing: Annealing | None = None,
    batch_size: int = 1_024,
) -> Sandwich:
    """Bound log p(x) from below and from above, for rows that the model itself made: how far off annealing is.

    A code z ~ p(z) and x ~ p(x | z) make z an exact draw of p(z | x). Chains that start there and run the path
    backwards have weights whose mean is unbiased for 1 / p(x), so that minus its logarithm is above log p(x) in
    expectation. On real x there is no such draw: the gap on simulated rows is what annealing with these settings may
    miss on real ones, as far as the model's own samples are like them.

    Args:
        log_likelihood: (codes [B, D], rows [B]) to log p(x_row | z) [B] of the simulated rows.
        codes: [N, D], the codes that made them, drawn from the prior.
        mean: [N, D] of the Gaussian at the start, as of `annealed_importance_sampling`.
        logvar: [N, D].
        steps: the numbers of steps, ascending.
        log_prior: (codes, rows) to log p(z) [B]; N(0, I) when left out.
        annealing: chains, seed, ...; its `steps` are not used.
        batch_size: codes decoded at once.

    Returns:
        Both bounds at each number of steps.

    Raises:
        ValueError: as of `annealed_importance_sampling`, or codes of another shape than `mean`.

    Reference:
        Grosse et al. 2015, "Sandwiching the marginal likelihood using bidirectional Monte Carlo".
    """
    plan, ladder = annealing or Annealing(), require_ascending("steps", steps)
    if codes.shape != mean.shape:
        raise ValueError(f"codes: expected the shape of mean, {list(mean.shape)}, got {list(codes.shape)}")
    lower: list[list[_Run]] = [[] for _ in ladder]
    upper: list[list[_Run]] = [[] for _ in ladder]
    for chains in _blocks(log_likelihood, log_prior, mean, logvar, plan, batch_size):
        lengths = chains.pilot()
        for below, above, count in zip(lower, upper, ladder, strict=True):
            below.append(chains.forward(count, lengths))
            above.append(chains.reverse(count, lengths, codes))
    return Sandwich(
        Convergence("annealing steps", ladder, tuple(_joined(part, sign=1.0) for part in lower)),
        Convergence("annealing steps", ladder, tuple(_joined(part, sign=-1.0) for part in upper)),
    )


_Run: TypeAlias = tuple[Tensor, Tensor]
"""Log weights [n, chains], and acceptance [n]."""


def _blocks(
    log_likelihood: Density,
    log_prior: Density,
    mean: Tensor,
    logvar: Tensor,
    plan: Annealing,
    batch_size: int,
) -> Iterator[_Chains]:
    """The rows in parts whose chains fit into memory together."""
    require_gaussians(mean, logvar)
    at_once = require_at_least("batch_size", batch_size, 1)
    log_joint = joint(log_likelihood, log_prior)
    for rows in torch.arange(len(mean), device=mean.device).split(max(1, at_once // plan.chains)):
        yield _Chains(plan, log_joint, rows, mean[rows], torch.exp(0.5 * logvar[rows]), at_once)


def _joined(parts: Sequence[_Run], sign: float) -> AnnealedLikelihood:
    log_weights, acceptance = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return AnnealedLikelihood(
        sign * log_mean(log_weights), log_mean_error(log_weights), log_weights, acceptance
    )


@dataclass(frozen=True)
class _Chains:
    """The chains of a part of the rows."""

    plan: Annealing
    log_joint: Density
    rows: Tensor
    """[n]."""
    mean: Tensor
    """[n, D]."""
    deviation: Tensor
    """[n, D]."""
    at_once: int

    def pilot(self) -> Tensor:
        """Logarithms of step lengths, [pilot_steps + 1, n], that meet the target along the schedule."""
        plan = self.plan
        bridge, noise = self._bridge(PILOT_CHAINS), self._noise("pilot", 0)
        place = bridge.place(self._start(noise, PILOT_CHAINS))
        length = torch.full((len(self.rows),), math.log(FIRST_STEP)).to(place.log_joint)
        lengths = [length]
        for beta in plan.betas(plan.pilot_steps)[1:]:
            place, accepted = self._move(bridge, place, float(beta), length, noise)
            length = length + GAIN * (accepted.unflatten(0, (-1, PILOT_CHAINS)).mean(dim=1) - TARGET)
            lengths.append(length)
        # Averaged around each point: a length that was found is one that the points before it should have had.
        reach = max(1, plan.pilot_steps // 20)
        padded = torch.stack([lengths[0]] * reach + lengths + [lengths[-1]] * reach)
        return padded.unfold(0, 2 * reach + 1, 1).mean(dim=2)

    def forward(self, steps: int, lengths: Tensor) -> _Run:
        """Led from the Gaussian to the joint density: log weights for p(x)."""
        noise = self._noise("forward", steps)
        return self._lead(
            self._start(noise, self.plan.chains), self.plan.betas(steps), _spread(lengths, steps), noise
        )

    def reverse(self, steps: int, lengths: Tensor, codes: Tensor) -> _Run:
        """Led from draws of the posterior [N, D] to the Gaussian: log weights for 1 / p(x)."""
        start = codes[self.rows].to(self.mean).repeat_interleave(self.plan.chains, dim=0)
        return self._lead(
            start,
            self.plan.betas(steps)[::-1],
            _spread(lengths, steps).flip(0),
            self._noise("reverse", steps),
        )

    def _lead(self, codes: Tensor, betas: NDArray[np.float64], lengths: Tensor, noise: RowNoise) -> _Run:
        """Weigh and move along the inverse temperatures; none moves at the last, after which nothing is weighed."""
        bridge, moves = self._bridge(self.plan.chains), len(betas) - 2
        place = bridge.place(codes)
        if not bool(torch.isfinite(place.log_joint).all()):
            row = int(bridge.rows[~torch.isfinite(place.log_joint)][0])
            raise ValueError(
                f"log_likelihood + log_prior: must be finite where chains start, is not for row {row}"
            )
        log_weights, share = torch.zeros_like(place.log_joint), torch.zeros_like(place.log_joint)
        for number, (beta, after) in enumerate(itertools.pairwise(betas)):
            log_weights += float(after - beta) * (place.log_joint - place.log_start)
            if number < moves:
                place, accepted = self._move(bridge, place, float(after), lengths[number + 1], noise)
                share += accepted / moves
        shape = (-1, self.plan.chains)
        acceptance = share.unflatten(0, shape).mean(dim=1)
        return log_weights.unflatten(0, shape), acceptance if moves else torch.full_like(acceptance, math.nan)

    def _move(
        self, bridge: Bridge, place: Place, beta: float, length: Tensor, noise: RowNoise
    ) -> tuple[Place, Tensor]:
        """A transition of every chain, with the row's step length [n], varied a little."""
        count = len(bridge.rows) // len(self.rows)
        momentum = noise.normal(count, self.mean.shape[1]).flatten(0, 1)
        varied, chance = noise.uniform(2, count).unbind(dim=1)
        step = length.exp()[:, None] * (1.0 + JITTER * (2.0 * varied - 1.0))
        return bridge.move(
            place,
            beta,
            step.flatten()[:, None].to(self.mean),
            self.plan.leapfrogs,
            momentum,
            chance.flatten(),
        )

    def _start(self, noise: RowNoise, count: int) -> Tensor:
        """Draws from each row's Gaussian, [n * count, D]."""
        drawn = noise.normal(count, self.mean.shape[1])
        return (self.mean[:, None] + self.deviation[:, None] * drawn).flatten(0, 1)

    def _noise(self, stream: str, effort: int) -> RowNoise:
        return RowNoise(self.plan.seed, stream, effort, self.rows.tolist(), self.mean)

    def _bridge(self, count: int) -> Bridge:
        """The path for `count` chains a row."""
        rows, mean, deviation = (
            table.repeat_interleave(count, dim=0) for table in (self.rows, self.mean, self.deviation)
        )
        return Bridge(self.log_joint, rows, mean, deviation, self.at_once)


def _spread(lengths: Tensor, steps: int) -> Tensor:
    """The pilot's table [P + 1, n] read at steps + 1 points of the schedule."""
    place = torch.linspace(0, len(lengths) - 1, steps + 1, dtype=lengths.dtype, device=lengths.device)
    below = place.floor().long().clamp(max=len(lengths) - 2)
    share = (place - below)[:, None]
    return (1.0 - share) * lengths[below] + share * lengths[below + 1]
