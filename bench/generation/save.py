"""Grids of what models make, as PNG files."""

from __future__ import annotations

import hashlib
import json
import math
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from disbench.datasets import DataSet, load

from ..atomic_file import write_atomically
from ..bad_input import BadInput, unknown
from ..catalogue import OBJECTIVES
from ..figures.tiles import GAP, mosaic
from ..run import Run
from ..run_model import Conditioning
from ..store import Store
from ..tables import GROUP, variants_by_objective
from .kinds import KINDS, Question, of_texts

MOST_COUNT = 64
"""Images across; a grid of more is nobody's picture."""

MOST_BYTES = 80
"""Of a user's words in a file's name, which has at most 255."""

LETTER, LINE, MARGIN = 9, 11, 4
"""Pixels: of a letter of a caption beside its row, from line to line, and on both sides."""

LETTERS, MOST_SHOWN = 30, 200
"""Of a caption: on a line, and in all."""


@dataclass(frozen=True)
class Which:
    """Which models of a folder are asked; what is None does not matter."""

    run_id: str | None = None
    objective: str | None = None
    strength: float | None = None
    seed: int | None = None
    """None: the smallest seed of each setting."""


def chosen_models(store: Store, which: Which) -> pd.DataFrame:
    """Rows of finished models that fit and whose weights are there, in the study's order.

    Raises:
        BadInput: none fits.
    """
    rows = store.rows()
    rows = rows[rows["status"] == "done"]
    if not len(rows):
        raise BadInput(f"{store.folder} has no finished model; `disbench status` says what there is")
    found = rows
    for column, wanted in (
        ("run_id", which.run_id),
        ("objective", which.objective),
        ("strength", which.strength),
        ("seed", which.seed),
    ):
        if wanted is not None:
            known = [str(value) for value in dict.fromkeys(found[column])]
            found = found[found[column] == wanted]
            if not len(found):
                raise unknown(column.replace("_id", ""), f"{wanted}", known, where=str(store.folder))
    if which.seed is None and which.run_id is None:
        first = found.assign(variant=variants_by_objective(found)).sort_values("seed", kind="stable")
        kept = first.groupby(GROUP, sort=False, dropna=False).head(1).index
        found = found[found.index.isin(kept)]
    trained = store.trained()
    found = found[found["run_id"].isin(trained.keys())]
    if not len(found):
        raise BadInput(f"{store.folder}: the weights of these models are not in {store.weights}")
    return found


def save_grids(
    store: Store,
    rows: pd.DataFrame,
    kinds: Sequence[str],
    folder: Path,
    *,
    condition: str | None = None,
    texts: Sequence[str] = (),
    note: Callable[[str], None] = lambda line: None,
    **asked: Any,
) -> Iterator[Path]:
    """Write a PNG for each model and kind, and yield its path.

    Args:
        store: where the models are.
        rows: of `chosen_models`.
        kinds: keys of `KINDS`.
        folder: is made if it is not there.
        condition: of conditional models, `shape=heart` or `digit=3`: a class by its name or its number. Models that
            are told another factor, or none, are passed over where there are such that are told this one.
        texts: captions, each a row of one more grid, `..._text_WORDS.png`, beside its row. Models that are told no
            captions are passed over where there are such that are, and those whose data set's grammar cannot read them
            where another's can.
        note: called with a line for each of the latter.
        asked: further fields of `Question`.

    Raises:
        BadInput: an unknown kind, a condition that no model has, a caption that no model is told or with words that its
            grammar does not know, images that are not at hand, a file that cannot be written.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
    if not 1 <= asked.get("count", 1) <= MOST_COUNT:
        raise BadInput(f"count must be 1 to {MOST_COUNT}, got {asked['count']}")
    if asked.get("temperature", 1.0) < 0:
        raise BadInput(f"temperature must be at least 0, got {asked['temperature']:g}")
    if condition is not None and (fits := rows["condition"] == condition.partition("=")[0].strip()).any():
        rows = rows[fits]
    told = told_by_each(rows, texts, note)
    rows = rows[rows["run_id"].isin(told)]
    opened: dict[str, DataSet] = {}
    names = names_of(rows)
    for row in rows.to_dict("records"):
        run, model = store.model(row)
        data = opened.setdefault(run.data_set, open_data(run.data_set))
        question = Question(run, model, data, condition=class_of(run, condition), **asked)
        asks = {kind: KINDS[kind] for kind in kinds}
        if texts:
            asks[f"text_{of_sentences(texts)}"] = partial(of_texts, told=told[row["run_id"]])
        for kind, ask in asks.items():
            path = folder / f"{names[row['run_id']]}_{kind}.png"
            with torch.no_grad():
                picture = Image.fromarray(mosaic(ask(question)))
            save_png(picture if kind in KINDS else beside(texts, picture), path)
            yield path


def told_by_each(
    rows: pd.DataFrame, texts: Sequence[str], note: Callable[[str], None]
) -> Mapping[str, Tensor]:
    """What the model of each run id is told by captions, without models that are told none where others are."""
    if not texts:
        return {row["run_id"]: torch.zeros(0, 0) for row in rows.to_dict("records")}
    if (reads := rows["objective"].map(lambda name: OBJECTIVES[name].reads_text)).any():
        rows = rows[reads]
    told: dict[str, Tensor] = {}
    refusals: dict[str, BadInput] = {}
    for row in rows.to_dict("records"):
        run = Run.from_configuration(json.loads(row["configuration"]))
        try:
            told[row["run_id"]] = told_by(run, texts)
        except BadInput as refusal:
            refusals[run.label] = refusal
    if not told:
        raise next(iter(refusals.values()))
    for label, why in refusals.items():
        note(f"passed over: {label}: {why}")
    return told


def told_by(run: Run, texts: Sequence[str]) -> Tensor:
    """What a model is told by captions, [R, Y]."""
    telling = Conditioning.of(run).telling
    if telling is None or telling.of_text is None:
        known = ", ".join(name for name, objective in OBJECTIVES.items() if objective.reads_text)
        raise BadInput(f"{run.label}: is told no captions; --text is for {known}")
    return torch.stack([telling.of_text(run, text) for text in texts])


def of_sentences(texts: Sequence[str]) -> str:
    """Captions as a part of a file's name: their words, as the grammar hears them, joined."""
    return file_part("_".join("-".join(re.findall(r"[^\W_]+", text.lower())) for text in texts))


def beside(texts: Sequence[str], picture: Image.Image) -> Image.Image:
    """A picture of as many rows as captions, or of one caption, with each beside its row on the left."""
    font = ImageFont.load_default(LETTER)
    row = (picture.height + GAP) / len(texts)
    room = max(1, int((row - GAP) // LINE))
    said = [textwrap.shorten(text, MOST_SHOWN).encode("ascii", "replace").decode() for text in texts]
    lines = [textwrap.wrap(text, max(LETTERS, -(-3 * len(text) // (2 * room)))) for text in said]
    width = max(math.ceil(font.getlength(line)) for text in lines for line in text) + 2 * MARGIN
    sheet = Image.new("RGB", (width + picture.width, picture.height), "white")
    sheet.paste(picture, (width, 0))
    pen = ImageDraw.Draw(sheet)
    for place, text in enumerate(lines):
        top = place * row + max(0, (row - GAP - LINE * len(text)) / 2)
        for number, line in enumerate(text):
            pen.text((MARGIN, top + LINE * number), line, fill="black", font=font)
    return sheet


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a PNG whole, or `BadInput` where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{path.parent} cannot be made: {error.strerror or error}") from error
    write_atomically(path, lambda temporary: picture.save(temporary, "png", optimize=True))


def names_of(rows: pd.DataFrame) -> Mapping[str, str]:
    """File names by run id: objective, strength, data set, condition and seed; the id too where that is not enough."""
    plain = {
        row["run_id"]: "_".join(
            part
            for part in (
                str(row["objective"]),
                f"{row['strength']:g}",
                Path(str(row["data_set"])).stem,
                str(row["condition"]) if isinstance(row["condition"], str) else "",
                f"seed{row['seed']}",
            )
            if part
        )
        for row in rows.to_dict("records")
    }
    names = list(plain.values())
    return {
        run_id: safe_name(name) + (f"_{run_id}" if names.count(name) > 1 else "")
        for run_id, name in plain.items()
    }


def file_part(text: str) -> str:
    """A user's words as a part of a file's name, of at most `MOST_BYTES`; what is cut is told apart by a checksum."""
    safe = safe_name(text)
    if len(safe.encode()) <= MOST_BYTES:
        return safe
    checksum = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
    return f"{safe.encode()[: MOST_BYTES - 9].decode(errors='ignore')}-{checksum}"


def safe_name(text: str) -> str:
    """Letters, digits, dots, underscores and hyphens; hyphens for all others."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in text)


def open_data(name: str) -> DataSet:
    """A data set, or `BadInput` where its images are not at hand."""
    try:
        return load(name)
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error


def class_of(run: Run, condition: str | None) -> int | None:
    """The class of a run's condition that `factor=class` means; None where nothing is asked for."""
    if condition is None:
        return None
    factor, equals, wanted = (part.strip() for part in condition.partition("="))
    if not equals or not wanted:
        raise BadInput(f"--condition takes FACTOR=CLASS, got {condition!r}")
    if run.condition is None or not Conditioning.of(run).classes:
        raise BadInput(f"{run.label}: is told no factor; --condition is for conditional models")
    if factor != run.condition:
        raise unknown("factor", factor, [run.condition], where=run.label)
    size = Conditioning.of(run).classes
    values = open_data(run.data_set).factor_values[factor]
    names = [str(value) for value in values] if values.dtype.kind == "U" else [str(n) for n in range(size)]
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < size:
        return int(wanted)
    raise unknown(f"class of {factor}", wanted, names, where=run.label)
