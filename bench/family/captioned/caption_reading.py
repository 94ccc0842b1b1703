"""How often a caption's factors can be read off the image that a model makes of it; unseen combinations too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from disbench.datasets import DataSet
from disbench.metrics import Score

from ...captions import NOT_NAMED, Grammar, Writer, fits
from ...randomness import integers, keyed_uniform, normal
from ...run import Run
from ...tasks import Subject, Task
from ...training_part import is_held_out
from .factor_reader import Judge, judge

CHOICE, CODES = 102, 103
"""Steps of the role `metric` that captioned images are chosen at, and codes drawn."""

AT_ONCE = 128
"""Images made in one pass. Changes no number."""

ROWS_AT_ONCE = 2**16

MEANINGS = {
    "": "read right off images made of captions and prior codes",
    "_real": "read right off the captioned images themselves: the most to expect",
    "_chance": "read right off images that have nothing to do with the caption: what luck gives",
}

SIDES = {"": "of combinations in training", "_held_out": "of combinations never in training"}


def scores() -> Iterator[Score]:
    """Every column, side by side."""
    for side, captions in SIDES.items():
        for kind, meaning in MEANINGS.items():
            column = f"caption_reading{side}{kind}"
            whole = f"share of named factors {meaning}; captions {captions}"
            yield Score(column, None if kind == "_chance" else "higher", "", whole, values=(0.0, 1.0))
            yield Score(
                f"{column}_by_factor", None, "", "the same of each factor", "curve", values=(0.0, 1.0)
            )


class Combinations(NamedTuple):
    """Which combinations of coarse classes a training never saw."""

    factors: tuple[str, ...]
    """Of the split."""
    unseen: Callable[[Tensor], Tensor]
    """Factors [B, K] to bool [B]: every image that is described alike by the factors of the split is held out."""


def combinations(run: Run, data: DataSet, writer: Writer) -> Combinations | None:
    """Of a run's split, in coarse classes; None where everything is trained on."""
    if run.hold_out is None:
        return None
    kinds = [run.hold_out.get(kind) for kind in ("compositional", "extrapolation")]
    factors = next((tuple(kind) for kind in kinds if kind), data.factor_names)
    columns = [data.factor_names.index(name) for name in factors]
    sizes = [len(writer.grammar.aspects[column].labels) for column in columns]

    def numbered(rows: Tensor) -> Tensor:
        number = torch.zeros_like(rows[:, 0])
        for column, size in zip(columns, sizes, strict=True):
            number = number * size + writer.coarse(rows)[:, column]
        return number

    seen = torch.zeros(math.prod(sizes), dtype=torch.bool, device=data.device)
    for start in range(0, len(data), ROWS_AT_ONCE):
        indices = torch.arange(start, min(start + ROWS_AT_ONCE, len(data)))
        rows = data.factors(indices)
        out = is_held_out(run, indices, rows, data)
        assert out is not None
        seen[numbered(rows)[~out]] = True
    return Combinations(factors, lambda rows: ~seen[numbered(rows)])


def measure(subject: Subject, *, captions: int, reader_steps: int, reader_seed: int) -> dict[str, Any]:
    """Scores of one model over so many captions a side, by the reader of a seed, which is the same for every model."""
    run, data = subject.run, subject.data
    reader = judge(data, run.data_set, reader_seed, reader_steps)
    split = combinations(run, data, reader.writer)
    rows = data.factors(reader.kept_back)
    sides = {"": torch.ones_like(rows[:, 0], dtype=torch.bool)}
    if split is not None:
        held_out = is_held_out(run, reader.kept_back, rows, data)
        assert held_out is not None
        sides = {"": ~held_out, "_held_out": split.unseen(rows)}
    found: dict[str, Any] = {}
    by_luck: Tensor | None = None
    for side, belongs in sides.items():
        images = reader.kept_back[belongs]
        if not len(images):
            continue
        chosen = integers([run.seed], "metric", [CHOICE], captions, below=len(images))[0, 0]
        always = () if split is None else split.factors
        said, read, of_real = read_back(subject, reader, images[chosen.to(data.device)], always)
        by_luck = of_real if by_luck is None else by_luck
        # Every caption beside every image that is trained on: what a model that ignores captions would get.
        pairs = (said[:, None].expand(-1, len(by_luck), -1), by_luck[None].expand(len(said), -1, -1))
        found |= shares(reader.grammar, said, read, f"caption_reading{side}")
        found |= shares(reader.grammar, said, of_real, f"caption_reading{side}_real")
        found |= shares(reader.grammar, *pairs, f"caption_reading{side}_chance")
    return found


def read_back(
    subject: Subject, reader: Judge, images: Tensor, always: tuple[str, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Caption images and make images of the captions: what is said, read off those, and off the first, [n, K]."""
    run, data, writer = subject.run, subject.data, reader.writer
    seeds = torch.tensor([run.seed], device=data.device)
    chances = keyed_uniform(seeds, "captions", images[None], writer.chances)[0]
    written = writer(data.factors(images), chances, named=float(run.options["named"]), always=always)
    width = subject.mean.shape[1]
    noise = (
        normal([run.seed], "metric", [CODES], len(images) * width)[0, 0].reshape(-1, width).to(data.device)
    )
    made, real = [], []
    for told, draws, batch in zip(
        written.words.float().split(AT_ONCE), noise.split(AT_ONCE), images.split(AT_ONCE), strict=True
    ):
        codes = subject.model.prior(draws, told)
        made.append(reader.read(subject.model.decode(codes, told).sigmoid()))
        real.append(reader.read(data.images(batch)))
    return written.said, torch.cat(made), torch.cat(real)


def shares(grammar: Grammar, said: Tensor, coarse: Tensor, column: str) -> dict[str, Any]:
    """Of the factors that captions name [..., K], the share that images with coarse classes [..., K] fit."""
    named = (said != NOT_NAMED).flatten(0, -2)
    right = fits(grammar, said, coarse).flatten(0, -2) & named
    by_factor = right.sum(dim=0) / named.sum(dim=0).clamp(min=1)
    return {
        column: float(right.sum() / named.sum().clamp(min=1)),
        f"{column}_by_factor": [float(share) for share in by_factor],
    }


def objection(run: Run) -> str | None:
    """Why it is not defined for a run's models."""
    return None if run.architecture.startswith("captioned_") else f"{run.objective} is told no captions"


CAPTION_READING = Task(
    tuple(scores()),
    measure,
    {"captions": 500, "reader_steps": 500, "reader_seed": 0},
    objection,
)
