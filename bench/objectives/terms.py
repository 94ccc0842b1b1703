"""The terms that objectives are sums of: nats, summed over pixels or latents, mean over the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from disbench.metrics import gaussian_kl

from ..models import KL_NATS, ForwardPass


def reconstruction(outcome: ForwardPass) -> Tensor:
    """Negative Bernoulli log-likelihood -log p(x | z) in nats, a scalar: sum over pixels, mean over images."""
    return bernoulli_error(outcome.images, outcome.logits)


def bernoulli_error(images: Tensor, logits: Tensor) -> Tensor:
    """-log p of images [B, C, H, W] under Bernoulli logits in nats, a scalar: sum over pixels, mean over images."""
    # softplus(l) - x l, pixel by pixel; the dot product spares a pass over memory each way.
    total = F.softplus(logits).sum() - torch.dot(images.flatten(), logits.flatten())
    return total / len(images)


def bernoulli_errors(images: Tensor, logits: Tensor) -> Tensor:
    """-log p of each of images [B, C, H, W] under Bernoulli logits in nats, [B], summed over pixels."""
    return (F.softplus(logits) - images * logits).flatten(1).sum(dim=1)


def kl(outcome: ForwardPass) -> Tensor:
    """KL(q(z | x) || p(z)) in nats per latent, [D], mean over images; per part of the code where it has parts."""
    if KL_NATS in outcome.extra:
        return outcome.extra[KL_NATS].mean(dim=0)
    return gaussian_kl(outcome.mean, outcome.logvar).mean(dim=0)
