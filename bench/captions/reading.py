"""Captions read back: what a sentence says of the factors, and which images it is true of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ..bad_input import BadInput
from .grammar import IDLE, NOT_NAMED, Grammar, without_idle
from .writing import NO_WORD


def words_of(grammar: Grammar, text: str) -> list[str]:
    """The words of a sentence, without case, commas and hyphens.

    Raises:
        BadInput: no word, or one that the grammar does not know: names it, the nearest, and all by what they speak of.
    """
    words: list[str] = []
    for word in re.findall(r"[^\W_]+(?:-[^\W_]+)*", text.lower()):
        joined = word.replace("-", "")
        words += [joined] if joined in grammar.words else word.split("-")
    if not words:
        raise BadInput(f"a caption has words, got {text!r}; {known_words(grammar)}")
    for word in words:
        if word not in grammar.words:
            near = difflib.get_close_matches(word, grammar.words, n=3)
            guess = f"; did you mean {' or '.join(map(repr, near))}?" if near else ";"
            raise BadInput(f"unknown word {word!r}{guess} {known_words(grammar)}")
    return words


def known_words(grammar: Grammar) -> str:
    """All words in one line, by the factors that they speak of."""
    groups: dict[str, dict[str, None]] = {}
    listed: set[str] = set(IDLE)
    for slot in grammar.slots.values():
        found = groups.setdefault(" and ".join(slot.factors), {})
        for ways in slot.phrases.values():
            found |= dict.fromkeys(word for phrase in ways for word in without_idle(phrase.split()))
    for found in groups.values():
        listed |= set(found)
    said = [f"{factors}: {' '.join(found)}" for factors, found in groups.items()]
    rest = [word for word in grammar.words if word in IDLE or word not in listed]
    return f"known words of {'; of '.join(said)}; and {' '.join(rest)}"


def parsed(grammar: Grammar, text: str) -> dict[str, int]:
    """What a sentence says: factor to coarse class. The longest phrase that begins at a word is taken, left to right.

    Raises:
        BadInput: an unknown word, a sentence or words in their place that say nothing, a factor said to be two things.
    """
    words = list(without_idle(words_of(grammar, text)))
    if not words:
        raise BadInput(f"{text!r} says nothing; {known_words(grammar)}")
    longest = max(len(key) for key in grammar.meanings)
    constraints: dict[str, int] = {}
    while words:
        for length in range(min(longest, len(words)), 0, -1):
            if (key := tuple(words[:length])) in grammar.meanings:
                break
        else:
            examples = [" ".join(key) for key in grammar.meanings if words[0] in key][:3]
            raise BadInput(
                f"{words[0]!r} says nothing where it stands in {text!r}; it is used in: {', '.join(examples)}"
            )
        for factor, coarse in grammar.meanings[key]:
            if constraints.setdefault(factor, coarse) != coarse:
                labels = grammar.aspects[grammar.column(factor)].labels
                raise BadInput(
                    f"{text!r} says two things of {factor}: {labels[constraints[factor]]} and {labels[coarse]}"
                )
        del words[:length]
    return constraints


def numbered(grammar: Grammar, text: str) -> Tensor:
    """A sentence as a model is told it: numbers of words [T], `NO_WORD` after the last.

    Raises:
        BadInput: as `words_of`, or more words than any caption has.
    """
    words = words_of(grammar, text)
    if len(words) > grammar.length:
        raise BadInput(f"a caption has at most {grammar.length} words, got {len(words)}: {text!r}")
    numbers = [grammar.words.index(word) + 1 for word in words]
    return torch.tensor(numbers + [NO_WORD] * (grammar.length - len(words)))


def as_said(grammar: Grammar, constraints: Mapping[str, int]) -> Tensor:
    """Constraints as a row of coarse classes [K], with `NOT_NAMED` for what they leave out."""
    return torch.tensor([constraints.get(aspect.factor, NOT_NAMED) for aspect in grammar.aspects])


def fits(grammar: Grammar, said: Tensor, coarse: Tensor) -> Tensor:
    """Which factors of images with coarse classes [..., K] are as a caption says [..., K], as bool [..., K].

    True where it says nothing. A turn is right if the image's shape looks the same after it.
    """
    period = torch.full_like(coarse, 1)
    for column, aspect in enumerate(grammar.aspects):
        size = len(aspect.labels)
        if aspect.periods:
            by_shape = torch.tensor(aspect.periods, device=coarse.device)
            period[..., column] = by_shape[coarse[..., grammar.column("shape")]]
        else:
            period[..., column] = size
    return (said == NOT_NAMED) | ((said - coarse) % period == 0)
