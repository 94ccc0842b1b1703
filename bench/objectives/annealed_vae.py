"""The evidence bound with its KL pulled to a capacity that grows during training."""

from __future__ import annotations

from torch import Tensor

from ..models import ForwardPass
from .setting import Setting
from .terms import kl, reconstruction


def annealed_vae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, gamma: float, capacity_steps: float
) -> Tensor:
    """-log p(x | z) + gamma |KL(q(z | x) || p(z)) - C|; strength is C at the end (Burgess et al. 2018, eq. 8).

    The capacity C, in nats, grows linearly from 0 over the first `capacity_steps` updates and then stays.
    """
    capacity = strength * (setting.step / capacity_steps).clamp(max=1)
    return reconstruction(outcome) + gamma * (kl(outcome).sum() - capacity).abs()
