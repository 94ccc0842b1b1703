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

from disbench.datasets import DataSet

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..catalogue import OBJECTIVES
from ..evaluation import evaluated_indices
from ..generation.save import open_data
from ..models import Model
from ..run import Run
from ..run_model import Conditioning, code_width
from ..store import Store
from ..tasks import Subject
from ..tasks.outliers import HELD_OUT, Group, sides
from .against import Foreign, Note, file_stem, foreign_images, group_against
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
    """At least; two a latent where that is more."""
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
    available: int
    """Outliers that there were: M, or more where `images` is less."""

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
            "outliers_available": self.available,
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


def comparisons(
    store: Store, rows: pd.DataFrame, wanted: Wanted, note: Note = lambda line: None
) -> Iterator[Comparison]:
    """Check what is asked, then score members and outliers of every kind by each model, one after the other.

    Args:
        store: where the models are.
        rows: of `generation.chosen_models`.
        wanted: which outliers, how many, how carefully.
        note: told a line for each model and kind that is passed over since they do not fit, where others do.

    Returns:
        Comparisons, each scored when it is asked for; `BadInput` at their end if nothing could be scored.

    Raises:
        BadInput: outliers that are nowhere, that cannot be read, or that fit none of the models; numbers out of range.
    """
    for name, value, least in (
        ("images", wanted.images, 2),
        ("importance samples", wanted.importance_samples, 1),
        ("regret steps", wanted.regret_steps, 0),
        ("regret draws", wanted.regret_draws, 2),
    ):
        if not least <= value <= MOST_IMAGES:
            raise BadInput(f"{name} must be {least} to {MOST_IMAGES}, got {value}")
    if wanted.regret_draws % 2:
        raise BadInput(f"regret draws must be an even number, got {wanted.regret_draws}")
    records = rows.to_dict("records")
    runs = [Run.from_configuration(json.loads(row["configuration"])) for row in records]
    foreign = foreign_images(tuple(dict.fromkeys(wanted.against)), runs, wanted.images, note)
    return one_by_one(store, records, wanted, foreign, note)


def one_by_one(
    store: Store,
    records: Sequence[Mapping[str, Any]],
    wanted: Wanted,
    foreign: Mapping[str, Foreign],
    note: Note,
) -> Iterator[Comparison]:
    """The comparisons of every model; `BadInput` if there is none."""
    opened: dict[str, DataSet] = {}
    passed_over: list[str] = []
    count = 0

    def pass_over(line: str) -> None:
        passed_over.append(line)
        note(line)

    for row in records:
        run, model = store.model(row)
        if run.data_set not in opened:
            opened[run.data_set] = open_data(run.data_set)
        for one in of_model(run, model, opened[run.data_set], wanted, foreign, pass_over):
            count += 1
            yield one
    if not count:
        raise BadInput(passed_over[-1] if passed_over else "no model can be scored")


@torch.no_grad()
def of_model(
    run: Run, model: Model, data: DataSet, wanted: Wanted, foreign: Mapping[str, Foreign], note: Note
) -> Iterator[Comparison]:
    """One model's."""
    objective = OBJECTIVES[run.objective]

    def scored(group: Group, what: str) -> dict[str, Values] | None:
        """None, and a note, where an encoder's answer is beyond all numbers."""
        try:
            found = outlier_scores(
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
        except ValueError as error:
            note(f"{run.label}: {what} cannot be scored: {error}")
            return None
        if all(np.isfinite(values).all() for values in found.values()):
            return found
        note(f"{run.label}: {what} cannot be scored: the model says numbers that are none")
        return None

    indices, train = evaluated_indices(run, len(data))
    told, factors = Conditioning.of(run).evaluation(data), data.factors(indices)
    mean = torch.zeros(len(indices), code_width(run))  # nobody asks for codes
    members, held_out = sides(Subject(run, model, data, told, indices, factors, mean, train), wanted.images)
    groups: dict[str, Group] = {}
    for name in dict.fromkeys(wanted.against or [*KINDS, *([HELD_OUT] if held_out is not None else [])]):
        group = group_against(name, run, members, held_out, foreign)
        if isinstance(group, Group):
            groups[name] = group
        elif wanted.against:  # where nothing is named, what is not there is not missed
            note(group)
    inside = scored(members, "its members") if groups else None
    if inside is None:
        return
    for name, group in groups.items():
        outside = scored(group, name)
        if outside is not None:
            count = foreign[name].available if name in foreign else len(group.images)
            yield Comparison(run, name, inside, outside, count)


def save(one: Comparison, name: str, folder: Path) -> tuple[Path, Path]:
    """Write the histograms of a comparison as PNG and all of it as JSON, in a folder that is there.

    Args:
        one: what is written.
        name: of the model, as `generation.save.names_of` has it.
        folder: holds the files `NAME_OUTLIERS.png` and `.json`.
    """
    from .histograms import histograms, write_png

    stem = f"{name}_{file_stem(one.against)}"
    picture, document = folder / f"{stem}.png", folder / f"{stem}.json"
    write_atomically(picture, lambda path: write_png(histograms(one), path))
    text = json.dumps(one.document, indent=1, allow_nan=False) + "\n"
    write_atomically(document, lambda path: path.write_text(text, encoding="utf-8"))
    return picture, document


def as_markdown(found: Sequence[Comparison]) -> str:
    """The table of a model: AUROC of every score, a line a kind of outliers."""
    from tabulate import tabulate

    run = found[0].run
    lines = [{"AUROC against": one.against, **one.auroc} for one in found]
    table = tabulate(lines, headers="keys", tablefmt="pipe", floatfmt=".3f")
    return f"{run.label} ({run.run_id})\n\n{table}"
