"""Samples of conditional models: the same random codes under every condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import torch
from matplotlib.figure import Figure

from disbench.datasets import entry

from ..models import Model
from ..randomness import normal
from ..run import Run
from ..run_model import code_width
from ..store import Store
from .arms import Arm, arms_of, by_subject, evenly, some_strengths
from .page import Block, arm_by_arm, columns_that_fit, is_left, page
from .tiles import Pixels, draw_mosaic, mosaic
from .trained import class_name, trained

TILES = 8
TILE = 0.215
MOST_CLASSES = 12
"""Of a condition with more classes, evenly spaced ones show."""


def draw_condition_samples(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A mosaic a model: a row a class, a column a code from the prior; for the smallest seed."""
    arms = [arm for arm in arms_of(rows) if arm.condition]
    sheets: list[tuple[Arm, float, Pixels]] = []
    for arm, strength in some_strengths(arms, each=3, in_all=33):
        found = trained(store, arm.first_seed(strength))
        if found is not None:
            sheets.append((arm, strength, samples(*found)))
    if not sheets:
        return None
    groups = {
        subject: [sheet for sheet in sheets if sheet[0].subject == subject]
        for subject in by_subject([arm for arm, _, _ in sheets])
    }
    blocks = []
    for subject, members in groups.items():
        classes = shown_classes(members[0][0])
        size = (TILE * TILES, TILE * len(classes))
        lengths = list(Counter(id(arm) for arm, _, _ in members).values())
        columns = min(
            columns_that_fit(size[0], 0.2, 0.83), max(lengths) if max(lengths) > 1 else len(lengths)
        )
        panels, slots = arm_by_arm(lengths, columns)
        blocks.append(Block(subject, panels, columns, size, (0.2, 0.45), left=0.75, bottom=0.15, slots=slots))
    figure, places = page(blocks)
    for block, members, drawn in zip(blocks, groups.values(), places, strict=True):
        for number, (arm, strength, picture), axes in zip(block.slots or (), members, drawn, strict=True):
            classes = shown_classes(arm)
            centres = draw_mosaic(axes, picture, len(classes))
            if is_left(number, block):
                axes.set_yticks(centres, class_labels(arm, classes))
                axes.tick_params(axis="y", length=0, pad=3)
            axes.set_title(arm.model(strength), loc="left")
    return figure


def shown_classes(arm: Arm) -> list[int]:
    """The classes of an arm's condition that have a row."""
    data_set = entry(arm.data_set)
    size = data_set.factor_sizes[data_set.factor_names.index(str(arm.condition))]
    return [int(c) for c in evenly(list(range(size)), MOST_CLASSES)]


def class_labels(arm: Arm, classes: Sequence[int]) -> list[str]:
    """What the classes are called: `square` where they have names, else `digit 3`."""
    return [class_name(arm.data_set, str(arm.condition), number) for number in classes]


@torch.no_grad()
def samples(run: Run, model: Model) -> Pixels:
    """Images decoded from the same prior draws under each class, as a mosaic [classes, draws]."""
    data_set = entry(run.data_set)
    size = data_set.factor_sizes[data_set.factor_names.index(str(run.condition))]
    classes = [int(c) for c in evenly(list(range(size)), MOST_CLASSES)]
    codes = normal([run.seed], "sample", [0], TILES * code_width(run))[0, 0].reshape(TILES, -1)
    told = torch.eye(size)[classes].repeat_interleave(TILES, dim=0)
    images = model.decode(model.prior(codes.repeat(len(classes), 1), told), told).sigmoid()
    return mosaic(images.unflatten(0, (len(classes), TILES)))
