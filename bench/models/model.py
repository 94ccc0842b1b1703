"""What every model can be asked for, whatever is inside: codes of images, images of codes, codes from its prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class ForwardPass(NamedTuple):
    """What one pass through a model leaves for an objective to judge; B images, D latents."""

    images: Tensor
    """[B, C, H, W] in [0, 1]."""
    logits: Tensor
    """[B, C, H, W], logits of the Bernoulli likelihood of every pixel; with S codes an image [S B, C, H, W]."""
    mean: Tensor
    """[B, D], mean of q(z | x)."""
    logvar: Tensor
    """[B, D], logarithm of the variance of q(z | x)."""
    codes: Tensor
    """[B, D], the sample z = mean + exp(logvar / 2) noise; S of them an image are [S B, D], first ones first."""
    extra: dict[str, Tensor] = {}  # noqa: RUF012  # nobody writes to it
    """What else the model's own objective judges, by name. `kl_nats` [B, L] is the KL of L parts of the code to their
    prior, for models whose prior of a code is not N(0, I)."""


KL_NATS = "kl_nats"
"""Of `ForwardPass.extra`."""


class Model(nn.Module, ABC):
    """One model; the engine trains K of them at once through `forward`, everything else asks for the other three.

    Floating-point buffers are part of its state and are written to in place, by `forward` in training alone.
    """

    @abstractmethod
    def forward(self, images: Tensor, condition: Tensor, noise: Tensor) -> ForwardPass:
        """One pass over images [B, C, H, W] told a condition [B, Y]; all that is random is made of `noise` [B, W]."""

    @abstractmethod
    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x, y), each [B, D], nothing drawn."""

    @abstractmethod
    def decode(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits of p(x | z, y), [B, C, H, W]."""

    def image_encoder(self) -> nn.Module | None:
        """The part that looks at images and at nothing that is inferred from them; None where there is no such part."""
        found = getattr(self, "encoder", None)
        return found if isinstance(found, nn.Module) else None

    def prior(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Codes [B, D] of the model's prior from standard normal `noise` [B, D]: the noise, where that is N(0, I)."""
        return noise

    def for_samples(self, temperature: float) -> Model:
        """What draws and decodes the prior's samples at a temperature: the model, where it keeps nothing for them."""
        return self
