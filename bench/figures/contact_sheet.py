"""A picture of a data set: random samples, and one traversal for each factor."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from disbench.datasets import DataSet

from ..randomness import integers

COLUMNS = 10


def save_contact_sheet(data: DataSet, path: Path) -> Path:
    """Draw the contact sheet of a data set into a PNG file."""
    contact_sheet(data).savefig(path, dpi=150)
    return path


def contact_sheet(data: DataSet) -> Figure:
    """Two rows of random samples, then a row per factor: its classes from first to last, all others kept.

    Without a full grid a factor's row shows images of each of its classes instead.
    """
    samples = integers([0], "sample", [0], 2 * COLUMNS, below=len(data))[0, 0]
    rows = [("samples", samples[:COLUMNS]), ("", samples[COLUMNS:])]
    rows += [(name, one_factor(data, k)) for k, name in enumerate(data.factor_names)]
    figure = Figure(figsize=(0.75 * COLUMNS + 1.2, 0.75 * len(rows) + 0.2), layout="constrained")
    axes = figure.subplots(len(rows), COLUMNS, squeeze=False, gridspec_kw={"wspace": 0.03, "hspace": 0.03})
    for (label, indices), line in zip(rows, axes, strict=True):
        for axis in line:
            axis.set_axis_off()
        images = data.images(indices).cpu().permute(0, 2, 3, 1).numpy()
        for axis, image in zip(line, images, strict=False):
            axis.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1)
        line[0].text(-0.1, 0.5, label, transform=line[0].transAxes, ha="right", va="center")
    return figure


def one_factor(data: DataSet, column: int) -> torch.Tensor:
    """Indices of at most `COLUMNS` images that show a factor's classes in order, of those that occur."""
    if data.is_full_grid:
        classes = spread(torch.arange(data.factor_sizes[column]))
        rows = torch.tensor(at_rest(data.factor_sizes)).repeat(len(classes), 1)
        rows[:, column] = classes
        return data.index(rows)
    labels = data.factors(range(len(data)))[:, column].cpu()
    return torch.stack([(labels == c).nonzero()[0, 0] for c in spread(labels.unique())])


def spread(classes: torch.Tensor) -> torch.Tensor:
    """At most `COLUMNS` of the classes, the first and the last among them."""
    places = np.linspace(0, len(classes) - 1, min(len(classes), COLUMNS)).round().astype(np.int64)
    return classes[torch.from_numpy(places)]


def at_rest(sizes: tuple[int, ...]) -> list[int]:
    """The classes of the factors that do not move: somewhere in each range, nowhere alike, so that hues differ."""
    golden = (math.sqrt(5) - 1) / 2
    return [int(size * ((0.2 + golden * (k + 1)) % 1)) for k, size in enumerate(sizes)]
