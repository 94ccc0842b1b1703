"""The evidence bound of a hierarchy, its KL turned on little by little."""

from __future__ import annotations

import torch
from torch import Tensor

from ...models import ForwardPass
from ...objectives import Setting, reconstruction
from ...objectives.setting import Options

OPTIONS: Options = {"warmup": ("linear", "off"), "warmup_share": 0.1}


def warmth(setting: Setting, share: float) -> Tensor:
    """The weight of the KL: from 0 at the first step to 1 after a share of all steps, along a line.

    Reference:
        Sonderby et al. 2016 (deterministic warm-up): N_t = 200 of 2,000 epochs, a share of 0.1.
    """
    return (setting.step / max(1.0, share * setting.steps)).clamp(max=1.0)


def hierarchical_bound(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, warmup: str, warmup_share: float
) -> Tensor:
    """Reconstruction and the KL of all layers, the latter times its warmth, in nats per image.

    Args:
        outcome: its `extra` has `kl_nats` [B, L].
        strength: not used; there is none.
        setting: step and number of steps.
        warmup: "linear", or "off" for the bound from the first step on.
        warmup_share: of all steps, after which the KL counts in full; may be above 1.

    Reference:
        Sonderby et al. 2016; without warm-up the evidence bound of Kingma and Welling 2014.
    """
    kl = outcome.extra["kl_nats"].sum(dim=1).mean()
    weight = warmth(setting, warmup_share) if warmup == "linear" else torch.ones_like(kl)
    return reconstruction(outcome) + weight * kl
