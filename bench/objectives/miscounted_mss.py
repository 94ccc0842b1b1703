"""Minibatch stratified sampling as public PyTorch copies have it: wrong, and here to say what that does."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from disbench.metrics import log_gaussian


def miscounted_log_weights(rows: int, dataset_size: int, like: Tensor) -> Tensor:
    """Logarithms of the weights that public copies give code i under posterior m: [B, B], by row and column.

    Chen's weights belong to a batch of M + 1 whose first place is taken by the row's own image. The copies build them
    as a matrix over the whole batch and step through it by M + 1, which is its width: what was meant for a diagonal
    lands in a column. With B = M + 1 and N images column 0 is 1/N, column 1 is (N - M) / (N M), the entry in column 0
    of the last row but one is that too, and all others are 1/M. So it is the first two images of a batch that are
    weighed apart, not the row's own, and a row's weights add up to one all the same.

    Args:
        rows: B, at least 2.
        dataset_size: N, at least B.
        like: any tensor of the dtype and on the device that is wanted.

    Raises:
        ValueError: fewer than two rows, or a data set smaller than the batch.
    """
    if not 2 <= rows <= dataset_size:
        raise ValueError(
            f'"mss_public_copies" needs a batch of two rows or more and no more than the data set\'s,'
            f" got {rows} of {dataset_size}"
        )
    others = rows - 1
    stratified = math.log(dataset_size - others) - math.log(dataset_size) - math.log(others)
    place = torch.arange(rows, device=like.device)
    column = place.expand(rows, rows)
    stray = (place[:, None] == rows - 2) & (column == 0)
    weights = like.new_full((rows, rows), -math.log(others))
    weights = weights.masked_fill(column == 0, -math.log(dataset_size))
    return weights.masked_fill((column == 1) | stray, stratified)


def miscounted_log_densities(
    codes: Tensor, mean: Tensor, logvar: Tensor, *, dataset_size: int
) -> tuple[Tensor, Tensor]:
    """What public copies of beta-TCVAE take for log q(z) [B] and sum_j log q(z_j) [B], in nats. Wrong on purpose.

    Two mistakes. The weights stand in the wrong places (`miscounted_log_weights`): what is left is nearly the plain
    mixture over the batch without its first image. And they are added to the log density of every latent before the
    latents are summed, so that log q(z) has them D times while each log q(z_j) has them once: it reads (D - 1) log M
    too low, mutual information as much too high, and total correlation as much too low, mostly below zero. As the
    same for all images but a few that constant has no gradient; what is left of it is that within log q(z) the image
    in column 0 counts (M / N)^D instead of M / N, and so not at all.

    `disbench.metrics.minibatch_log_densities` has the estimator that Chen et al. meant.

    Args:
        codes: [B, D], one sample for each row.
        mean: [B, D] of q(z | x_m).
        logvar: [B, D].
        dataset_size: N.

    Reference:
        Chen et al. 2018, appendix C.2, is what they are copies of; disentangling-vae (Dubois et al. 2019),
        `log_importance_weight_matrix`, is the one that others copied.
    """
    densities = log_gaussian(codes.T[:, :, None], mean.T[:, None, :], logvar.T[:, None, :])  # [D, B, B]
    weighed = densities + miscounted_log_weights(len(codes), dataset_size, codes)
    return weighed.sum(dim=0).logsumexp(dim=-1), weighed.logsumexp(dim=-1).sum(dim=0)
