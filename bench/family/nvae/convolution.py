"""The convolution that NVAE is made of: weight-normalised where no batch normalisation follows it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST_NORM = 1e-5
"""Added to the norm of a kernel before something is divided by it."""

SMALL_MAP = 4
"""Side up to which a depthwise convolution is carried out as matrix products."""

USUAL_LOG_NORM = -0.5 * math.log(3)
"""Of kernels uniform in +-1 / sqrt(fan in): their norm is 1 / sqrt(3) but for chance, whatever their size."""


class Convolution(nn.Module):
    """A convolution with padding that keeps the side (of stride 1), its kernel normalised or as it is.

    Normalised (Salimans and Kingma 2016), the kernel of each output channel is exp(`log_norm`) times its direction, and
    there is a bias. Not normalised it has neither: the batch normalisation that follows would undo both.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side of the kernel, odd, or equal to the stride.
        stride: of the outputs; with stride = kernel it cuts patches.
        groups: of channels, each of which sees its share of the inputs alone; `inputs` of them is depthwise.
        normalised: whether its weight is normalised.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        self.padding = 0 if kernel == stride else kernel // 2
        self.stride, self.groups, self.normalised = stride, groups, normalised
        self.depthwise = groups == inputs == outputs > 1
        self.direction = nn.Conv2d(inputs, outputs, kernel, stride, self.padding, groups=groups, bias=False)
        if normalised:
            self.log_norm = nn.Parameter(torch.full((outputs,), USUAL_LOG_NORM))
            self.bias = nn.Parameter(torch.zeros(outputs))

    def initial_range(self, name: str) -> tuple[float, float]:
        """Where norms and biases begin: as PyTorch's layers have them."""
        if name == "log_norm":
            return USUAL_LOG_NORM, USUAL_LOG_NORM
        bound = 1 / math.sqrt(self.direction.weight[0].numel())
        return -bound, bound

    def kernel(self) -> Tensor:
        """What images are convolved with, [outputs, inputs, k, k]; or [outputs, inputs / groups, k, k]."""
        direction = self.direction.weight
        if not self.normalised:
            return direction
        norm = torch.linalg.vector_norm(direction, dim=(1, 2, 3), keepdim=True) + SMALLEST_NORM
        return direction * (self.log_norm.exp()[:, None, None, None] / norm)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        if self.depthwise and not self.normalised and x.shape[2] <= SMALL_MAP:
            return depthwise_by_matrices(x, self.kernel())
        bias = self.bias if self.normalised else None
        return F.conv2d(x, self.kernel(), bias, self.stride, self.padding, groups=self.groups)


def depthwise_by_matrices(x: Tensor, kernel: Tensor) -> Tensor:
    """A depthwise convolution of [B, C, s, s] with [C, 1, k, k], stride 1, as a matrix product for each channel.

    The matrix of a channel, [s s, s s], is what its kernel makes of each single pixel. For maps of 4 x 4 a CPU trains
    it in about a third of the time of PyTorch's depthwise convolution.
    """
    side = x.shape[2]
    pixels = torch.eye(side * side, dtype=x.dtype, device=x.device).reshape(-1, 1, side, side)
    matrices = F.conv2d(pixels, kernel, padding=kernel.shape[2] // 2).flatten(2)  # [from, C, to]
    return torch.einsum("bcp,pcq->bcq", x.flatten(2), matrices).unflatten(2, (side, side))
