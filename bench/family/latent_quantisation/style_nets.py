"""The nets of Hsu et al. 2023: deep convolutions with instance norm, and a decoder that codes act on by style alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models import VAE, ImageShape

WIDTHS = (32, 64, 128, 256)
"""Feature maps of the paper's nets at 64, 32, 16 and 8 pixels a side."""

SLOPE = 0.2

INSTANCE_EPSILON = 1e-6


class StyleEncoder(nn.Module):
    """Twelve convolutions in four groups k3, k3, k4 stride 2, instance norm, leaky ReLU; two dense layers of 256."""

    def __init__(self, image_shape: ImageShape, latents: int, condition_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = image_shape[0]
        for width in WIDTHS:
            for kernel, stride in ((3, 1), (3, 1), (4, 2)):
                layers += [
                    nn.Conv2d(before, width, kernel, stride=stride, padding=1, bias=False),
                    nn.GroupNorm(width, width, eps=INSTANCE_EPSILON),
                    nn.LeakyReLU(SLOPE),
                ]
                before = width
        self.convolutions = nn.Sequential(*layers)
        self.dense_1 = nn.Linear(16 * before + condition_size, 256)
        self.dense_2 = nn.Linear(256, 256)
        self.head = nn.Linear(256, 2 * latents)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Posterior parameters [B, 2 D]; of an autoencoder the first half are codes."""
        x = self.convolutions(images).flatten(1)  # [B, 4096]
        x = F.relu(self.dense_2(F.relu(self.dense_1(torch.cat((x, condition), dim=1)))))
        parameters: Tensor = self.head(x)
        return parameters


class StyleBlock(nn.Module):
    """Transposed convolution, leaky ReLU, instance norm, then a scale and a shift that the codes give each map."""

    def __init__(self, before: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(before, width, kernel, stride=stride, padding=1, bias=False)
        self.style = nn.Linear(256, 2 * width)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Maps [B, width, h, w]."""
        x = F.leaky_relu(self.deconv(x), SLOPE)
        variance, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
        scale, shift = F.relu(self.style(style))[..., None, None].chunk(2, dim=1)
        return (x - mean) * torch.rsqrt(variance + INSTANCE_EPSILON) * scale + shift


class StyleDecoder(nn.Module):
    """A learned map of 256 x 4 x 4 through twelve transposed convolutions that codes act on by style alone."""

    def __init__(self, image_shape: ImageShape, latents: int, condition_size: int) -> None:
        super().__init__()
        self.dense_1 = nn.Linear(latents + condition_size, 256)
        self.dense_2 = nn.Linear(256, 256)
        self.canvas = nn.Parameter(torch.empty(WIDTHS[-1], 4, 4))
        blocks: list[nn.Module] = []
        before = WIDTHS[-1]
        for width in reversed(WIDTHS):
            for kernel, stride in ((3, 1), (3, 1), (4, 2)):
                blocks.append(StyleBlock(before, width, kernel, stride))
                before = width
        self.blocks = nn.ModuleList(blocks)
        self.out = nn.Conv2d(before, image_shape[0], 3, padding=1, bias=False)

    def initial_range(self, name: str) -> tuple[float, float]:
        """The canvas is even before training."""
        return 0.1, 0.1

    def forward(self, codes: Tensor, condition: Tensor) -> Tensor:
        """Logits [B, C, 64, 64]."""
        style = F.relu(self.dense_2(F.relu(self.dense_1(torch.cat((codes, condition), dim=1)))))
        x = self.canvas.expand(len(codes), -1, -1, -1)
        for block in self.blocks:
            x = block(x, style)
        logits: Tensor = self.out(x)
        return logits


def hsu_style(image_shape: ImageShape, latents: int, condition_size: int) -> VAE:
    """The paper's nets for 64 x 64 images, which all of its autoencoders share."""
    return VAE(
        StyleEncoder(image_shape, latents, condition_size), StyleDecoder(image_shape, latents, condition_size)
    )


VECTOR_WIDTH = 64
"""Numbers of a vector of the paper's VQ-VAE."""


class VectorsOfStyle(nn.Module):
    """The style encoder, its output cut into vectors of 64 numbers, one a latent."""

    def __init__(self, image_shape: ImageShape, latents: int) -> None:
        super().__init__()
        self.net = StyleEncoder(image_shape, latents * VECTOR_WIDTH // 2, 0)

    def forward(self, images: Tensor) -> Tensor:
        """Vectors [B, D, 64]."""
        numbers: Tensor = self.net(images, images.new_zeros(len(images), 0))
        return numbers.unflatten(1, (-1, VECTOR_WIDTH))


class StyleOfVectors(nn.Module):
    """The style decoder of vectors side by side."""

    def __init__(self, image_shape: ImageShape, latents: int) -> None:
        super().__init__()
        self.net = StyleDecoder(image_shape, latents * VECTOR_WIDTH, 0)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits [B, C, 64, 64]."""
        logits: Tensor = self.net(vectors.flatten(1), vectors.new_zeros(len(vectors), 0))
        return logits
