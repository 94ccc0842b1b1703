"""Histograms of every score, members against outliers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..figures.outliers import NAMES
from ..figures.page import Block, header_place, page
from ..figures.style import DOTS_PER_INCH, look
from .comparison import Comparison

COLOURS = {"inside": "#0072B2", "outside": "#D55E00"}
BINS = 30


def histograms(found: Comparison) -> Figure:
    """A panel a score, both groups over the same bins, with AUROC in the title."""
    with look():
        scores, auroc = list(found.inside), found.auroc
        block = Block("", len(scores), min(3, len(scores)), (1.6, 0.95), gap=(0.35, 0.62), left=0.45)
        figure, (panels,) = page([block], header=0.5, width=5.4)
        for axes, score in zip(panels, scores, strict=True):
            both = np.concatenate([found.inside[score], found.outside[score]])
            low, high = float(both.min()), float(both.max())
            bins = np.linspace(low, high if high > low else low + 1, BINS + 1)
            for side, colour in COLOURS.items():
                axes.hist(found.sides[side][score], bins=bins.tolist(), color=colour, alpha=0.6)
            axes.set_title(f"{NAMES[score]}, AUROC {auroc[score]:.3f}", loc="left")
            axes.set_xlabel("nats")
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        x, y = header_place(figure, 0, 0)
        figure.text(
            x, y, f"{found.run.label}, against {Path(found.against).stem}", size=8.5, va="top", ha="left"
        )
        figure.legend(
            handles=[
                Patch(color=COLOURS["inside"], alpha=0.6, label="members"),
                Patch(color=COLOURS["outside"], alpha=0.6, label="outliers"),
            ],
            loc="upper left", bbox_to_anchor=header_place(figure, 0, 0.2), ncols=2, borderaxespad=0, borderpad=0.2,
        )  # fmt: skip
        return figure


def write_png(figure: Figure, path: Path) -> None:
    """Save it."""
    with look():
        figure.savefig(path, format="png", dpi=DOTS_PER_INCH)
