"""The terms that objectives are sums of: nats, summed over pixels or latents, mean over the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from disbench.metrics import gaussian_kl

from ..models import ForwardPass


def reconstruction(outcome: ForwardPass) -> Tensor:
    """Negative Bernoulli log-likelihood -log p(x | z) in nats, a scalar: sum over pixels, mean over images."""
    # softplus(l) - x l, pixel by pixel; the dot product spares a pass over memory each way.
    total = F.softplus(outcome.logits).sum() - torch.dot(outcome.images.flatten(), outcome.logits.flatten())
    return total / len(outcome.images)


def kl(outcome: ForwardPass) -> Tensor:
    """KL(q(z | x) || N(0, I)) in nats per latent, [D], mean over images."""
    return gaussian_kl(outcome.mean, outcome.logvar).mean(dim=0)
