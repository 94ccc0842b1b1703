"""The evidence bound with a weight on a total correlation that a discriminator estimates by a density ratio."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models import ForwardPass
from .setting import Helper, Network, Setting
from .terms import kl, reconstruction
from .warmup import warmth

HIDDEN_LAYERS, UNITS, SLOPE = 6, 1000, 0.2


def factor_vae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, warmup_steps: float | None = None
) -> Tensor:
    """-log p(x | z) + KL + w gamma TC(z); strength is gamma (Kim and Mnih 2018, eq. 2).

    TC(z) is the mean difference of the discriminator's two logits on the batch's codes (their eq. 3).

    `warmup_steps`: w grows from 0 to 1 over so many updates (`warmth`); off by default, w = 1. The KL counts in full
    from the first update, and the discriminator learns as ever, as in disentangling-vae.
    """
    assert setting.helper is not None
    logits = setting.helper(outcome.codes)
    total_correlation = (logits[:, 0] - logits[:, 1]).mean()
    return (
        reconstruction(outcome)
        + kl(outcome).sum()
        + warmth(setting, warmup_steps) * strength * total_correlation
    )


def discriminator(latents: int, units: int = UNITS) -> nn.Module:
    """Codes [B, D] to two logits [B, 2], "from q(z)" and "from its permuted dimensions": 6 x 1000, leaky ReLU 0.2."""
    layers: list[nn.Module] = []
    width = latents
    for _ in range(HIDDEN_LAYERS):
        layers += [nn.Linear(width, units), nn.LeakyReLU(SLOPE)]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 2))


def discriminator_loss(network: Network, codes: Tensor, permuted: Tensor) -> Tensor:
    """Mean cross entropy, in nats, of telling codes from permuted ones (Kim and Mnih 2018, algorithm 2)."""
    logits = network(torch.cat((codes, permuted)))
    of_codes, of_permuted = logits.log_softmax(dim=1).chunk(2)
    return -0.5 * (of_codes[:, 0].mean() + of_permuted[:, 1].mean())


DISCRIMINATOR = Helper(
    discriminator,
    discriminator_loss,
    betas=(0.5, 0.9),
    options={"permute": ("same_batch", "second_batch"), "helper_learning_rate": 1e-4},
)
"""The discriminator that trains beside each model.

`permute`: which codes have their dimensions permuted over the batch: those of the batch that the model trains on, as
in the unsupervised study's code, or those of a second batch, as in the paper's algorithm.
"""
