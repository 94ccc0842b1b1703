"""Captions of many images at once, as tensors of word numbers: tables looked up by factors and uniform numbers."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from .grammar import NOT_NAMED, Grammar, Slot

NO_WORD = 0
"""The number that fills a caption up to the length of the longest."""


class Written(NamedTuple):
    """Captions of images with factors [..., K]."""

    words: Tensor
    """[..., T] int64, numbers of words from 1; `NO_WORD` after the last."""
    said: Tensor
    """[..., K] int64, the coarse class that the caption names of each factor, or `NOT_NAMED`."""


class Writer:
    """Writes captions by a grammar, with tensor operations alone, on a device: see `__call__`."""

    def __init__(self, grammar: Grammar, device: torch.device | str = "cpu") -> None:
        self.grammar = grammar
        self.number = {word: n for n, word in enumerate(grammar.words, start=1)}
        self.slots = {
            name: SlotTable(grammar, entry, self.number, device) for name, entry in grammar.slots.items()
        }
        widest = max(len(aspect.coarse) for aspect in grammar.aspects)
        self.coarse_classes = torch.tensor(
            [[*aspect.coarse, *[0] * (widest - len(aspect.coarse))] for aspect in grammar.aspects],
            device=device,
        )
        self.width = max(table.phrases.shape[2] for table in self.slots.values())
        self.plan, self.fixed = self.orders(device)
        vowel = [False, *(word[0] in "aeiou" and word != "one" for word in grammar.words)]
        self.begins_with_vowel = torch.tensor(vowel, device=device)

    @property
    def chances(self) -> int:
        """Uniform numbers that a caption takes: for the word order, for each factor, for each slot."""
        return 1 + len(self.grammar.aspects) + len(self.slots)

    def orders(self, device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Which pieces a template puts where [templates, P], and the pieces that are no slots [F, width]."""
        templates = [template.split() for template in self.grammar.templates]
        fixed = sorted({part for parts in templates for part in parts if part[0] != "{"})
        pieces = [*(f"{{{name}}}" for name in self.slots), *fixed, ""]
        most = max(len(parts) for parts in templates)
        plan = [[pieces.index(part) for part in parts + [""] * (most - len(parts))] for parts in templates]
        rows = [self.numbers(part) + [NO_WORD] * (self.width - len(part.split())) for part in [*fixed, ""]]
        return torch.tensor(plan, device=device), torch.tensor(rows, device=device)

    def numbers(self, phrase: str) -> list[int]:
        """Numbers of the words of a phrase."""
        return [self.number[word] for word in phrase.split()]

    def coarse(self, factors: Tensor) -> Tensor:
        """Factors [..., K] to coarse classes [..., K]."""
        columns = torch.arange(factors.shape[-1], device=factors.device)
        return self.coarse_classes[columns, factors]

    def __call__(
        self, factors: Tensor, chances: Tensor, *, named: float = 0.8, always: Collection[str] = ()
    ) -> Written:
        """Captions of images.

        Args:
            factors: [..., K] int64.
            chances: [..., `self.chances`], uniform in [0, 1).
            named: how likely a caption is to name a factor, each by itself.
            always: factors that every caption names.
        """
        count = len(self.grammar.aspects)
        order, presence, ways = chances.split((1, count, len(self.slots)), dim=-1)
        names = presence < named
        if always:  # never in a training step: a recorded one may copy nothing from the host
            sure = [aspect.factor in always for aspect in self.grammar.aspects]
            names = names | torch.tensor(sure, device=factors.device)
        said = torch.where(names, self.coarse(factors), NOT_NAMED)
        tables = zip(self.slots.values(), ways.unbind(-1), strict=True)
        phrases = torch.stack([table.phrase(said, chance, self.width) for table, chance in tables], dim=-2)
        fixed = self.fixed.expand(*phrases.shape[:-2], -1, -1)
        pieces = torch.cat((phrases, fixed), dim=-2)  # [..., slots + F, width]
        places = self.plan[picked(order[..., 0], len(self.plan))]  # [..., P]
        words = pieces.gather(-2, places[..., None].expand(*places.shape, self.width)).flatten(-2)
        return Written(self.with_articles(closed(words)[..., : self.grammar.length]), said)

    def with_articles(self, words: Tensor) -> Tensor:
        """`an` for `a` before vowels."""
        following = torch.cat((words[..., 1:], torch.zeros_like(words[..., :1])), dim=-1)
        before_vowel = (words == self.number["a"]) & self.begins_with_vowel[following]
        return torch.where(before_vowel, self.number["an"], words)

    def text(self, words: Tensor) -> str:
        """One caption [T] as a sentence."""
        return " ".join(self.grammar.words[n - 1] for n in words.tolist() if n != NO_WORD)


class SlotTable:
    """The phrases of a slot as a table: which combination of coarse classes, which way to say it, which word."""

    def __init__(
        self, grammar: Grammar, entry: Slot, number: dict[str, int], device: torch.device | str
    ) -> None:
        self.columns = [grammar.column(factor) for factor in entry.factors]
        self.sizes = [len(grammar.aspects[column].labels) + 1 for column in self.columns]
        ways = [entry.phrases[classes] for classes in grammar.combinations(entry)]
        most, width = max(map(len, ways)), max(len(phrase.split()) for way in ways for phrase in way)
        self.phrases = torch.zeros(len(ways), most, width, dtype=torch.int64)
        for combination, way in enumerate(ways):
            for variant, phrase in enumerate(way):
                numbers = [number[word] for word in phrase.split()]
                self.phrases[combination, variant, : len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        self.phrases = self.phrases.to(device)
        self.ways = torch.tensor([len(way) for way in ways], device=device)

    def phrase(self, said: Tensor, chance: Tensor, width: int) -> Tensor:
        """What it says [..., width] of coarse classes [..., K], the way picked by a uniform number [...]."""
        combination = torch.zeros_like(said[..., 0])
        for column, size in zip(self.columns, self.sizes, strict=True):
            combination = combination * size + said[..., column] + 1
        words = self.phrases[combination, picked(chance, self.ways[combination])]
        return torch.nn.functional.pad(words, (0, width - words.shape[-1]))


def picked(chance: Tensor, among: Tensor | int) -> Tensor:
    """A whole number below `among`, by a uniform number in [0, 1)."""
    number: Tensor = (chance * among).long()
    return number.clamp(max=among - 1)  # a product in float32 may round up to it


def closed(words: Tensor) -> Tensor:
    """Words [..., W] moved together to the front, in their order."""
    is_word, width = words != NO_WORD, words.shape[-1]
    places = torch.where(is_word, is_word.cumsum(dim=-1) - 1, width)  # behind the last, for what is none
    return words.new_zeros(*words.shape[:-1], width + 1).scatter(-1, places, words)[..., :width]
