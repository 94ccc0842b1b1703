"""An objective that a study can name: its loss, and what it asks of model, batch and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from disbench.datasets import DataSet, Entry

from ..models import ForwardPass, ImageShape, Model
from ..run import IMPORTANCE_SAMPLES, Run
from .setting import Helper, Options
from .telling import Telling

ADAM_EPS = "adam_eps"
"""What Adam adds to the root of the second moment; PyTorch's 1e-8 where a study does not name it."""

WEIGHT_DECAY = "weight_decay"
"""By which Adam shrinks weights, decoupled from the gradient."""

Choose = Callable[[Tensor, Tensor], Tensor]
"""Indices [S, T, B] of S seeds and T steps and uniform numbers [S, T, B, n] to the indices that are taken."""


@dataclass(frozen=True)
class Choosing:
    """How images are put together to a batch."""

    chances: Callable[[Entry], int]
    """n, the uniform numbers that it needs for each place of a batch."""
    prepare: Callable[[Run, DataSet, Sequence[int]], Choose]
    """Once a training, for its seeds in order: what is then called with tensors alone."""


@dataclass(frozen=True)
class Objective:
    """An objective that a study can name."""

    loss: Callable[..., Tensor]
    """(forward pass, strength, setting, **loss_options) to a scalar in nats per image, to be minimised."""
    title: str
    """As papers write it, for tables and figures."""
    strength: str | None
    """The papers' symbol for the strength, or None if there is none."""
    paper: str
    conditional: bool = False
    """Whether the model is told a factor of the image, in encoder and decoder."""
    loss_options: Options = field(default_factory=dict)
    """Keywords of `loss` that a study can choose."""
    optimiser_options: Options = field(default_factory=dict)
    """What of the model's Adam a study can choose beside its learning rate: `ADAM_EPS`, `WEIGHT_DECAY`."""
    helper: Helper | None = None
    """The network that trains beside each model, if any."""
    importance_samples: int | None = None
    """How many codes an image it is given where a study does not say; None for objectives that take one."""
    architectures: tuple[str, ...] = ()
    """The only ones that it goes with; none named: any plain one."""
    telling: Telling | None = None
    """What the model is told beside images; None: the class of its condition, if it is conditional."""
    choosing: Choosing | None = None
    """Which images make a batch, where they are not drawn one by one."""
    forward: Callable[[Model, Tensor, Tensor, Tensor], ForwardPass] | None = None
    """(model, images, what it is told, noise): how it runs the model in training, where that is not `model(...)`."""
    extra_noise: Callable[[ImageShape, int], int] | None = None
    """(image shape, latents) to how many standard normal numbers an image training draws beside those of the codes."""
    codes: Literal["posterior", "points"] = "posterior"
    """Whether (mean, logvar) is a posterior with the prior N(0, I): metrics of posteriors are undefined for points."""
    bound: bool = True
    """Whether reconstruction and KL together bound -log p(x)."""
    tasks: tuple[str, ...] = ()
    """Keys of `TASKS` that its models are always scored by."""

    @property
    def reads_text(self) -> bool:
        """Whether its models can be told sentences."""
        return self.telling is not None and self.telling.of_text is not None

    @property
    def options(self) -> Options:
        """All that a study can choose: keywords of loss and optimiser, then of the helper, then codes an image."""
        several = {} if self.importance_samples is None else {IMPORTANCE_SAMPLES: self.importance_samples}
        of_helper = self.helper.options if self.helper else {}
        return {**self.loss_options, **self.optimiser_options, **of_helper, **several}
