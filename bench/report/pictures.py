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
from ..figures.sheets import sheets
from ..figures.style import DOTS_PER_INCH
from ..one_line import one_line
from ..store import Store

PICTURE_BYTES = 550_000
"""A figure takes no more of the page than this; larger ones lose colours first, then pixels."""

PICTURE_PIXELS = 6_000_000
"""Of a figure that has these bytes to itself; a larger one, of many arms, may take as many more, to stay readable."""


@dataclass(frozen=True)
class Picture:
    """A PNG on the page."""

    source: str
    data_set: str
    """That it is of; empty where it shows all."""
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Pictured:
    """A figure on the page: one picture, or one a data set; without any, a note on what it would need."""

    entry: FigureEntry
    pictures: list[Picture]


def pictures(store: Store, rows: pd.DataFrame) -> Iterable[Pictured]:
    """Every figure as PNGs inside data addresses, or a note in its place."""
    data_sets = ", ".join(dict.fromkeys(rows.loc[rows["status"] == "done", "data_set"]))
    objectives = ", ".join(OBJECTIVES[name].title for name in dict.fromkeys(rows["objective"]))
    state, parts = fingerprint(store), sheets(rows)
    for entry in FIGURES.values():
        found = []
        for sheet in parts[entry.apart]:
            image = png(entry, sheet.rows, store, state, sheet.stem)
            if image is not None:
                alt = f"{entry.title}: {objectives} on {sheet.data_set or data_sets}"
                found.append(picture(image, sheet.data_set, alt))
        yield Pictured(entry, found)


def picture(image: bytes, data_set: str, alt: str) -> Picture:
    """A PNG inside a data address, no larger than its bytes may be."""
    with Image.open(io.BytesIO(image)) as opened:
        width, height = (round(pixels * 96 / DOTS_PER_INCH) for pixels in opened.size)
        limit = round(PICTURE_BYTES * max(1.0, opened.width * opened.height / PICTURE_PIXELS))
    source = "data:image/png;base64," + base64.b64encode(fitted(image, limit)).decode()
    return Picture(source, one_line(data_set), alt, width, height)


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
