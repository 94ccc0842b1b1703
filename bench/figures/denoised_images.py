"""Images, spoilt, filtered, and what models make of them."""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from disbench.datasets import DataSet

from ..denoising import CORRUPTIONS, best_filter, corrupted, filtered
from ..models import Model
from ..randomness import integers
from ..run import Run
from ..run_model import Conditioning
from ..store import Store
from ..tasks.denoising import KINDS, denoised
from .arms import Arm, arms_of, by_subject
from .page import Block, page
from .tiles import draw_mosaic, mosaic
from .trained import shown_models

TILES, TILE, GAP = 5, 0.27, 0.2
LEFT = 1.7

LEVEL = 0.25
"""Of every noise."""

EXAMPLES = 100
"""Images on which the filter is chosen."""

MOST = 8
"""Models of a data set."""


def draw_denoised_images(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A mosaic a data set and noise: clean, spoilt, filtered, then a row a model, for the smallest seed."""
    asked = rows[rows["denoising_levels"].notna()] if "denoising_levels" in rows else rows[:0]
    models = shown_models(asked, store, each=1, in_all=32)
    if not models:
        return None
    groups = {
        subject: [shown for shown in models if shown.arm.subject == subject][:MOST]
        for subject in by_subject(arms_of(asked))
    }
    groups = {subject: members for subject, members in groups.items() if members}
    blocks = [
        Block(
            subject,
            len(KINDS),
            len(KINDS),
            (TILE * TILES, TILE * (3 + len(members))),
            (GAP, 0.3),
            left=LEFT,
            bottom=0.1,
        )
        for subject, members in groups.items()
    ]
    figure, places = page(blocks)
    for members, drawn in zip(groups.values(), places, strict=True):
        labels = [
            "image",
            f"spoilt, level {LEVEL:g}",
            "classical filter",
            *(label(shown.arm, shown.strength) for shown in members),
        ]
        for number, (kind, axes) in enumerate(zip(CORRUPTIONS, drawn, strict=True)):
            sheet = pictures([(shown.run, shown.model) for shown in members], members[0].data, kind)
            centres = draw_mosaic(axes, mosaic(sheet), len(sheet))
            axes.set_title(KINDS[kind], loc="left")
            if number == 0:
                axes.set_yticks(centres, labels)
                axes.tick_params(axis="y", length=0, pad=3, labelsize=7)
    return figure


def label(arm: Arm, strength: float) -> str:
    """A model beside its row; the variant on a line of its own."""
    head, bracket, tail = arm.model(strength).partition(" (")
    return f"{head}\n({tail}" if bracket else head


@torch.no_grad()
def pictures(models: list[tuple[Run, Model]], data: DataSet, kind: str) -> Tensor:
    """Images [3 + models, TILES, C, H, W]: clean, spoilt, filtered, mended by each model."""
    drawn = integers([0], "sample", [0], TILES + EXAMPLES, below=len(data))[0, 0]
    indices, others = drawn[:TILES], drawn[TILES:]
    clean, examples = data.images(indices).cpu(), data.images(others).cpu()
    noisy = corrupted(clean, indices, kind, LEVEL, seed=0)
    suited = best_filter(corrupted(examples, others, kind, LEVEL, seed=0), examples)
    rows = [clean, noisy, torch.from_numpy(filtered(noisy, suited)).to(clean)]
    for run, model in models:
        told = Conditioning.of(run).evaluation(data)(indices, data.factors(indices))
        rows.append(denoised(model, noisy, told.cpu()))
    return torch.stack(rows)
