"""A regulariser that is turned on little by little."""

from __future__ import annotations

from torch import Tensor

from .setting import Options, Setting

WARMUP: Options = {"warmup_steps": None}
"""Off where a study does not name it: the regulariser then has its whole weight from the first update."""


def warmth(setting: Setting, warmup_steps: float | None) -> Tensor | float:
    """The share of its weight that a regulariser has: min(1, step / warmup_steps), 1 without a warm-up.

    Args:
        setting: `step` counts the updates made before this one, so that the very first has a weight of 0.
        warmup_steps: updates until the weight is whole, above 0; None for no warm-up.

    Returns:
        In [0, 1]: a scalar tensor, so that one captured program serves every step, or the number 1, which changes no
        bit of what it multiplies.

    Reference:
        Bowman et al. 2016, "Generating Sentences from a Continuous Space", section 3.1 (KL cost annealing; theirs is
        a sigmoid); linear in Sonderby et al. 2016. Code that counts an update before it asks for its weight is one
        step ahead of this: 1 / warmup_steps at the first.
    """
    return 1.0 if warmup_steps is None else (setting.step / warmup_steps).clamp(max=1.0)
