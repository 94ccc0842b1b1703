"""A film of a model's latents: each in a tile of its own, moved to and fro; an animated GIF that loops."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..store import Store
from .tiles import Pixels
from .trained import Encoded, Shown, encoded, shown_models, told_first
from .traversals import ALIVE_NATS, EACH, IN_ALL, JUDGED, MOST_LATENTS, REACH, traversed

FRAMES = 24
"""From the middle to one end, to the other and back."""

MILLISECONDS = 90
"""That a frame stays."""

ACROSS = 4
"""Tiles side by side."""

SIDE = 80
"""Pixels of a tile, about: a whole multiple of the images' own."""

EDGE, LABEL, HEADER = 8, 16, 48
"""Pixels around tiles, for the text below each, and above all for title and scale."""

GREYS, COLOURS = 32, 128
"""Of grey and of coloured data: enough to see, and a small file."""

WHITE, INK, FAINT = 255, 26, 118


def traversal_films(rows: pd.DataFrame, store: Store) -> Iterator[tuple[str, bytes]]:
    """Name and GIF of each model that has a panel in the figure of traversals."""
    for shown in shown_models(rows, store, each=EACH, in_all=IN_ALL):
        yield film_name(shown), film(shown)


def film_name(shown: Shown) -> str:
    """Of its file, without ending: what the model is, and the beginning of its id, which sets variants apart."""
    run = shown.run
    parts = [run.data_set, run.condition and f"given-{run.condition}", run.objective, f"{run.strength:g}"]
    words = "-".join(re.sub(r"[^A-Za-z0-9.]+", "_", part).strip("._")[-40:] for part in parts if part)
    return f"traversals-{words}-seed{run.seed}-{run.run_id[:6]}"


def film(shown: Shown, *, frames: int = FRAMES, milliseconds: int = MILLISECONDS) -> bytes:
    """Every latent moved from -2 to 2 and back, standard deviations of its prior, from the code of the first image.

    Args:
        shown: the model, and the data set whose first images it is shown (the same as in the figure of traversals).
        frames: of the film, which goes on from its last to its first without a jump; at least 2.
        milliseconds: that each stays.

    Returns:
        An animated GIF of `frames` frames that loops for ever; the same bytes for the same model.
    """
    codes = encoded(shown.run, shown.model, shown.data, JUDGED)
    latents = codes.ranked[:MOST_LATENTS]
    # Half a frame off the ends, so that no two frames are alike but those that pass a place on the way back.
    steps = REACH * np.sin(2 * np.pi * (np.arange(frames) + 0.25) / frames)
    still = torch.stack([codes.images[0], reconstruction(shown, codes)])
    moved = traversed(shown.model, codes, latents, steps)
    labels = ["image", "reconstructed", *(f"z{j + 1}  {codes.kl[j]:.2f} nats" for j in latents)]
    inks = [INK, INK, *(INK if codes.kl[j] >= ALIVE_NATS else FAINT for j in latents)]
    told = told_first(shown.run, codes)
    title = shown.arm.model(shown.strength), f"{shown.arm.data_set}{told and f', given {told}'}"
    pictures = [
        frame(torch.cat([still, moved[:, number]]), labels, inks, title, float(step))
        for number, step in enumerate(steps)
    ]
    return gif(pictures, milliseconds)


@torch.no_grad()
def reconstruction(shown: Shown, codes: Encoded) -> Tensor:
    """Of the first image, from the mean of its posterior, [C, H, W]."""
    return shown.model.decode(codes.mean[:1], codes.condition[:1]).sigmoid()[0]


def frame(tiles: Tensor, labels: list[str], inks: list[int], title: tuple[str, str], step: float) -> Pixels:
    """One frame [height, width, 3]: tiles [T, C, H, W] with their labels, and where on the scale the latents are."""
    pixels = (tiles.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy().transpose(0, 2, 3, 1)
    pixels = pixels if pixels.shape[-1] == 3 else pixels[..., :1].repeat(3, axis=-1)
    enlarge = max(1, round(SIDE / max(pixels.shape[1:3])))
    pixels = pixels.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    count, height, width, _ = pixels.shape
    cell = max(width, 88) + EDGE, height + LABEL + EDGE
    size = (ACROSS * cell[0] + EDGE, HEADER + -(-count // ACROSS) * cell[1])
    sheet = Image.new("RGB", size, (WHITE,) * 3)
    pen = ImageDraw.Draw(sheet)
    pen.text((EDGE, 6), title[0], fill=(INK,) * 3, font=font(13))
    pen.text((EDGE, 25), title[1], fill=(FAINT,) * 3, font=font(11))
    draw_scale(pen, size[0], step)
    for number, (tile, label, ink) in enumerate(zip(pixels, labels, inks, strict=True)):
        down, across = divmod(number, ACROSS)
        x, y = EDGE + across * cell[0], HEADER + down * cell[1]
        sheet.paste(Image.fromarray(tile), (x, y))
        pen.text((x, y + height + 2), label, fill=(ink,) * 3, font=font(11))
    return np.asarray(sheet)


def draw_scale(pen: ImageDraw.ImageDraw, width: int, step: float) -> None:
    """The way from -2 to 2 at the upper right, and a mark where the latents are."""
    left, right, y = width - EDGE - 110, width - EDGE - 14, 16
    pen.line((left, y, right, y), fill=(FAINT,) * 3)
    for value in (-REACH, 0, REACH):
        x = (left + right) / 2 + value / REACH * (right - left) / 2
        pen.line((x, y - 3, x, y + 3), fill=(FAINT,) * 3)
        pen.text((x, y + 6), f"{value:g}", fill=(FAINT,) * 3, font=font(11), anchor="ma")
    x = (left + right) / 2 + step / REACH * (right - left) / 2
    pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(INK,) * 3)


def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of all figures, from matplotlib's own files."""
    path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def gif(frames: list[Pixels], milliseconds: int) -> bytes:
    """Frames [height, width, 3] as an animated GIF with one palette for all, so that no colour flickers."""
    if all((picture == picture[..., :1]).all() for picture in frames):
        pictures = [in_greys(picture[..., 0]) for picture in frames]
    else:
        together = Image.fromarray(np.concatenate(frames))
        palette = together.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        pictures = [
            Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in frames
        ]
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=milliseconds,
        loop=0,
        optimize=False,
    )
    return stream.getvalue()


def in_greys(picture: Pixels) -> Image.Image:
    """An image [height, width] in so many levels of grey, each pixel in the nearest."""
    image = Image.fromarray((picture / 255 * (GREYS - 1)).round().astype(np.uint8))
    image.putpalette(np.linspace(0, 255, GREYS).round().astype(np.uint8).repeat(3).tobytes())
    return image
