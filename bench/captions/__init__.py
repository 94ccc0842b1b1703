"""Captions: English sentences of the factors of an image, written by a grammar and read back to what they say.

    caption("dsprites", [2, 0, 10, 3, 4])            # 'a heart that is little in the upper left corner turned ...'
    parse("dsprites", "a small heart at the top")    # {'shape': 2, 'scale': 0, 'posY': 0}, coarse classes

To add a data set: a `Grammar` in a file of its own, one row of `GRAMMARS`; the tests read back what it writes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch

from disbench.datasets import entry

from ..bad_input import BadInput
from ..randomness import keyed_uniform
from .digits import DIGITS
from .grammar import MOST_WORDS, NOT_NAMED, Aspect, Grammar, Slot
from .reading import as_said, fits, known_words, numbered, parsed
from .rooms import ROOMS
from .sprites import SPRITES
from .writing import NO_WORD, Writer, Written

GRAMMARS: dict[str, Grammar] = {
    **dict.fromkeys(("dsprites", "color_dsprites", "noisy_dsprites", "scream_dsprites"), SPRITES),
    "shapes3d": ROOMS,
    **dict.fromkeys(("digits", "mnist"), DIGITS),
}
"""By name of the data set."""


def grammar_of(data_set: str) -> Grammar:
    """The grammar of a data set; `BadInput` where nobody has written one."""
    if data_set not in GRAMMARS:
        raise BadInput(f"no captions of {data_set}: there is a grammar for {', '.join(GRAMMARS)}")
    return GRAMMARS[data_set]


def caption(
    data_set: str,
    factors: Sequence[int],
    seed: int = 0,
    *,
    index: int | None = None,
    named: float = 0.8,
    always: Collection[str] = (),
) -> str:
    """A sentence of an image: the one that a model of this seed is told of it.

    Args:
        data_set: a key of `GRAMMARS`.
        factors: [K], its classes.
        seed: of the run.
        index: which image of the data set it is; the place of its factors in the full grid, where not said.
        named: how likely each factor is to be named.
        always: factors that are named for certain.

    Raises:
        BadInput: a data set without a grammar.
    """
    writer = Writer(grammar_of(data_set))
    if index is None:
        sizes = entry(data_set).factor_sizes
        index = sum(int(c) * math.prod(sizes[k + 1 :]) for k, c in enumerate(factors))
    chances = keyed_uniform(torch.tensor([seed]), "captions", torch.tensor([[index]]), writer.chances)
    rows = torch.as_tensor(factors)[None, None]
    return writer.text(writer(rows, chances, named=named, always=always).words[0, 0])


def parse(data_set: str, text: str) -> dict[str, int]:
    """What a sentence says of the factors of a data set's images: factor to coarse class, an index of its labels.

    Raises:
        BadInput: an unknown word (names it, the nearest, and all that are known by factor), a contradiction, a data set
            without a grammar.
    """
    return parsed(grammar_of(data_set), text)


__all__ = [
    "GRAMMARS",
    "MOST_WORDS",
    "NOT_NAMED",
    "NO_WORD",
    "Aspect",
    "Grammar",
    "Slot",
    "Writer",
    "Written",
    "as_said",
    "caption",
    "fits",
    "grammar_of",
    "known_words",
    "numbered",
    "parse",
    "parsed",
]
