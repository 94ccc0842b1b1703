"""What a captioned model is told of an image: one sentence, the same whenever the image comes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from disbench.datasets import DataSet, Entry, Subset

from ...bad_input import BadInput
from ...captions import Writer, grammar_of, numbered, parsed
from ...objectives import Options, Telling, Told
from ...randomness import keyed_uniform
from ...run import Run


def caption_length(options: Options, condition: str | None, data_set: Entry) -> int:
    """T, the words of the longest caption of the data set."""
    named = options["named"]
    if not isinstance(named, int | float) or named > 1:
        raise BadInput(
            f"options.named is how likely a caption names a factor, above 0 and at most 1, got {named}"
        )
    return grammar_of(data_set.name).length


def captions_of(run: Run, data: DataSet, seeds: Sequence[int]) -> Told:
    """Captions [S, B, T] of images of `data`, which may be a part: its images keep the captions of the whole."""
    writer, named = Writer(grammar_of(run.data_set), data.device), float(run.options["named"])
    words, kept = torch.tensor(seeds, device=data.device), data.kept if isinstance(data, Subset) else None

    def told(indices: Tensor, factors: Tensor) -> Tensor:
        images = indices if kept is None else kept[indices]
        chances = keyed_uniform(words, "captions", images, writer.chances)
        return writer(factors, chances, named=named).words.float()

    return told


def evaluation(run: Run, data: DataSet) -> Told:
    """The captions [B, T] that the run's seed has for images."""
    told = captions_of(run, data, [run.seed])
    return lambda indices, factors: told(indices[None], factors[None])[0]


def of_text(run: Run, text: str) -> Tensor:
    """A sentence [T] as a model is told it, after a look that it says something that can be."""
    grammar = grammar_of(run.data_set)
    parsed(grammar, text)
    return numbered(grammar, text).float()


CAPTION = Telling(caption_length, captions_of, evaluation, of_text=of_text)
