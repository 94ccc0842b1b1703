"""The look that all figures share: theme, colours, markers. Nothing here changes matplotlib's global state for good."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, to_hex, to_rgb

from ..catalogue import OBJECTIVES

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#7722DD")
"""Okabe and Ito's colours, with wine for their yellow, which is too pale for a line on white, and violet.

Any two stay apart with protanopia, deuteranopia and tritanopia; a test simulates all three.
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
"""A second sign beside the colour, for grey prints."""

DASHES = ("-", "--", ":", "-.")
"""Variants of one objective."""

SHADES = (0.0, 0.45, 0.25, 0.62)
"""How far variants' colours are moved towards black, those of dark objectives towards white."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Weights of red, green and blue."""

TERM_COLOURS = {
    "mutual_information_nats": "#0072B2",
    "total_correlation_nats": "#E69F00",
    "dimensionwise_kl_nats": "#BBBBBB",
}
"""The three terms of the KL, dark, middle and light."""

INK, FAINT, DEAD = "#1A1A1A", "#767676", "#767676"
"""Text; remarks; latents that carry next to nothing. All have a contrast of at least 4.5 on white."""

HEAT = ("#F7FAFC", "#A9CFE6", "#3A8FC2", "#00568A", "#002B47")
"""Of heat maps, from nothing to much."""

GREY_HEAT = ("#FAFAFA", "#CFCFCF", "#9C9C9C")
"""The same for what is to be left out of account."""

OPPOSED = ("#7A3000", "#D98040", "#F5CBA8", "#FAFAFA", "#A9CFE6", "#3A8FC2", "#004A78")
"""Of heat maps whose zero is in the middle: orange below, blue above, alike in lightness."""

ACCENT = "#D55E00"
"""A mark on a heat map."""

DOTS_PER_INCH = 200


def look() -> AbstractContextManager[None]:
    """The theme, for as long as the context lasts: enter it to draw and to save."""
    theme: Any = {
        **seaborn.axes_style("ticks"),
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 8.0,
        "axes.labelsize": 8.0,
        "axes.titlesize": 8.5,
        "axes.titlepad": 5.0,
        "axes.labelpad": 3.0,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.formatter.useoffset": False,
        "grid.color": "#E3E3E3",
        "grid.linewidth": 0.6,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "xtick.major.size": 3.0,
        "ytick.major.size": 3.0,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.minor.size": 0.0,
        "ytick.minor.size": 0.0,
        "lines.linewidth": 1.5,
        "lines.markersize": 4.5,
        "legend.frameon": False,
        "legend.fontsize": 8.0,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "axes.facecolor": "white",
        "pdf.fonttype": 42,  # TrueType: conferences refuse Type 3
        "svg.fonttype": "none",  # text as text, to be searched and edited
        "svg.hashsalt": "disbench",  # names of clip paths are the same every time
        "image.interpolation": "nearest",
    }
    return matplotlib.rc_context(theme)


def line_style(objective: str, number: int = 0) -> dict[str, Any]:
    """Colour and marker of an objective, its row in `OBJECTIVES`, so the same in all figures.

    Variant `number` of it has a shade of the colour and dashes of its own.
    """
    again, place = divmod(list(OBJECTIVES).index(objective), len(PALETTE))
    return {
        "color": shade(PALETTE[place], number % len(DASHES)),
        "marker": MARKERS[(place + again) % len(MARKERS)],  # each round of colours has its markers shifted
        "linestyle": DASHES[number % len(DASHES)],
    }


def shade(colour: str, number: int) -> str:
    """The colour itself for 0; further numbers are darker, or lighter where the colour is a dark one."""
    share = SHADES[number]
    rgb = np.array(to_rgb(colour))
    end = 1.0 if rgb @ LUMINANCE < 0.3 else 0.0
    return to_hex(tuple(rgb + share * (end - rgb))).upper() if share else colour


def heat_colours() -> Colormap:
    """White for nothing, dark blue for much: one order of luminance, so that it reads in grey too."""
    colours: Colormap = seaborn.blend_palette(HEAT, as_cmap=True)
    return colours


def grey_colours() -> Colormap:
    """Heat without colour, from the same white to a middle grey: what is there and does not count."""
    colours: Colormap = seaborn.blend_palette(GREY_HEAT, as_cmap=True)
    return colours


def opposed_colours() -> Colormap:
    """Orange for -1, white for 0, blue for 1."""
    colours: Colormap = seaborn.blend_palette(OPPOSED, as_cmap=True)
    return colours


def ink_on(red: float, green: float, blue: float) -> str:
    """Black or white text, whichever has more contrast on a background (WCAG relative luminance): at least 4.5."""

    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    return "white" if luminance < 0.179 else "black"


def quiet_grid(axes: Axes) -> None:
    """Faint horizontal rules behind the data."""
    axes.grid(axis="y")
    axes.set_axisbelow(True)
