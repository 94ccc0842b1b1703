"""The KL term of a VAE, taken apart: index-code mutual information, total correlation, dimension-wise KL.

`gaussian_kl`, `log_gaussian` and `minibatch_log_densities` are tensor functions without data-dependent control
flow, in-place writes or random numbers: training objectives differentiate through them, also under
`torch.func.vmap` and `torch.func.grad`. `kl_decomposition` measures a trained model, from arrays or tensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .aggregate_posterior import LOG_2PI, aggregate_log_densities
from .arrays import Array, as_logvar, as_matrix, require_at_least


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z_j | x) || N(0, 1)) of a diagonal Gaussian posterior, in closed form.

    Args:
        mean: any shape, usually [N, D].
        logvar: the same shape; logarithm of the variance.

    Returns:
        The same shape, in nats, at least 0 (up to rounding, also near mean 0 and variance 1, where
        exp(v) - 1 - v cancels: it is taken as expm1(v) - v).

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes", appendix B.
    """
    return 0.5 * (mean.square() + torch.expm1(logvar) - logvar)


def log_gaussian(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Log density of N(mean, exp(logvar)) at z, element by element; the three shapes broadcast. In nats."""
    standardised = (z - mean) * torch.exp(-0.5 * logvar)
    return torch.addcmul(-0.5 * (logvar + LOG_2PI), standardised, standardised, value=-0.5)


def minibatch_log_densities(
    z: Tensor,
    mean: Tensor,
    logvar: Tensor,
    *,
    dataset_size: int,
    estimator: Literal["mws", "mss"] = "mws",
) -> tuple[Tensor, Tensor]:
    """Log q(z) and sum_j log q(z_j) of the aggregate posterior at each code of a batch, estimated from that batch.

    q(z) = 1/N sum_n q(z | x_n) over the N points of the data set; a batch holds M of them, z_i comes from x_i.

    "mws", minibatch weighted sampling: log sum_m q(z_i | x_m) - log(M N), for the joint and every marginal.
    Against the plain average over the batch, 1/M sum_m, every log density is lower by log N. So mutual
    information reads log N higher, total correlation (D - 1) log N higher and dimension-wise KL D log N lower
    than with that average. Code that drops the constants altogether (log sum_m q, as disentanglement_lib's
    beta-TCVAE does) reads a total correlation (D - 1) log(M N) below ours. Gradients agree in all three.

    "mss", minibatch stratified sampling: x_i is in the batch by construction and the other M - 1 points are a
    uniform draw without replacement from the other N - 1, so q(z_i | x_i) weighs 1/N and every other
    (N - 1) / (N (M - 1)). The weights of a row add up to 1, the density is unbiased,
    E[sum_m w_m q(z_i | x_m)] = q(z_i), and at M = N it is exact. Chen et al. weigh M - 2 of the others
    1/(M - 1) and one arbitrary point by what is left; averaged over which point that is, these are the equal
    weights used here: same expectation, less variance, no dependence on the order of rows. Public PyTorch
    copies put 1/N in the first column of the weight matrix instead of on its diagonal, or add the log weight
    in every dimension before the joint's sum, so that it counts D times.

    Args:
        z: [M, D], one posterior sample for each row.
        mean: [M, D] of q(z | x_m).
        logvar: [M, D].
        dataset_size: N.
        estimator: "mws" or "mss".

    Returns:
        log q(z) [M] and sum_j log q(z_j) [M], in nats.

    Raises:
        ValueError: unknown estimator; "mss" with fewer than two rows.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", appendices C.1 (MWS) and C.2 (MSS).
    """
    log_joint, log_marginals = _minibatch_log_densities(
        z, mean, logvar, dataset_size=dataset_size, estimator=estimator
    )
    return log_joint, log_marginals.sum(dim=0)


def _minibatch_log_densities(
    z: Tensor, mean: Tensor, logvar: Tensor, *, dataset_size: int, estimator: str
) -> tuple[Tensor, Tensor]:
    """Log q(z) [M] and log q(z_j) [D, M]."""
    rows = z.shape[0]
    densities = _pairwise_log_densities(z, mean, logvar)
    joint = densities.sum(dim=0)
    if estimator == "mws":
        constant = math.log(rows) + math.log(dataset_size)
        return _log_sum_exp(joint) - constant, _log_sum_exp(densities) - constant
    if estimator == "mss":
        if rows < 2 or dataset_size < 2:
            raise ValueError(
                f'"mss" needs a batch and a data set of two rows or more, got {rows} of {dataset_size}'
            )
        itself = -math.log(dataset_size)
        other = math.log(dataset_size - 1) - math.log(dataset_size) - math.log(rows - 1)
        log_weights = other + (itself - other) * torch.eye(rows, dtype=z.dtype, device=z.device)
        return _log_sum_exp(joint + log_weights), _log_sum_exp(densities + log_weights)
    raise ValueError(f'estimator: expected "mws" or "mss", got {estimator!r}')


def _pairwise_log_densities(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Log q(z_sj | x_n) of every code [S, D] under every posterior [N, D]: [D, S, N]."""
    return log_gaussian(z.T[:, :, None], mean.T[:, None, :], logvar.T[:, None, :])


def _log_sum_exp(values: Tensor) -> Tensor:
    """Over the last axis; a term more than 80 nats under the largest counts as exp(-80) of it.

    `torch.logsumexp` is ten times slower where exponentials underflow, as those of far posteriors do.
    """
    peak = values.amax(dim=-1, keepdim=True).detach()
    return (values - peak).clamp(min=-80.0).exp().sum(dim=-1).log() + peak.squeeze(-1)


@dataclass(frozen=True)
class KLDecomposition:
    """Averages over the selected rows, in nats; the first is the sum of the next three.

    Attributes:
        kl_nats: Monte Carlo estimate of E_x KL(q(z|x) || p(z)).
        mutual_information_nats: I_q(x; z), between the index of a point and its code.
        total_correlation_nats: KL(q(z) || prod_j q(z_j)).
        dimensionwise_kl_nats: sum_j KL(q(z_j) || p(z_j)).
        kl_per_dimension_nats: [D], closed form over all N rows: no sampling error.
        mutual_information_per_dimension_nats: [D], I_q(x; z_j).
        dimensionwise_kl_per_dimension_nats: [D], KL(q(z_j) || p(z_j)).
    """

    kl_nats: float
    mutual_information_nats: float
    total_correlation_nats: float
    dimensionwise_kl_nats: float
    kl_per_dimension_nats: NDArray[np.float64]
    mutual_information_per_dimension_nats: NDArray[np.float64]
    dimensionwise_kl_per_dimension_nats: NDArray[np.float64]


def kl_decomposition(
    mean: Array,
    logvar: Array,
    *,
    codes: Array | None = None,
    estimator: Literal["mixture", "mws", "mss"] = "mixture",
    dataset_size: int | None = None,
    samples: int = 2_000,
    batch_size: int = 64,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> KLDecomposition:
    """E_x KL(q(z|x) || N(0, I)) = I_q(x; z) + total correlation + dimension-wise KL, of Gaussian posteriors.

    `samples` rows are selected without replacement, each gives one code z ~ q(z | x_n), and the terms are the
    means of log q(z|x) - log q(z), log q(z) - sum_j log q(z_j) and sum_j (log q(z_j) - log p(z_j)): they add up
    to the Monte Carlo KL exactly. Estimators of the aggregate posterior q(z):

    "mixture": q(z) = 1/N sum_n q(z | x_n) over all N rows handed in, exact when they are the whole data set:
    what `aggregate_log_densities` leaves out of a sum is bounded by 1e-7 of it. Over the 737,280 rows of dSprites
    that is half a minute's work of one core, and memory for a few copies of the posteriors.
    I_q(x; z) <= log N for every draw. Rows that are a sample of a larger data set bound it by the logarithm
    of *their* number: where posteriors are narrow mutual information reads low, and total correlation high
    by nearly as much.

    "mws", "mss": selected rows in batches of `batch_size`, what training sees; see `minibatch_log_densities`.
    "mws" carries its constants: (D - 1) log N in total correlation, a mutual information that may exceed
    log N, a dimension-wise KL that may be negative. "mss" has none of these, but the logarithm of an
    unbiased density is biased downwards.

    Args:
        mean: [N, D] posterior means.
        logvar: [N, D] logarithms of posterior variances.
        codes: [N, D], one posterior sample for each row (not the mean), used instead of our own draw.
        estimator: "mixture", "mws" or "mss".
        dataset_size: N in the formulas of "mws" and "mss"; the number of rows handed in when left out.
        samples: rows to average over, at most N; the standard error falls with its square root.
        batch_size: M of "mws" and "mss", at most N; `samples` is rounded down to whole batches, to one at least.
        seed: selects rows and draws codes.
        dtype: of the exponentials of "mixture"; exponents are differences in float64, all sums over rows are float64.
            Against float64, float32 is off by less than 1e-6 nats, by 1e-5 where posteriors are narrower than 1e-5 of
            the spread of the means. "mws" and "mss" are float64 throughout.

    Returns:
        The terms, their sum, and the same by dimension; all in nats.

    Raises:
        ValueError: arrays of other shapes, unequal rows, NaN, infinite, or an unknown estimator.

    Reference:
        Hoffman and Johnson 2016, "ELBO surgery"; Chen et al. 2018, "Isolating Sources of Disentanglement in
        VAEs", eq. 2.
    """
    if estimator not in ("mixture", "mws", "mss"):
        raise ValueError(f'estimator: expected "mixture", "mws" or "mss", got {estimator!r}')
    device = mean.device if isinstance(mean, Tensor) else torch.device("cpu")
    means, logvars = as_matrix(mean, "mean"), as_logvar(logvar)
    if means.shape != logvars.shape:
        raise ValueError(
            f"logvar: expected the shape of mean, {list(means.shape)}, got {list(logvars.shape)}"
        )
    rows = len(means)
    samples = min(require_at_least("samples", samples, 1), rows)
    if estimator != "mixture":
        batch_size = min(require_at_least("batch_size", batch_size, 1), rows)
        samples = max(samples // batch_size, 1) * batch_size
    size = rows if dataset_size is None else require_at_least("dataset_size", dataset_size, 1)

    random = np.random.Generator(np.random.Philox(seed))
    selected = torch.from_numpy(random.permutation(rows)[:samples]).to(device)
    mu = torch.tensor(means).to(device)
    log_variance = torch.tensor(logvars).to(device)
    if codes is None:
        noise = torch.from_numpy(random.standard_normal((samples, means.shape[1]))).to(device)
        z = mu[selected] + torch.exp(0.5 * log_variance[selected]) * noise
    else:
        given = as_matrix(codes, "codes")
        if given.shape != means.shape:
            raise ValueError(
                f"codes: expected the shape of mean, {list(means.shape)}, got {list(given.shape)}"
            )
        z = torch.tensor(given).to(device)[selected]

    log_posteriors = log_gaussian(z, mu[selected], log_variance[selected])
    centre = mu.mean(dim=0)
    if estimator == "mixture":
        log_joint, log_marginals = _mixture_log_densities(
            z - centre, mu - centre, log_variance, log_posteriors.sum(dim=1), dtype
        )
    else:
        shifted, centred = z - centre, mu - centre
        batches = [
            _minibatch_log_densities(
                shifted[start : start + batch_size],
                centred[selected[start : start + batch_size]],
                log_variance[selected[start : start + batch_size]],
                dataset_size=size,
                estimator=estimator,
            )
            for start in range(0, samples, batch_size)
        ]
        log_joint = torch.cat([joint for joint, _ in batches])
        log_marginals = torch.cat([marginals for _, marginals in batches], dim=1)

    log_priors = log_gaussian(z, torch.zeros_like(z), torch.zeros_like(z))
    log_q, log_q_dimensions = log_joint.double(), log_marginals.T.double()
    return KLDecomposition(
        kl_nats=float((log_posteriors - log_priors).sum(dim=1).mean()),
        mutual_information_nats=float((log_posteriors.sum(dim=1) - log_q).mean()),
        total_correlation_nats=float((log_q - log_q_dimensions.sum(dim=1)).mean()),
        dimensionwise_kl_nats=float((log_q_dimensions - log_priors).sum(dim=1).mean()),
        kl_per_dimension_nats=gaussian_kl(mu, log_variance).mean(dim=0).cpu().numpy(),
        mutual_information_per_dimension_nats=(log_posteriors - log_q_dimensions).mean(dim=0).cpu().numpy(),
        dimensionwise_kl_per_dimension_nats=(log_q_dimensions - log_priors).mean(dim=0).cpu().numpy(),
    )


def _mixture_log_densities(
    z: Tensor, mean: Tensor, logvar: Tensor, floor: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return log q(z) [S] and log q(z_j) [D, S] under the equal mixture of all N posteriors, in bounded memory.

    `floor` [S] is the log density of each code under the posterior that it came from. On an accelerator every code
    meets every posterior; on a CPU only those that can matter to it.
    """
    if z.device.type != "cpu":
        return _on_device(z, mean, logvar, dtype)
    parts = aggregate_log_densities(
        *(table.numpy() for table in (z, mean, logvar)),
        floor=floor.numpy(),
        dtype=np.float64 if dtype == torch.float64 else np.float32,
        threads=torch.get_num_threads(),
    )
    joint, marginals = (torch.from_numpy(part) for part in parts)
    return joint, marginals


def _on_device(z: Tensor, mean: Tensor, logvar: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The same, for every code and every posterior: blocks of both, reduced one after another."""
    rows, dimensions = mean.shape
    width = min(rows, 4096)
    posteriors = list(zip(mean.split(width), logvar.split(width), strict=True))
    parts = [_over_blocks(some, posteriors, dtype) for some in z.split(max(1, 2**24 // (width * dimensions)))]
    joint, marginals = (torch.cat(part, dim=-1) for part in zip(*parts, strict=True))
    return joint - math.log(rows), marginals - math.log(rows)


def _over_blocks(
    z: Tensor, posteriors: list[tuple[Tensor, Tensor]], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Log of summed densities of some codes [S, D] over blocks of (mean, logvar): joint [S], marginals [D, S]."""
    joints, marginals = [], []
    for mean, logvar in posteriors:
        densities = _pairwise_log_densities(z, mean, logvar)
        joints.append(densities.sum(dim=0).to(dtype).logsumexp(dim=-1))
        marginals.append(densities.to(dtype).logsumexp(dim=-1))
    return torch.stack(joints).logsumexp(dim=0), torch.stack(marginals).logsumexp(dim=0)
