"""Members and outliers as the models of a folder see them: scores of both, what tells them apart, files of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from disbench.datasets import DATA_SETS, DataSet

from ..atomic_file import write_atomically
from ..bad_input import BadInput, unknown
from ..catalogue import OBJECTIVES
from ..evaluation import evaluated_indices
from ..generation.save import names_of, open_data
from ..models import Model
from ..npz_file import read_npz
from ..run import Run
from ..run_model import Conditioning, code_width
from ..store import Store
from ..tasks import Subject
from ..tasks.outliers import HELD_OUT, Group, outsiders, sides
from .kinds import KINDS
from .scores import Values, outlier_scores
from .separation import outlier_aupr, outlier_auroc

MOST_IMAGES = 10_000


@dataclass(frozen=True)
class Wanted:
    """What is asked of each model."""

    against: tuple[str, ...] = ()
    """Kinds of outliers, `held_out`, data sets, .npz files; none named: all kinds, and what was held out."""
    images: int = 200
    """Members, and outliers of each kind, at most."""
    importance_samples: int = 100
    regret_steps: int = 50
    regret_draws: int = 16
    seed: int = 0
    """Of outliers and of all draws."""


@dataclass(frozen=True)
class Comparison:
    """One model's scores of members and of one kind of outliers."""

    run: Run
    against: str
    inside: Mapping[str, Values]
    """Score to its values of members, [N]."""
    outside: Mapping[str, Values]
    """Of outliers, [M]."""

    @property
    def auroc(self) -> dict[str, float]:
        """By score."""
        return {score: outlier_auroc(self.inside[score], self.outside[score]) for score in self.inside}

    @property
    def aupr(self) -> dict[str, float]:
        """By score; chance is M / (N + M)."""
        return {score: outlier_aupr(self.inside[score], self.outside[score]) for score in self.inside}

    @property
    def document(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        counts = {name: len(next(iter(side.values()))) for name, side in self.sides.items()}
        return {
            "run_id": self.run.run_id,
            "model": self.run.label,
            "data_set": self.run.data_set,
            "against": self.against,
            "members": counts["inside"],
            "outliers": counts["outside"],
            "auroc": self.auroc,
            "aupr": self.aupr,
            "aupr_of_chance": counts["outside"] / sum(counts.values()),
            "scores": {
                side: {name: list(v) for name, v in found.items()} for side, found in self.sides.items()
            },
        }

    @property
    def sides(self) -> dict[str, Mapping[str, Values]]:
        """Both."""
        return {"inside": self.inside, "outside": self.outside}


def comparisons(store: Store, rows: pd.DataFrame, wanted: Wanted) -> Iterator[Comparison]:
    """Score members and outliers of every kind by each model.

    Args:
        store: where the models are.
        rows: of `generation.chosen_models`.
        wanted: which outliers, how many, how carefully.

    Raises:
        BadInput: outliers that are nowhere, of another shape, or the members themselves; numbers out of range.
    """
    for name, value, least in (
        ("images", wanted.images, 2),
        ("importance samples", wanted.importance_samples, 1),
        ("regret steps", wanted.regret_steps, 0),
    ):
        if not least <= value <= MOST_IMAGES:
            raise BadInput(f"{name} must be {least} to {MOST_IMAGES}, got {value}")
    opened: dict[str, DataSet] = {}
    for row in rows.to_dict("records"):
        run, model = store.model(row)
        if run.data_set not in opened:
            opened[run.data_set] = open_data(run.data_set)
        yield from of_model(run, model, opened[run.data_set], wanted)


@torch.no_grad()
def of_model(run: Run, model: Model, data: DataSet, wanted: Wanted) -> Iterator[Comparison]:
    """One model's."""
    objective = OBJECTIVES[run.objective]

    def scored(group: Group) -> dict[str, Values]:
        return outlier_scores(
            model,
            group.images,
            group.told,
            posterior=objective.codes == "posterior",
            bound=objective.bound,
            importance_samples=wanted.importance_samples,
            regret_steps=wanted.regret_steps,
            regret_draws=wanted.regret_draws,
            seed=wanted.seed,
        )

    indices, train = evaluated_indices(run, len(data))
    told, factors = Conditioning.of(run).evaluation(data), data.factors(indices)
    mean = torch.zeros(len(indices), code_width(run))  # nobody asks for codes
    members, held_out = sides(Subject(run, model, data, told, indices, factors, mean, train), wanted.images)
    inside = scored(members)
    for name in wanted.against or [*KINDS, *([HELD_OUT] if held_out is not None else [])]:
        group = outliers_named(name, run, members, held_out, wanted)
        if group is None and wanted.against:
            raise BadInput(f"{run.label}: its {name} images are the members themselves")
        if group is not None:
            yield Comparison(run, name, inside, scored(group))


def outliers_named(
    name: str, run: Run, members: Group, held_out: Group | None, wanted: Wanted
) -> Group | None:
    """The outliers that a word on the command line means; None where they are the members themselves."""
    if name == HELD_OUT:
        if held_out is None:
            raise BadInput(f"{run.label}: no combination was held out of its training")
        return held_out
    if name in KINDS:
        return outsiders(members, None, [name], run).get(name)
    if name.endswith(".npz"):
        images = images_of_file(Path(name))[: wanted.images]
    elif name in DATA_SETS:
        other = open_data(name)
        count = min(wanted.images, len(other))
        images = other.images(torch.arange(count) * (len(other) // count))  # from first to last
    else:
        raise unknown("outliers", name, [*KINDS, HELD_OUT, *DATA_SETS, "FILE.npz"], where="--against")
    if images.shape[1:] != members.images.shape[1:]:
        takes, got = list(members.images.shape[1:]), list(images.shape[1:])
        raise BadInput(f"{run.label}: takes images {takes}, {name} has {got}")
    places = torch.arange(len(images)) % len(members.told)
    return Group(images.to(members.images), members.told[places])


def images_of_file(path: Path) -> Tensor:
    """The array `images` of an .npz file, [M, C, H, W] or [M, H, W] in 0 .. 1, or bytes.

    Raises:
        BadInput: no such file or array, another shape, or values that are no pixels.
    """
    arrays, present = read_npz(path, ("images",))
    if "images" not in arrays:
        raise BadInput(f"{path} has no array 'images'; it has: {', '.join(present) or 'none'}")
    images = arrays["images"]
    images = (images / 255.0 if images.dtype == np.uint8 else images).astype(np.float32)
    images = images[:, None] if images.ndim == 3 else images
    if images.ndim != 4 or 0 in images.shape:
        raise BadInput(
            f"{path}: images must be [N, C, H, W] or [N, H, W], got {list(arrays['images'].shape)}"
        )
    if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise BadInput(f"{path}: images must be numbers in 0 .. 1")
    return torch.from_numpy(images)


def save(found: Sequence[Comparison], rows: pd.DataFrame, folder: Path) -> Iterator[Path]:
    """Write the histograms of a comparison as PNG and all of it as JSON, and yield the paths.

    Raises:
        BadInput: the folder cannot be made or written.
    """
    from .histograms import histograms, write_png

    names = names_of(rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made: {error.strerror or error}") from error
    for one in found:
        stem = f"{names[one.run.run_id]}_{Path(one.against).stem}"
        picture, document = folder / f"{stem}.png", folder / f"{stem}.json"
        write_atomically(picture, lambda path, one=one: write_png(histograms(one), path))  # type: ignore[misc]
        text = json.dumps(one.document, indent=1, allow_nan=False) + "\n"
        write_atomically(document, lambda path, text=text: path.write_text(text, encoding="utf-8"))  # type: ignore[misc]
        yield picture
        yield document


def as_markdown(found: Sequence[Comparison]) -> str:
    """A table a model: AUROC of every score, a line a kind of outliers."""
    from tabulate import tabulate

    blocks = []
    for run_id in dict.fromkeys(one.run.run_id for one in found):
        of_run = [one for one in found if one.run.run_id == run_id]
        lines = [{"AUROC against": one.against, **one.auroc} for one in of_run]
        table = tabulate(lines, headers="keys", tablefmt="pipe", floatfmt=".3f")
        blocks.append(f"{of_run[0].run.label} ({run_id})\n\n{table}")
    return "\n\n".join(blocks)
