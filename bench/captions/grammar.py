"""A grammar: what can be said of which factors, in which words and orders."""

from __future__ import annotations

import itertools
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

IDLE = frozenset(
    (
        "a",
        "an",
        "the",
        "there",
        "is",
        "that",
        "at",
        "in",
        "on",
        "by",
        "of",
        "to",
        "near",
        "from",
        "with",
        "standing",
    )
)
"""Words that join others and say nothing of any factor."""

MOST_WORDS = 127
"""Of a grammar: models keep a row for each, and a row for no word, whose number is 0."""

NOT_NAMED = -1
"""In place of a coarse class: the caption leaves this factor out."""

Classes = tuple[int, ...]
"""A coarse class, or `NOT_NAMED`, for each factor of a slot."""


@dataclass(frozen=True)
class Aspect:
    """A factor as it is spoken of: which of its classes are said alike."""

    factor: str
    labels: tuple[str, ...]
    """Of its coarse classes."""
    coarse: tuple[int, ...]
    """The coarse class of each class."""
    periods: tuple[int, ...] = ()
    """For a turn: after how many coarse classes each class of `shape` looks the same again."""


@dataclass(frozen=True)
class Slot:
    """A place in a sentence, and the ways to say there what some factors are."""

    factors: tuple[str, ...]
    phrases: Mapping[Classes, tuple[str, ...]]
    """What it says, for every combination of coarse classes with each other and with `NOT_NAMED`."""


@dataclass(frozen=True)
class Grammar:
    """How captions of a data set are made; each template has every factor in exactly one of its slots.

    Raises:
        ValueError: a template that leaves a factor out or has it twice, a slot that lacks a combination, a phrase that
            means two things, more words than `MOST_WORDS`.
    """

    aspects: tuple[Aspect, ...]
    """In the order of the data set's factors."""
    slots: Mapping[str, Slot]
    templates: tuple[str, ...]
    """Word orders: words, and names of slots in braces."""
    meanings: dict[tuple[str, ...], tuple[tuple[str, int], ...]] = field(init=False, repr=False)
    """The words of a phrase without idle ones, to the (factor, coarse class) pairs that it says."""

    def __post_init__(self) -> None:
        """Look that every sentence says each factor once and can be read back."""
        for template in self.templates:
            said = sorted(f for name in slots_in(template) for f in self.slots[name].factors)
            if said != sorted(aspect.factor for aspect in self.aspects):
                raise ValueError(f"template {template!r} speaks of {', '.join(said)}")
        found: dict[tuple[str, ...], tuple[tuple[str, int], ...]] = {}
        for name, slot in self.slots.items():
            for classes in self.combinations(slot):
                if classes not in slot.phrases:
                    raise ValueError(f"slot {name!r} has nothing to say of {classes}")
                meaning = tuple(
                    (factor, c) for factor, c in zip(slot.factors, classes, strict=True) if c != NOT_NAMED
                )
                for phrase in slot.phrases[classes]:
                    key = without_idle(phrase.split())
                    if key and found.setdefault(key, meaning) != meaning:
                        raise ValueError(f"{' '.join(key)!r} means {found[key]} and {meaning}")
                    if meaning and not key:
                        raise ValueError(f"{phrase!r} says nothing of {meaning}")
        object.__setattr__(self, "meanings", found)
        if len(self.words) > MOST_WORDS:
            raise ValueError(f"{len(self.words)} words; at most {MOST_WORDS}")

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word that a caption may have, in alphabetical order; word i has the number i + 1."""
        phrases = (
            phrase for slot in self.slots.values() for ways in slot.phrases.values() for phrase in ways
        )
        fixed = (word for template in self.templates for word in template.split() if word[0] != "{")
        articles = ("a", "an")
        return tuple(sorted({*articles, *fixed, *(word for phrase in phrases for word in phrase.split())}))

    @cached_property
    def length(self) -> int:
        """T, the words of the longest caption."""
        longest = {
            name: max(len(phrase.split()) for ways in slot.phrases.values() for phrase in ways)
            for name, slot in self.slots.items()
        }
        return max(
            sum(longest[part[1:-1]] if part[0] == "{" else 1 for part in template.split())
            for template in self.templates
        )

    def column(self, factor: str) -> int:
        """Where a factor stands among the data set's."""
        return [aspect.factor for aspect in self.aspects].index(factor)

    def combinations(self, slot: Slot) -> list[Classes]:
        """Of the coarse classes of a slot's factors, each with `NOT_NAMED` in front; the last factor fastest."""
        return list(
            itertools.product(
                *(
                    (NOT_NAMED, *range(len(self.aspects[self.column(factor)].labels)))
                    for factor in slot.factors
                )
            )
        )


def slots_in(template: str) -> list[str]:
    """Names of the slots of a template, in its order."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name]


def without_idle(words: list[str]) -> tuple[str, ...]:
    """The words that say something."""
    return tuple(word for word in words if word not in IDLE)


def slot(factor: str, *phrases: tuple[str, ...], unnamed: tuple[str, ...] = ("",)) -> Slot:
    """A slot of one factor: the ways to say each of its coarse classes, and to leave it out."""
    return Slot((factor,), {(NOT_NAMED,): unnamed, **{(c,): ways for c, ways in enumerate(phrases)}})


def thirds(classes: int) -> tuple[int, ...]:
    """0, 1 or 2 for each of so many classes: the lowest third, the middle, the highest."""
    return tuple(c * 3 // classes for c in range(classes))
