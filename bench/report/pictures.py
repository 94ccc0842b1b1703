"""The figures of a report, inside the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from PIL import Image

from ..catalogue import OBJECTIVES
from ..figures import FIGURES, FigureEntry, fingerprint, png
from ..figures.style import DOTS_PER_INCH
from ..store import Store

PICTURE_BYTES = 550_000
"""A figure takes no more of the page than this; larger ones lose colours first, then pixels."""


@dataclass(frozen=True)
class Picture:
    """A figure on the page; without `source`, a note on what it would need."""

    entry: FigureEntry
    source: str
    alt: str
    width: int
    height: int


def pictures(store: Store, rows: pd.DataFrame) -> Iterable[Picture]:
    """Every figure as a PNG inside a data address, or a note in its place."""
    data_sets = ", ".join(dict.fromkeys(rows.loc[rows["status"] == "done", "data_set"]))
    objectives = ", ".join(OBJECTIVES[name].title for name in dict.fromkeys(rows["objective"]))
    state = fingerprint(store)
    for entry in FIGURES.values():
        image = png(entry, rows, store, state)
        if image is None:
            yield Picture(entry, "", "", 0, 0)
            continue
        with Image.open(io.BytesIO(image)) as opened:
            width, height = (round(pixels * 96 / DOTS_PER_INCH) for pixels in opened.size)
        source = "data:image/png;base64," + base64.b64encode(fitted(image)).decode()
        yield Picture(entry, source, f"{entry.title}: {objectives} on {data_sets}", width, height)


def fitted(png: bytes, limit: int = PICTURE_BYTES) -> bytes:
    """A PNG of at most `limit` bytes: as it is, with 256 colours, or smaller until it fits."""
    if len(png) <= limit:
        return png
    image = Image.open(io.BytesIO(png)).convert("RGB")
    while True:
        stream = io.BytesIO()
        image.quantize(256, dither=Image.Dither.NONE).save(stream, "png", optimize=True)
        if stream.tell() <= limit or image.width < 400:
            return stream.getvalue()
        image = image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)
