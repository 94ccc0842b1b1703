"""Decibels over the level of noise: every model, the classical filter and the spoilt images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..store import Store
from ..tasks.denoising import KINDS
from .arms import Arm, Floats, arms_of, by_subject, evenly
from .page import Block, header_place, page
from .style import FAINT, INK, PALETTE, quiet_grid

PANEL = (1.55, 1.35)
GAP = (0.42, 0.5)
MOST = 9
"""Models of a subject that have a line: as many as there are colours."""

PLAIN: dict[str, dict[str, Any]] = {
    "filtered": {"color": INK, "linestyle": "--"},
    "noisy": {"color": FAINT, "linestyle": ":"},
}
PLAIN_NAMES = {"filtered": "classical filter", "noisy": "spoilt image"}


def draw_denoising(rows: pd.DataFrame, store: Store) -> Figure | None:
    """A row of panels a data set, a noise a panel, a line a model: the mean over seeds of an arm's middle strength."""
    arms = [arm for arm in arms_of(rows) if arm.has("denoising_levels")]
    if not arms:
        return None
    groups = {subject: members[:MOST] for subject, members in by_subject(arms).items()}
    kinds = [kind for kind in KINDS if any(arm.has(f"psnr_denoised_{kind}_curve") for arm in arms)]
    blocks = [Block(subject, len(kinds), len(kinds), PANEL, GAP, left=0.5) for subject in groups]
    names = list(dict.fromkeys(arm.title for members in groups.values() for arm in members))
    lines = -(-(len(names) + len(PLAIN)) // 2)
    figure, places = page(blocks, header=0.1 + 0.17 * lines, width=5.4)
    for members, drawn in zip(groups.values(), places, strict=True):
        for number, (kind, axes) in enumerate(zip(kinds, drawn, strict=True)):
            draw_noise(axes, members, kind, names)
            if number == 0:
                axes.set_ylabel("PSNR, dB")
    handles = [Line2D([], [], color=PALETTE[n % len(PALETTE)], label=name) for n, name in enumerate(names)]
    handles += [Line2D([], [], label=PLAIN_NAMES[who], **style) for who, style in PLAIN.items()]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=header_place(figure, 0, 0), ncols=2,
        borderaxespad=0, borderpad=0.2, handlelength=1.6, columnspacing=1.4, fontsize=7.5,
    )  # fmt: skip
    return figure


def draw_noise(axes: Axes, arms: list[Arm], kind: str, names: list[str]) -> None:
    """The panel of one noise; the filter and the spoilt images are the first arm's, since they are no model's."""
    for who, style in PLAIN.items():
        levels, ratios = curve(arms[0], f"psnr_{who}_{kind}_curve")
        axes.plot(levels, ratios, linewidth=1.1, **style)
    for arm in arms:
        levels, ratios = curve(arm, f"psnr_denoised_{kind}_curve")
        colour = PALETTE[names.index(arm.title) % len(PALETTE)]
        axes.plot(levels, ratios, color=colour, linewidth=1.1, marker=".", markersize=3)
    axes.set_title(KINDS[kind], loc="left")
    axes.set_xlabel("level")
    quiet_grid(axes)


def curve(arm: Arm, column: str) -> tuple[Floats, Floats]:
    """Levels, and the mean over seeds at each, of the middle strength; both empty where there is none."""
    (strength,) = evenly(arm.strengths, 1)
    at_strength = arm.rows[arm.rows["strength"] == strength]
    if column not in at_strength:
        return np.empty(0), np.empty(0)
    found = at_strength[at_strength[column].notna()]
    levels = [np.asarray(value, dtype=np.float64) for value in found["denoising_levels"]]
    ratios = [np.asarray(value, dtype=np.float64) for value in found[column]]
    if not levels or any(part.shape != levels[0].shape for part in (*levels, *ratios)):
        return np.empty(0), np.empty(0)
    return levels[0], np.mean(ratios, axis=0)
