"""Pairs of images that differ in a few factors: which images make a batch, and what is told about a pair."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from disbench.datasets import DataSet, Entry

from ...bad_input import BadInput
from ...objectives import Choosing, Options, Telling
from ...objectives.objective import Choose
from ...objectives.telling import Told
from ...run import Run

PAIR_OPTIONS: Options = {"pairs": ("random", "fixed"), "changed": 1}
"""Whether 1 .. K - 1 factors of a pair differ, each number as often, or always `changed` of them."""

KNOWN: Options = {"known": ("how_many", "which")}
"""What a group model is told about a pair: how many of its factors differ, or which."""


def changed_factors(factors: Tensor) -> Tensor:
    """Which factors of a pair differ, bool [..., P, K], from the classes [..., B, K] of firsts, then partners."""
    pairs = factors.shape[-2] // 2
    return factors[..., :pairs, :] != factors[..., pairs : 2 * pairs, :]


def partner(factors: Tensor, chances: Tensor, sizes: Tensor, count: int | None) -> Tensor:
    """Classes [..., K] of images that differ from those of `factors` [..., K] in exactly so many factors.

    Uniform over which factors differ and over the classes that these do not have. `chances` [..., 1 + 2 K] are uniform
    numbers, `sizes` [K] the numbers of classes; a factor of one class never differs. `count` None: 1 .. K - 1 factors,
    each number as often (Locatello et al. 2020, section 5).
    """
    number, order, classes = chances.double().split((1, len(sizes), len(sizes)), dim=-1)
    varying = sizes > 1
    random = 1 + (number * (varying.sum() - 1)).floor()
    differ = random if count is None else torch.full_like(random, count)
    # Ranks of uniform numbers are a permutation drawn uniformly; constant factors come last.
    place = torch.where(varying, order, order + 1).argsort(dim=-1, stable=True).argsort(dim=-1)
    step = 1 + (classes * (sizes - 1)).floor().long()
    return torch.where(place < differ, (factors + step) % sizes, factors)


def chances_of(data_set: Entry) -> int:
    """Uniform numbers for each pair; `BadInput` for a data set in which partners cannot be found."""
    varying = sum(size > 1 for size in data_set.factor_sizes)
    if not data_set.is_full_grid or varying < 2:
        raise BadInput(
            f"pairs of images that differ in some factors need a full grid of two factors or more, like dsprites; "
            f"{data_set.name} is none"
        )
    return 1 + 2 * len(data_set.factor_sizes)


def prepared(run: Run, data: DataSet, seeds: Sequence[int]) -> Choose:
    """The second half of a batch becomes partners of the first; of an odd batch the last image is left alone."""
    if not data.is_full_grid:
        raise BadInput(
            f"{data.name}: images kept from training leave others without a partner; leave hold_out out"
        )
    sizes = torch.tensor(data.factor_sizes, device=data.device)
    varying = int((sizes > 1).sum())
    count = int(run.options["changed"]) if run.options["pairs"] == "fixed" else None
    if count is not None and count >= varying:
        raise BadInput(f"options.changed should be below the {varying} factors of {data.name}, got {count}")

    def choose(indices: Tensor, chances: Tensor) -> Tensor:
        pairs = indices.shape[-1] // 2
        first = indices[..., :pairs]
        factors = data.factors(first.flatten()).unflatten(0, first.shape)
        other = partner(factors, chances[..., :pairs, :], sizes, count)
        partners = data.index(other.flatten(0, -2)).unflatten(0, first.shape)
        return torch.cat((first, partners, indices[..., 2 * pairs :]), dim=-1)

    return choose


PAIRS = Choosing(chances_of, prepared)


def told_size(options: Options, condition: str | None, data_set: Entry) -> int:
    """One number, or one a factor."""
    return len(data_set.factor_sizes) if str(options["known"]) == "which" else 1


def what_changed(run: Run, data: DataSet, seeds: Sequence[int] = ()) -> Told:
    """(indices, factors [..., B, K]) to 1 for each factor in which an image's pair differs, or to how many do.

    The last image of an odd batch has no pair and is told 0.
    """
    which = run.options["known"] == "which"

    def told(indices: Tensor, factors: Tensor) -> Tensor:
        changed = changed_factors(factors).float()
        rest = factors[..., 2 * changed.shape[-2] :, :]
        every = torch.cat((changed, changed, torch.zeros_like(rest, dtype=changed.dtype)), dim=-2)
        return every if which else every.sum(dim=-1, keepdim=True)

    return told


CHANGES = Telling(told_size, what_changed, what_changed, to_model=False)
"""Told to the objective alone: the encoder sees images and nothing else, in training as afterwards."""
