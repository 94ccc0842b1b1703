"""Images that are no members of a data set, made of its members or of nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..randomness import uniform

STEPS = {"shuffled": 21, "noise": 22, "constant": 23}
"""Of the role `metric`: where each kind draws its numbers. Part of every result: append, never renumber."""


def inverted(images: Tensor, seed: int) -> Tensor:
    """White for black: 1 - x. Every edge stays where it was."""
    return 1 - images


def shuffled(images: Tensor, seed: int) -> Tensor:
    """The pixels of each image in an order of its own, all channels of a pixel together: its histogram stays."""
    batch, _, height, width = images.shape
    keys = uniform([seed], "metric", [STEPS["shuffled"]], batch * height * width)[0, 0]
    order = keys.reshape(batch, 1, -1).argsort(dim=2, stable=True).to(images.device)
    return images.flatten(2).gather(2, order.expand(-1, images.shape[1], -1)).reshape(images.shape)


def noise(images: Tensor, seed: int) -> Tensor:
    """Uniform numbers in 0 .. 1, each pixel by itself."""
    drawn = uniform([seed], "metric", [STEPS["noise"]], images.numel())[0, 0]
    return drawn.reshape(images.shape).to(images)


def constant(images: Tensor, seed: int) -> Tensor:
    """One level an image and channel, uniform in 0 .. 1."""
    drawn = uniform([seed], "metric", [STEPS["constant"]], images.shape[0] * images.shape[1])[0, 0]
    return drawn.reshape(*images.shape[:2], 1, 1).expand(images.shape).to(images)


def blank(images: Tensor, seed: int) -> Tensor:
    """Black images, all alike: the simplest of all."""
    return torch.zeros_like(images)


def thresholded(images: Tensor, seed: int) -> Tensor:
    """The images in pure black and white, cut at a half: plainer than members whose pixels are grey."""
    return (images > 0.5).to(images)


KINDS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "inverted": inverted,
    "shuffled": shuffled,
    "noise": noise,
    "constant": constant,
    "blank": blank,
    "thresholded": thresholded,
}
"""(images [N, C, H, W] in [0, 1], seed) to as many outliers; the first are the same whatever their number."""

MEANINGS = {
    "inverted": "the images, white for black",
    "shuffled": "the images with their pixels in another order",
    "noise": "uniform noise",
    "constant": "images of one random level",
    "blank": "black images",
    "thresholded": "the images cut to black and white",
}
"""For the legend of scores."""
