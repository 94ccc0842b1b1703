"""What keeps a deep hierarchy trainable: convolutions and batch normalisations with small Lipschitz constants.

Vahdat and Kautz 2020, section 3.2: lambda times the sum of the largest singular values of all layers is added to the
loss, so that small changes of an input cannot change a group's KL without bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .convolution import Convolution

ITERATIONS = 1
"""Of the power method, at each training step; the vectors are kept, so that they follow the weights."""

SMALLEST = 1e-3
"""Norm below which a vector is no longer made longer."""


class SpectralNorms(nn.Module):
    """Largest singular values of kernels as matrices [outputs, inputs k k], by the power method.

    Yoshida and Miyato 2017, "Spectral norm regularization for improving the generalizability of deep learning".
    Kernels of one shape go through it side by side. The left singular vectors are buffers, which training moves.

    Args:
        shapes: of the kernels, in the order in which they will come.
    """

    def __init__(self, shapes: Sequence[torch.Size]) -> None:
        super().__init__()
        self.places: dict[tuple[int, int], list[int]] = {}
        for place, shape in enumerate(shapes):
            self.places.setdefault((shape[0], shape[1:].numel()), []).append(place)
        for number, ((rows, _), places) in enumerate(self.places.items()):
            self.register_buffer(f"left_{number}", starting_vectors(len(places), rows))

    def forward(self, kernels: Sequence[Tensor]) -> Tensor:
        """Their sum, a scalar with a gradient to the kernels; none goes through the singular vectors."""
        sums = []
        for number, places in enumerate(self.places.values()):
            kept = self.get_buffer(f"left_{number}")
            # In the buffer's type, should the net be of a lower precision.
            matrices = torch.stack([kernels[place].flatten(1).to(kept.dtype) for place in places])
            left, right = self.singular_vectors(matrices.detach(), kept)
            sums.append((left[:, None] @ matrices @ right[:, :, None]).sum())
        return torch.stack(sums).sum()

    def singular_vectors(self, matrices: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Left [n, rows] and right [n, columns] ones of the largest singular value; in training `kept` follows."""
        left = kept
        for _ in range(ITERATIONS):
            right = unit((left[:, None] @ matrices)[:, 0])
            left = unit((matrices @ right[:, :, None])[:, :, 0])
        if self.training:
            kept.copy_(left)
        return left, right


def unit(vectors: Tensor) -> Tensor:
    """Vectors [n, d] at length 1."""
    length: Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / length.clamp(min=SMALLEST)


def starting_vectors(count: int, rows: int) -> Tensor:
    """Unit vectors [count, rows] that no kernel is likely to be orthogonal to: cosines of incommensurable angles."""
    angles = torch.arange(1, count * rows + 1, dtype=torch.float32).reshape(count, rows)
    return unit(torch.cos(angles.square()))


def kernels_of(model: nn.Module) -> list[Tensor]:
    """The kernels of all convolutions, in the order of the modules; of four side by side each on its own."""
    kernels: list[Tensor] = []
    for module in model.modules():
        if isinstance(module, Convolution):
            alone = module.groups == 1 or module.depthwise
            kernels += [module.kernel()] if alone else module.kernel().chunk(module.groups)
    return kernels


def largest_scales(model: nn.Module) -> Tensor:
    """Sum over batch normalisations of their largest |gamma|, the largest singular value of that diagonal; a scalar."""
    scales = [m.weight.abs().amax() for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return torch.stack(scales).sum()
