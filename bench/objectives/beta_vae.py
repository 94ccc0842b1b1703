"""The evidence bound with one weight on its KL term."""

from __future__ import annotations

from torch import Tensor

from ..models import ForwardPass
from .setting import Setting
from .terms import kl, reconstruction
from .warmup import warmth


def vae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, warmup_steps: float | None = None
) -> Tensor:
    """Negative ELBO: -log p(x | z) + w KL(q(z | x) || p(z)); it has no strength (Kingma and Welling 2014, eq. 10).

    `warmup_steps`: w grows from 0 to 1 over so many updates (`warmth`); off by default, w = 1.
    """
    return reconstruction(outcome) + warmth(setting, warmup_steps) * kl(outcome).sum()


def beta_vae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, warmup_steps: float | None = None
) -> Tensor:
    """-log p(x | z) + w beta KL(q(z | x) || p(z)); strength is beta (Higgins et al. 2017, eq. 4).

    `warmup_steps`: w grows from 0 to 1 over so many updates (`warmth`); off by default, w = 1.
    """
    return reconstruction(outcome) + warmth(setting, warmup_steps) * strength * kl(outcome).sum()


def cvae(
    outcome: ForwardPass, strength: Tensor, setting: Setting, *, warmup_steps: float | None = None
) -> Tensor:
    """-log p(x | z, y) + w beta KL(q(z | x, y) || p(z)); strength is beta (Sohn et al. 2015, eq. 4).

    The prior is N(0, I) whatever the condition y, so what z still tells about y is waste, and is measured as
    condition leakage. (Sohn et al. also allow a prior network p(z | y).)

    `warmup_steps`: w grows from 0 to 1 over so many updates (`warmth`); off by default, w = 1.
    """
    return reconstruction(outcome) + warmth(setting, warmup_steps) * strength * kl(outcome).sum()
