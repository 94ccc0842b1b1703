"""How convolutions are carried out: the same numbers by other programs, for the one that a device does fastest.

Models are written with PyTorch's own layers. A lowering swaps some of them, weights untouched, for modules that say the
same thing otherwise. All layers here have kernel 4, stride 2, padding 1 or kernel 2, stride 2, padding 0: what the
conv nets are made of; any other layer stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)

THIN = 4
"""Output channels up to which a transposed convolution is thin: vector units would mostly wait."""


def convolution_by_matmul(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`conv2d` of [B, I, H, W] with [O, I, k, k], k = 4 (padding 1) or 2, stride 2, as one matrix product.

    Cutting the image into 2 x 2 cells makes it a convolution of stride 1: 2 x 2 cells for k = 4, one cell for k = 2.
    """
    outputs, _, kernel, _ = weight.shape
    x = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1) if kernel == 4 else (0,) * 6)
    cells = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3)  # [B, rows, columns, 2, 2, I]
    rows, columns = (side - kernel // 2 + 1 for side in cells.shape[1:3])
    offsets = [(a, b) for a in range(kernel // 2) for b in range(kernel // 2)]
    patches = torch.stack([cells[:, a : a + rows, b : b + columns] for a, b in offsets], dim=3)
    # [O, I, a, p, b, q] to [a, b, p, q, I, O], the order of a patch
    matrix = weight.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(2, 4, 3, 5, 1, 0).reshape(-1, outputs)
    return (patches.flatten(3) @ matrix + bias).permute(0, 3, 1, 2)


def transposed_by_matmul(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`conv_transpose2d` of [B, I, H, W] with [I, O, 4, 4], stride 2, padding 1, as one matrix product.

    Every 2 x 2 window of the padded image makes 2 x 2 pixels for each of the four phases of the output.
    """
    _, outputs, _, _ = weight.shape
    height, width = x.shape[2:]
    x = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    offsets = [(a, b) for a in range(2) for b in range(2)]
    windows = torch.stack([x[:, a : a + height + 1, b : b + width + 1] for a, b in offsets], dim=3)
    matrix = phase_kernels(weight).permute(4, 5, 3, 0, 1, 2).flatten(3).flatten(0, 2)
    return phases_to_pixels(
        (windows.flatten(3) @ matrix).unflatten(3, (2, 2, outputs)).permute(0, 3, 4, 5, 1, 2), bias
    )


def transposed_by_phases(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`conv_transpose2d` of [B, I, H, W] with [I, O, 4, 4], stride 2, padding 1, as a convolution of the input's size.

    Four times the output channels at a quarter of the pixels: what a thin layer needs.
    """
    _, outputs, _, _ = weight.shape
    kernels = phase_kernels(weight).flatten(0, 2)
    return phases_to_pixels(F.conv2d(x, kernels, padding=1).unflatten(1, (2, 2, outputs)), bias)


def phase_kernels(weight: Tensor) -> Tensor:
    """[I, O, 4, 4] of a transposed convolution to the kernels [p, q, O, I, 2, 2] of the output's phases (p, q).

    Pixel 2 i of a row is x[i - 1] w[3] + x[i] w[1]; pixel 2 i + 1 is x[i] w[2] + x[i + 1] w[0].
    """
    taps = weight.unflatten(3, (2, 2)).unflatten(2, (2, 2)).flip(2, 3, 4, 5)  # [I, O, a, p, b, q]
    return taps.permute(3, 5, 1, 0, 2, 4)


def phases_to_pixels(phases: Tensor, bias: Tensor) -> Tensor:
    """Phases [B, 2, 2, O, H + 1, W + 1], each shifted by its own place, to an image [B, O, 2 H, 2 W], plus bias [O]."""
    height, width = phases.shape[4] - 1, phases.shape[5] - 1
    rows = [
        torch.stack([phases[:, p, q, :, p : p + height, q : q + width] for q in (0, 1)], dim=-1)
        for p in (0, 1)
    ]
    return torch.stack(rows, dim=3).flatten(4, 5).flatten(2, 3) + bias[:, None, None]


class ThinTransposed(torch.autograd.Function):
    """Forward by phases; backward by PyTorch's own, which is the faster one there."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """See `transposed_by_phases`."""
        return transposed_by_phases(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        """Keep what the gradients need."""
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """Gradients of input, weight and bias: stride 2, padding 1, dilation 1, transposed, one group."""
        x, weight = ctx.saved_tensors
        two, one = [2, 2], [1, 1]
        wanted = [True, True, True]
        gradients: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            gradient, x, weight, [weight.shape[1]], two, one, one, True, [0, 0], 1, wanted
        )
        return gradients


def thin_transposed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`conv_transpose2d` of [B, I, H, W] with [I, O, 4, 4], stride 2, padding 1, for few output channels O."""
    pixels: Tensor = ThinTransposed.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return pixels


class Lowered(nn.Module):
    """A layer with the parameters of another and a function of (x, weight, bias) of its own."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Module, function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.bias = layer.get_parameter("weight"), layer.get_parameter("bias")
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """What the layer's own forward would give, up to rounding."""
        return self.function(x, self.weight, self.bias)


def geometry(layer: nn.Module) -> str:
    """Kind of a layer: "down 4" and "down 2" for the convolutions, "up" for the transposed ones, else empty."""
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or layer.bias is None or layer.groups != 1:
        return ""
    sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    if sizes == ((4, 4), (2, 2), (1, 1), (1, 1)):
        return "up" if isinstance(layer, nn.ConvTranspose2d) else "down 4"
    is_cells = sizes == ((2, 2), (2, 2), (0, 0), (1, 1)) and isinstance(layer, nn.Conv2d)
    return "down 2" if is_cells else ""


def native(layer: nn.Module) -> nn.Module:
    """PyTorch's layers, but for thin transposed convolutions, and with ReLUs that need no memory of their own."""
    if isinstance(layer, nn.ReLU):
        return nn.ReLU(inplace=True)
    if geometry(layer) == "up" and layer.get_parameter("weight").shape[1] <= THIN:
        return Lowered(layer, thin_transposed)
    return layer


def matmul(layer: nn.Module) -> nn.Module:
    """Matrix products throughout; under `vmap` they are batched ones."""
    kind = geometry(layer)
    if kind == "up":
        return Lowered(layer, transposed_by_matmul)
    return Lowered(layer, convolution_by_matmul) if kind else layer


def untouched(layer: nn.Module) -> nn.Module:
    """PyTorch's layers; under `vmap` they are grouped convolutions."""
    return layer


COMPILED = "compiled"
"""Native layers, and the whole loss through `torch.compile`: needs a compiler, and some twenty seconds a cohort."""

LOWERINGS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "native": native,
    "matmul": matmul,
    "pytorch": untouched,
    COMPILED: native,
}
"""Name to what becomes of a layer; the first is the default."""

TRIED = ("native", "matmul", "pytorch")
"""Those among which a sweep chooses by trial; the others are for who asks for them by name."""


def lowered(model: AnyModule, lowering: str) -> AnyModule:
    """The model with every layer replaced, in place; parameter names and values stay."""
    replace = LOWERINGS[lowering]
    for name, child in model.named_children():
        setattr(model, name, replace(lowered(child, lowering)))
    return model


def channels_last(images: Tensor) -> Tensor:
    """Images [B, C, H, W] with the channels of a pixel side by side in memory, which sets the layout of all layers.

    With one channel both layouts are the same bytes; the strides alone say which is meant.
    """
    if images.shape[1] > 1 or images.device.type != "cpu":
        return images.contiguous(memory_format=torch.channels_last)
    _, _, height, width = images.shape
    return images.contiguous().as_strided(images.shape, (height * width, 1, width, 1))
