"""Splits of a grid by its factors: train on some combinations, test on those held out.

    train, test = held_out(data, compositional(data, {"shape": [2], "orientation": range(20, 40)}))
    train, test = held_out(data, extrapolation(data, {"scale": 0.8}))

A rule is any function from factor rows [B, K] and the images' indices [B] to whether each is held out [B].

- *Compositional*: every class occurs in training, but some combinations do not: those in which each of the named
  factors has one of the named classes (as hearts on the right in Watters et al., 2019; Montero et al., 2021).
- *Extrapolation*: classes beyond a bound do not occur in training at all (as in Schott et al., 2022).
- *Random*: a share of all combinations, drawn at random; of all images, where a combination of factors has several, as
  a digit has hundreds.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from .contract import DataSet
from .index_hash import hashes, mixed
from .subset import Subset

Rule: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Factor rows [B, K] and indices [B] to whether each is held out, bool [B]."""

ROWS_AT_ONCE = 1 << 18
SHARE = 5
"""Role of the random numbers of `random_share`; the next role is its seed's."""


class Factored(Protocol):
    """What a rule needs to know of a data set: an opened one and its row of the table both do."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def factor_names(self) -> tuple[str, ...]:
        """K names."""

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """K numbers of classes."""

    @property
    def is_full_grid(self) -> bool:
        """Whether every combination of factors has one image."""


def held_out(data: DataSet, rule: Rule) -> tuple[Subset, Subset]:
    """The combinations that `rule` leaves in, and those that it holds out; each a data set, in the whole's order.

    Raises ValueError where one of the two would be empty.
    """
    parts = []
    for start in range(0, len(data), ROWS_AT_ONCE):
        indices = torch.arange(start, min(start + ROWS_AT_ONCE, len(data)))
        rows = data.factors(indices)
        parts.append(rule(rows, indices.to(rows.device)).to(torch.bool))
    out = torch.cat(parts)
    train, test = (~out).nonzero()[:, 0], out.nonzero()[:, 0]
    if not len(train) or not len(test):
        raise ValueError(
            f"a split needs images on both sides; of {data.name}'s {len(data):,} the rule holds out {len(test):,}"
        )
    return Subset(data, train, f"{data.name}, not held out"), Subset(data, test, f"{data.name}, held out")


def compositional(data: Factored, classes: Mapping[str, Iterable[int]]) -> Rule:
    """Hold out the combinations in which every named factor has one of its named classes.

    Raises ValueError for fewer than two factors, unknown ones, classes that do not exist, and where a class would
    occur in no combination that is left: that is extrapolation.
    """
    if len(classes) < 2:
        raise ValueError(f"a compositional split combines two factors or more, got {list(classes) or 'none'}")
    columns = {_column(data, name): sorted(set(chosen)) for name, chosen in classes.items()}
    for column, chosen in columns.items():
        size = data.factor_sizes[column]
        if not chosen or chosen[0] < 0 or chosen[-1] >= size:
            raise ValueError(
                f"{data.factor_names[column]} has classes 0 to {size - 1}, got {chosen or 'none'}"
            )

    partly = [column for column, chosen in columns.items() if len(chosen) < data.factor_sizes[column]]
    if len(partly) < 2:
        raise ValueError(
            "of two factors or more some classes must stay, else a class is held out whole; all are chosen of "
            + ", ".join(data.factor_names[column] for column in columns if column not in partly)
        )

    def rule(rows: Tensor, indices: Tensor) -> Tensor:
        out = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        for column, chosen in columns.items():
            out &= torch.isin(rows[:, column], torch.tensor(chosen, device=rows.device))
        return out

    return rule


def extrapolation(data: Factored, bounds: Mapping[str, float]) -> Rule:
    """Hold out the images of which any named factor has a class at or beyond its bound.

    A bound in (0, 1) is a share of the factor's classes, counted from the first: `{"scale": 0.8}` trains on the
    first 80 % of the scales. Raises ValueError for unknown factors and for bounds that leave either side empty.
    """
    limits = {}
    for name, bound in bounds.items():
        size = data.factor_sizes[_column(data, name)]
        limit = round(bound * size)
        if not 0 < bound < 1 or not 0 < limit < size:
            raise ValueError(
                f"the bound of {name} is a share of its {size} classes with some on each side, got {bound}"
            )
        limits[_column(data, name)] = limit
    if not limits:
        raise ValueError("an extrapolation split needs a factor and its bound, like {'scale': 0.8}; got none")

    def rule(rows: Tensor, indices: Tensor) -> Tensor:
        out = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        for column, limit in limits.items():
            out |= rows[:, column] >= limit
        return out

    return rule


def random_share(data: Factored, share: float, seed: int = 0) -> Rule:
    """Hold out about this share of the combinations, drawn at random: a function of the combination and the seed.

    Of data that are no full grid, a share of the images: a combination of theirs is a class of many images, and to hold
    it out would be extrapolation.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is between 0 and 1, got {share}")
    sizes, of_combinations = data.factor_sizes, data.is_full_grid

    def rule(rows: Tensor, indices: Tensor) -> Tensor:
        number = indices.to(rows.device)
        if of_combinations:
            number = torch.zeros_like(rows[:, 0])
            for column, size in zip(rows.unbind(1), sizes, strict=True):
                number = number * size + column
        words = hashes(number, SHARE, 1)[:, 0]
        # Hashed once more with the seed's own hash: seeds are not shifted copies of each other.
        words = (
            mixed(words ^ hashes(torch.tensor([seed], device=rows.device), SHARE + 1, 1)[0, 0]).long()
            & 0xFFFFFFFF
        )
        return words < int(share * 2**32)

    return rule


def _column(data: Factored, name: str) -> int:
    if name not in data.factor_names:
        raise ValueError(f"{data.name} has no factor {name!r}; it has {', '.join(data.factor_names)}")
    return data.factor_names.index(name)
