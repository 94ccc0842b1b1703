"""Imputed images of the models of a folder, as PNG, NPZ and JSON files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from disbench.datasets import DataSet, entry

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..catalogue import OBJECTIVES
from ..figures.tiles import mosaic
from ..generation.save import class_of, file_part, names_of, open_data, save_png
from ..models import Model
from ..npz_file import read_npz
from ..run import Run
from ..run_model import Conditioning
from ..store import Store
from .about import About, about_data, picture, training_images
from .baselines import Filled, knn_imputation, mean_imputation
from .error import independent_nats, rmse
from .importance import missing_density
from .impute import METHODS, Imputed, checked, imputed, objection
from .latent_model import LatentModel
from .masks import observed_pixels, require_missing

DENSITY_SAMPLES = 1_000
MOST_IMAGES = 1_000
SHARED = ("share", "block")
"""Of `MASKS`, those that look at the share."""

SHOWN = 32
"""Rows of a picture; arrays and numbers are of all images."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of each model."""

    missing: str = "half"
    """Key of `MASKS`."""
    share: float = 0.5
    method: str = "metropolis"
    draws: int = 5
    steps: int | None = None
    count: int = 8
    """Images of the data set."""
    seed: int = 0
    """Of images, masks and draws."""
    condition: str | None = None
    """FACTOR=CLASS that a conditional model is told instead of what each image is."""


@dataclass(frozen=True)
class Given:
    """Images of a user's own file."""

    images: Tensor
    """[N, C, H, W]; NaN where not even the user knows."""
    observed: Tensor | None
    """Bool [N, C, H, W]; None where it is for `--missing` to say."""
    classes: Tensor | None
    """[N], what a conditional model is told."""
    stem: str
    """Of the file's name."""


def read_images(path: Path) -> Given:
    """The images of an .npz file: `images`, and where they are there `observed` and `condition`.

    Raises:
        BadInput: no such file, no array `images`, shapes or values that cannot be.
    """
    arrays, present = read_npz(path, ("images", "observed", "condition"))
    if "images" not in arrays:
        raise BadInput(f"{path} has no array 'images'; it has: {', '.join(present) or 'none'}")
    images = arrays["images"]
    if images.dtype == np.uint8:
        images = images / 255.0
    images = images.astype(np.float32)
    images = images[:, None] if images.ndim == 3 else images
    unknown = np.isnan(images)
    observed = arrays.get("observed")
    if observed is None and unknown.any():
        observed = ~unknown
    try:
        seen = checked(images, np.ones(1, dtype=bool)[:, None] if observed is None else observed)[1]
    except BadInput as fault:
        raise BadInput(f"{path}: {fault}") from fault
    if len(images) > MOST_IMAGES:
        raise BadInput(f"{path}: {len(images)} images are more than {MOST_IMAGES}")
    classes = arrays.get("condition")
    if classes is not None and classes.shape != (len(images),):
        raise BadInput(f"{path}: condition: expected shape [{len(images)}], got {list(classes.shape)}")
    if classes is not None and not (np.isfinite(classes) & (classes == np.floor(classes))).all():
        raise BadInput(f"{path}: condition must be whole numbers")
    return Given(
        torch.from_numpy(images),
        None if observed is None else seen,
        None if classes is None else torch.from_numpy(classes.astype(np.int64)),
        path.stem,
    )


def save_imputed(
    store: Store,
    rows: pd.DataFrame,
    folder: Path,
    wanted: Wanted,
    given: Given | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Write a PNG, an NPZ and a JSON for each model, and yield the path of the first with what is in the last.

    Args:
        store: where the models are.
        rows: of `generation.chosen_models`.
        folder: is made if it is not there.
        wanted: what is asked of each.
        given: images of a file, else so many of each model's data set.
        note: called with a line for each model that is passed over: it has no Gaussian posterior, or the file does not
            fit it.

    Raises:
        BadInput: no model that could be asked; what `imputed` refuses.
    """
    require_missing(wanted.missing, wanted.share)
    if not 1 <= wanted.count <= MOST_IMAGES:
        raise BadInput(f"count must be 1 to {MOST_IMAGES}, got {wanted.count}")
    if wanted.condition is not None:
        told = rows["condition"] == wanted.condition.partition("=")[0].strip()
        rows = rows[told] if told.any() else rows
    records = rows.to_dict("records")
    runs = [Run.from_configuration(json.loads(row["configuration"])) for row in records]
    refusals = [objection(run) or misfit(run, given, wanted) for run in runs]
    lines = [f"{run.label}: {why}" for run, why in zip(runs, refusals, strict=True) if why is not None]
    if len(lines) == len(records):
        others = f"; nor can the other {len(lines) - 1} models be asked" if len(lines) > 1 else ""
        raise BadInput(f"{lines[0]}{others}")
    for line in lines:
        note(f"passed over: {line}")
    opened: dict[str, DataSet] = {}
    names = names_of(rows)
    for row, why in zip(records, refusals, strict=True):
        if why is not None:
            continue
        run, model = store.model(row)
        data = opened.setdefault(run.data_set, open_data(run.data_set))
        with torch.no_grad():
            asked = asked_of(run, data, wanted, given)
            path = folder / f"{names[row['run_id']]}_{named(wanted, given)}.png"
            yield path, answered(run, model, data, wanted, asked, path)


def named(wanted: Wanted, given: Given | None) -> str:
    """The part of a file's name that says what was asked: images, pixels, method, and what is not the default."""
    own = given is not None and given.observed is not None
    parts = (
        "" if given is None else f"file_{file_part(given.stem)}",
        "own" if own else wanted.missing,
        f"{wanted.share}" if not own and wanted.missing in SHARED and wanted.share != Wanted.share else "",
        wanted.method,
        "" if wanted.condition is None else file_part(wanted.condition),
        f"draw{wanted.seed}" if wanted.seed != Wanted.seed else "",
    )
    return "_".join(part for part in parts if part)


def misfit(run: Run, given: Given | None, wanted: Wanted) -> str | None:
    """Why a run's model cannot be asked about the images of a file; None where it can."""
    if given is None:
        return None
    takes, got = tuple(entry(run.data_set).image_shape), tuple(given.images.shape[1:])
    if takes != got:
        return f"takes images {list(takes)}, the file has {list(got)}"
    size = Conditioning.of(run).size
    if not size:
        return None
    if not OBJECTIVES[run.objective].conditional:
        return "is told more than a class, which a file of images cannot say"
    if given.classes is None:
        if wanted.condition is not None:
            return None
        return f"is told the {run.condition}; the file needs an array 'condition' [N], or say --condition"
    if not bool(((given.classes >= 0) & (given.classes < size)).all()):
        return f"condition must be classes 0 .. {size - 1}"
    return None


def asked_of(run: Run, data: DataSet, wanted: Wanted, given: Given | None) -> About:
    """What a model is asked about; the same for every model of a data set."""
    if given is None:
        found = about_data(run, data, wanted.count, wanted.missing, wanted.share, wanted.seed)
    else:
        found = about_file(run, data, wanted, given)
    if (number := class_of(run, wanted.condition)) is not None:
        told = torch.eye(found.told.shape[1])[number].expand(len(found.x), -1)
        found = replace(found, told=told)
    return found


def about_file(run: Run, data: DataSet, wanted: Wanted, given: Given) -> About:
    """Images of a file; which of them has which mask is a matter of its place."""
    x, seen = given.images.nan_to_num(), given.observed
    if seen is None:
        seeds, places = torch.tensor([wanted.seed]), torch.arange(len(x))[None]
        seen = observed_pixels(wanted.missing, seeds, places, data.image_shape, wanted.share)[0]
    unknown = given.images.isnan()
    training = training_images(run, data, wanted.seed, x, ~unknown)
    return About(x, seen.expand_as(x), not bool(unknown.any()), told_of_file(run, given), training)


def told_of_file(run: Run, given: Given) -> Tensor:
    """What a model is told of a file's images, [N, Y]; 0 where `condition` says it for all."""
    size = Conditioning.of(run).size
    if not size or given.classes is None:
        return torch.zeros(len(given.images), size)
    return torch.eye(size)[given.classes]


def answered(
    run: Run, model: Model, data: DataSet, wanted: Wanted, asked: About, path: Path
) -> Mapping[str, Any]:
    """Impute, write the three files, and return the numbers."""
    answer = imputed(
        (run, model), asked.x, asked.seen, method=wanted.method, draws=wanted.draws, steps=wanted.steps,
        seed=wanted.seed, told=asked.told,
    )  # fmt: skip
    fills = {
        "mean": mean_imputation(asked.training, asked.x, asked.seen),
        "knn": knn_imputation(asked.training, asked.x, asked.seen),
    }
    numbers = {
        "run_id": run.run_id,
        "model": run.label,
        "data_set": data.name,
        "images": len(asked.x),
        "training_images": len(asked.training),
        "missing_share": float((~asked.seen).float().mean()),
        "method": wanted.method,
        "draws": wanted.draws,
        "steps": METHODS[wanted.method].steps if wanted.steps is None else wanted.steps,
        "seed": wanted.seed,
        "acceptance": mean_of(answer.acceptance),
        "effective_share": mean_of(answer.effective_share),
        **(errors(model, asked, answer, fills, wanted) if asked.known else {"rmse": None, "nats": None}),
    }
    rows = picture(asked, [*answer.draws, answer.mean, fills["knn"].means])[:SHOWN]
    save_png(Image.fromarray(mosaic(rows)), path)
    arrays = {
        "images": asked.x, "observed": asked.seen, "draws": answer.draws, "mean": answer.mean,
        **{f"{name}_imputation": filled.means for name, filled in fills.items()},
    }  # fmt: skip
    plain = {name: array.numpy() for name, array in arrays.items()}
    write_atomically(path.with_suffix(".npz"), lambda target: write_npz(target, plain))
    text = json.dumps(numbers, indent=2, allow_nan=False) + "\n"
    write_atomically(path.with_suffix(".json"), lambda target: target.write_text(text, encoding="utf-8"))
    return numbers


def errors(
    model: Model, asked: About, answer: Imputed, fills: Mapping[str, Filled], wanted: Wanted
) -> Mapping[str, Any]:
    """Error and likelihood of the missing pixels: of the model and of the baselines."""
    rows = torch.arange(len(asked.x))
    density = missing_density(
        LatentModel.of(model, asked.told), asked.x, asked.seen, rows,
        samples=DENSITY_SAMPLES, seed=wanted.seed,
    )  # fmt: skip
    error = {"model": rmse(answer.mean, asked.x, asked.seen)}
    nats = {"model": float(density.nats.mean())}
    for name, filled in fills.items():
        error[name] = rmse(filled.means, asked.x, asked.seen)
        nats[name] = float(independent_nats(filled.chances, asked.x, asked.seen).mean())
    return {
        "rmse": {name: None if math.isnan(value) else value for name, value in error.items()},
        "nats": nats,
    }


def mean_of(values: Tensor | None) -> float | None:
    """The mean, where there is any."""
    return None if values is None else float(values.mean())


def write_npz(target: Path, arrays: Mapping[str, Any]) -> None:
    """Compressed, under exactly this name."""
    with target.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
