"""Sampling a grid with two correlated factors (Traeuble et al., 2021): all images, but some combinations are rare.

    sampler = correlated(data, ("floor_hue", "scale"), sigma=0.2)
    indices = sampler.indices(torch.rand(64, 3))      # any uniform numbers; the trainer's own, to be repeatable

The joint of the pair is p(a, b) ~ exp(-(a - b)^2 / (2 sigma^2)) with the classes of both factors spread evenly over
[0, 1]: the smaller sigma, the stronger the correlation, and an infinite one is uniform. All other factors stay
uniform and independent. The paper writes the classes as numbers, with a factor that brings both to one scale; here
both are brought to [0, 1], so that one sigma means the same for factors of any size.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from .contract import DataSet


@dataclass(frozen=True, eq=False)
class Sampler:
    """Turns uniform numbers into image indices of a grid: a pair of factors by its joint, the rest uniformly."""

    cumulative: Tensor
    """[n * m], float64: the pair's cumulative probabilities, first factor slowest."""
    pair: tuple[int, int]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def indices(self, uniforms: Tensor) -> Tensor:
        """Image indices [B] from `uniforms` [B, 2] or wider in [0, 1): the first chooses the pair, the second the rest.

        All on the numbers' device, without synchronisation. The 24 bits of a float32 number choose evenly, to a part
        in a hundred, among up to 160,000 combinations of the rest; give float64 for more.
        """
        first, second = self.pair
        joint = torch.searchsorted(self.cumulative, uniforms[:, 0].double().contiguous(), right=True)
        joint = joint.clamp(max=len(self.cumulative) - 1)
        index = (
            joint // self.sizes[second] * self.strides[first]
            + joint % self.sizes[second] * self.strides[second]
        )
        rest = [column for column in range(len(self.sizes)) if column not in self.pair]
        remaining = uniforms[:, 1].double()
        for column in rest:
            scaled = remaining * self.sizes[column]
            classes = scaled.floor().clamp(max=self.sizes[column] - 1)
            remaining = scaled - classes
            index = index + classes.long() * self.strides[column]
        return index

    def probabilities(self) -> Tensor:
        """The joint of the pair: float64 [n, m], of sum 1."""
        steps = torch.diff(self.cumulative, prepend=self.cumulative.new_zeros(1))
        return steps.reshape(self.sizes[self.pair[0]], self.sizes[self.pair[1]])

    def to(self, device: torch.device | str) -> Self:
        """The same sampler on `device`."""
        return replace(self, cumulative=self.cumulative.to(device))


def correlated(data: DataSet, pair: tuple[str, str], sigma: float) -> Sampler:
    """A sampler of `data`, a full grid, in which the two factors of `pair` are correlated with strength `sigma`.

    Raises ValueError for a data set that is no full grid, factors that it has not, or a sigma not above 0.
    """
    if not data.is_full_grid:
        raise ValueError(f"correlated sampling needs a full grid; {data.name} is none")
    if not sigma > 0:
        raise ValueError(f"sigma is above 0 (smaller is stronger, math.inf is uniform), got {sigma}")
    for name in pair:
        if name not in data.factor_names:
            raise ValueError(f"{data.name} has no factor {name!r}; it has {', '.join(data.factor_names)}")
    first, second = (data.factor_names.index(name) for name in pair)
    if first == second:
        raise ValueError(f"a pair is two different factors, got {pair[0]!r} twice")
    sizes = data.factor_sizes
    a, b = (torch.linspace(0, 1, sizes[column], dtype=torch.float64) for column in (first, second))
    log_joint = -((a[:, None] - b) ** 2) / (2 * sigma**2)
    joint = (log_joint - log_joint.max()).exp()
    cumulative = (joint / joint.sum()).flatten().cumsum(0)
    cumulative[-1] = 1
    strides = []
    for column in range(len(sizes)):
        row = torch.zeros(1, len(sizes), dtype=torch.int64)
        row[0, column] = 1
        strides.append(int(data.index(row)[0]) if sizes[column] > 1 else 0)
    return Sampler(cumulative.to(data.device), (first, second), sizes, tuple(strides))
