"""What models make of the missing half of an image: the image, what is seen, draws, their mean, nearest neighbours."""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.figure import Figure

from disbench.datasets import DataSet

from ..imputation.about import about_data, picture
from ..imputation.baselines import knn_imputation
from ..imputation.impute import imputed, objection
from ..models import Model
from ..run import Run
from ..store import Store
from .arms import by_subject
from .page import Block, arm_by_arm, page, room_for, wrapped
from .tiles import Pixels, draw_mosaic, mosaic
from .trained import shown_models

IMAGES, DRAWS, STEPS = 5, 4, 60
"""Rows; draws, a chain each; steps of a chain."""

NAMES = ("image", "seen", *("draw",) * DRAWS, "mean", "kNN")

EACH, IN_ALL, COLUMNS = 1, 12, 3
TILE, GAP = 0.22, 0.25

SCORED = "imputation_nats_model_half"
"""Rows that have it are of studies that ask for imputation; no other pays for these pictures."""


def draw_imputed_images(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A mosaic a model, of the smallest seed and the middle strength of each arm."""
    asked = rows[rows[SCORED].notna()] if SCORED in rows else rows[:0]
    sheets = [
        (shown.arm, shown.strength, sheet_of(shown.run, shown.model, shown.data))
        for shown in shown_models(asked, store, each=EACH, in_all=IN_ALL)
        if objection(shown.run) is None
    ]
    if not sheets:
        return None
    subjects = by_subject([arm for arm, _, _ in sheets])
    blocks = []
    for subject, arms in subjects.items():
        panels, slots = arm_by_arm([1] * len(arms), COLUMNS)
        size = (TILE * len(NAMES), TILE * IMAGES)
        titles = [arm.model(strength) for arm, strength, _ in sheets if arm.subject == subject]
        top = room_for(titles, size[0] + GAP)
        columns, gaps = min(COLUMNS, panels), (GAP, 0.47 + top)
        blocks.append(Block(subject, panels, columns, size, gaps, left=0.1, top=top, bottom=0.4, slots=slots))
    figure, places = page(blocks)
    for subject, axes_of in zip(subjects, places, strict=True):
        members = [sheet for sheet in sheets if sheet[0].subject == subject]
        for (arm, strength, sheet), axes in zip(members, axes_of, strict=True):
            draw_mosaic(axes, sheet, IMAGES)
            axes.set_title(wrapped(arm.model(strength), TILE * len(NAMES) + GAP), loc="left")
            width = sheet.shape[1] / len(NAMES)
            axes.set_xticks([(n + 0.5) * width for n in range(len(NAMES))], NAMES)
            axes.tick_params(axis="x", length=0, labelsize=6, pad=2, rotation=90)
    return figure


@torch.no_grad()
def sheet_of(run: Run, model: Model, data: DataSet) -> Pixels:
    """The mosaic of one model; the images and masks are the same for every model of a data set."""
    about = about_data(run, data, IMAGES, "half", 0.5, seed=0)
    answer = imputed((run, model), about.x, about.seen, draws=DRAWS, steps=STEPS, told=about.told)
    neighbours = knn_imputation(about.training, about.x, about.seen).means
    return mosaic(picture(about, [*answer.draws, answer.mean, neighbours]))
