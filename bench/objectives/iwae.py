"""The importance-weighted bound, which several codes an image make tighter than the evidence bound."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from disbench.metrics import log_gaussian

from ..models import ForwardPass
from .setting import Setting


def iwae(outcome: ForwardPass, strength: Tensor, setting: Setting) -> Tensor:
    """-log mean_k p(x, z_k) / q(z_k | x), mean over images; it has no strength (Burda et al. 2016, eq. 8).

    The codes z_1 .. z_K of an image are as many as the forward pass has for each: the option `importance_samples`. With
    one it is the VAE's bound with its KL by that sample instead of in closed form. Gradients are the paper's, straight
    through the logarithm: the doubly reparameterised ones of later code have less noise and are not these.
    """
    images = len(outcome.images)
    samples = len(outcome.codes) // images
    logits = outcome.logits.unflatten(0, (samples, images)).flatten(2)
    pixels = outcome.images.flatten(1)
    likelihood = (pixels * logits - F.softplus(logits)).sum(dim=2)  # [K, B]
    codes = outcome.codes.unflatten(0, (samples, images))
    nothing = torch.zeros_like(codes)
    prior = log_gaussian(codes, nothing, nothing).sum(dim=2)
    posterior = log_gaussian(codes, outcome.mean, outcome.logvar).sum(dim=2)
    weights = likelihood + prior - posterior
    return math.log(samples) - weights.logsumexp(dim=0).mean()
