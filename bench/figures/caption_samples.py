"""Samples of models that are told captions: the same draws of the prior under every caption."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from disbench.datasets import DataSet

from ..captions import GRAMMARS, Writer
from ..catalogue import OBJECTIVES
from ..family.captioned.caption_reading import combinations
from ..models import Model
from ..randomness import integers, keyed_uniform, normal
from ..run import Run
from ..run_model import code_width
from ..store import Store
from .arms import by_data_set
from .page import Block, page
from .style import ACCENT
from .tiles import Pixels, draw_mosaic, mosaic
from .trained import Shown, shown_models

ACROSS, DOWN = 8, 6
TILE = 0.45
LINE = 38
"""Letters of a caption on a line."""

CHOICE = 3
"""Step of the role `sample` that captioned images are chosen at."""

ASKED = 4096
"""Images among which those of each side of a split are looked for."""


class Captions(NamedTuple):
    """What a model is asked for."""

    words: Tensor
    """[rows, T]."""
    texts: list[str]
    unseen: list[bool]
    """Whether it is of a combination that was never in training."""


def draw_caption_samples(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A mosaic a model: a row a caption, a column a draw of the prior; for the smallest seed, a strength an arm."""
    told = rows[[name in OBJECTIVES and OBJECTIVES[name].reads_text for name in rows["objective"]]]
    models = shown_models(told, store, each=1, in_all=8) if len(told) else []
    models = [shown for shown in models if shown.run.data_set in GRAMMARS]
    if not models:
        return None
    sheets: list[tuple[Shown, Captions, Pixels]] = []
    for shown in models:
        captions = captions_for(shown.run, shown.data)
        sheets.append((shown, captions, samples(shown.run, shown.model, captions)))
    size = (TILE * ACROSS, TILE * DOWN)
    subjects = by_data_set([shown.arm for shown, _, _ in sheets])
    blocks = [
        Block(subject, len(arms), 1, size, (0.2, 0.4), left=2.8, bottom=0.15)
        for subject, arms in subjects.items()
    ]
    figure, places = page(blocks)
    for subject, drawn in zip(subjects, places, strict=True):
        members = [sheet for sheet in sheets if sheet[0].arm.data_set == subject]
        for (shown, captions, picture), axes in zip(members, drawn, strict=True):
            centres = draw_mosaic(axes, picture, DOWN)
            axes.set_yticks(centres, [in_lines(text) for text in captions.texts])
            axes.tick_params(axis="y", length=0, pad=3)
            for label, unseen in zip(axes.get_yticklabels(), captions.unseen, strict=True):
                label.set_fontsize(7)
                if unseen:
                    label.set_color(ACCENT)
            axes.set_title(shown.arm.model(shown.strength), loc="left")
    return figure


def in_lines(text: str) -> str:
    """A caption on as many lines as it needs."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= LINE:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def captions_for(run: Run, data: DataSet) -> Captions:
    """Captions of images drawn by the same seed for every model, half of them never in training if there are such."""
    writer = Writer(GRAMMARS[run.data_set])
    indices = integers([0], "sample", [CHOICE], ASKED, below=len(data))[0, 0]
    factors = data.factors(indices).cpu()
    split = combinations(run, data, Writer(writer.grammar, data.device))
    unseen = torch.zeros(len(indices), dtype=torch.bool)
    if split is not None:
        unseen = split.unseen(factors.to(data.device)).cpu()
    seen_places, unseen_places = (side.nonzero()[:, 0] for side in (~unseen, unseen))
    few = min(DOWN // 2, len(unseen_places))
    places = torch.cat((seen_places[: DOWN - few], unseen_places[:few]))
    chances = keyed_uniform(torch.tensor([0]), "captions", indices[places][None], writer.chances)[0]
    named = float(run.options["named"])
    always = () if split is None else split.factors
    words = writer(factors[places], chances, named=named, always=always).words
    return Captions(words, [writer.text(row) for row in words], unseen[places].tolist())


@torch.no_grad()
def samples(run: Run, model: Model, captions: Captions) -> Pixels:
    """Images of each caption from the same draws, as a mosaic [captions, draws]."""
    noise = normal([run.seed], "sample", [0], ACROSS * code_width(run))[0, 0].reshape(ACROSS, -1)
    told = captions.words.float().repeat_interleave(ACROSS, dim=0)
    codes = model.prior(noise.repeat(len(captions.words), 1), told)
    return mosaic(model.decode(codes, told).sigmoid().unflatten(0, (-1, ACROSS)))
