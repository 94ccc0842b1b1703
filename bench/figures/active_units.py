"""Active units, and how many latents have collapsed, against strength: over all seeds, from the rows alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..store import Store
from .arms import Arm, Floats, arms_of, by_subject
from .page import Block, page
from .scores import draw_legend, draw_over_strength, legend_height
from .strength_axis import StrengthAxis
from .style import quiet_grid

UNITS, KL = "active_units", "kl_per_dimension_nats"

THRESHOLDS = (0.01, 0.1, 1.0)
"""Nats below which a latent's mean KL counts as collapsed, a panel each: negligible, small."""

PANEL = (1.16, 1.15)


def draw_active_units(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A row of panels a data set and condition: active units, then the share of latents below each threshold."""
    groups = {
        subject: having
        for subject, arms in by_subject(arms_of(rows)).items()
        if (having := [arm for arm in arms if arm.strengths_with(UNITS) or arm.has(KL)])
    }
    if not groups:
        return None
    count = 1 + len(THRESHOLDS)
    blocks = [
        Block(subject, count, count, PANEL, gap=(0.42, 0.5), top=0.36, left=0.45, bottom=0.45)
        for subject in groups
    ]
    methods = {arm.method: arm for arms in groups.values() for arm in arms}
    figure, places = page(blocks, header=legend_height(methods))
    for arms, (units, *shares) in zip(groups.values(), places, strict=True):
        axis = StrengthAxis.of(arms)
        draw_over_strength(units, arms, axis, lambda arm, strength: arm.values(UNITS, strength))
        units.set_title("active units", loc="left")
        units.set_ylim(0, 1.06 * max(1.0, *(latents_of(arm) for arm in arms), units.get_ylim()[1] / 1.06))
        units.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        for axes, threshold in zip(shares, THRESHOLDS, strict=True):
            draw_over_strength(axes, arms, axis, partial(share_below, threshold=threshold))
            axes.set_title(f"share of latents\nbelow {threshold:g} nats", loc="left")
            axes.set_ylim(-0.04, 1.04)
            axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        for axes in (units, *shares):
            axis.apply(axes, width=PANEL[0])
            axes.set_xlabel(axis.label.replace("strength ", ""))
            quiet_grid(axes)
    draw_legend(figure, methods)
    return figure


def share_below(arm: Arm, strength: float, *, threshold: float) -> Floats:
    """Share of latents whose KL, mean over images, is below so many nats, of each seed that has it, [seeds]."""
    if KL not in arm.rows:
        return np.empty(0)
    at_strength = arm.rows[KL].iloc[arm.places[strength]]
    lists = (np.asarray(known, dtype=np.float64) for known in at_strength if np.ndim(known) == 1)
    return np.array([(kl < threshold).mean() for kl in lists if kl.size and np.isfinite(kl).all()])


def latents_of(arm: Arm) -> int:
    """How many latents the arm's models have, as far as their rows say it."""
    return max((len(known) for known in arm.rows.get(KL, []) if np.ndim(known) == 1), default=0)
