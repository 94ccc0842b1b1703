"""Imputed images of the models of a folder, as PNG, NPZ and JSON files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from disbench.datasets import DataSet

from ..atomic_file import write_atomically
from ..bad_input import BadInput
from ..catalogue import OBJECTIVES
from ..figures.tiles import mosaic
from ..generation.save import class_of, names_of, open_data, save_png
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
    return Given(
        torch.from_numpy(images),
        None if observed is None else seen,
        None if classes is None else torch.from_numpy(classes.astype(np.int64)),
    )


def save_imputed(
    store: Store, rows: pd.DataFrame, folder: Path, wanted: Wanted, given: Given | None = None
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Write a PNG, an NPZ and a JSON for each model, and yield the path of the first with what is in the last.

    Args:
        store: where the models are.
        rows: of `generation.chosen_models`.
        folder: is made if it is not there.
        wanted: what is asked of each.
        given: images of a file, else so many of each model's data set.

    Raises:
        BadInput: a model without a Gaussian posterior, where it is the only one; images that do not fit a model; what
            `imputed` refuses.
    """
    require_missing(wanted.missing, wanted.share)
    if not 1 <= wanted.count <= MOST_IMAGES:
        raise BadInput(f"count must be 1 to {MOST_IMAGES}, got {wanted.count}")
    if wanted.condition is not None:
        told = rows["condition"] == wanted.condition.partition("=")[0].strip()
        rows = rows[told] if told.any() else rows
    opened: dict[str, DataSet] = {}
    names = names_of(rows)
    several = any(OBJECTIVES[name].codes == "posterior" for name in rows["objective"])
    for row in rows.to_dict("records"):
        run, model = store.model(row)
        if several and objection(run) is not None:
            continue  # there are others that can be asked
        data = opened.setdefault(run.data_set, open_data(run.data_set))
        with torch.no_grad():
            asked = asked_of(run, data, wanted, given)
            path = folder / f"{names[row['run_id']]}_{named(wanted, given)}.png"
            yield path, answered(run, model, data, wanted, asked, path)


def named(wanted: Wanted, given: Given | None) -> str:
    """The part of a file's name that says what was asked."""
    missing = "own" if given is not None and given.observed is not None else wanted.missing
    return f"{'file_' if given is not None else ''}{missing}_{wanted.method}"


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
    if tuple(given.images.shape[1:]) != data.image_shape:
        raise BadInput(
            f"{run.label}: takes images {list(data.image_shape)}, the file has {list(given.images.shape[1:])}"
        )
    x, seen = given.images.nan_to_num(), given.observed
    if seen is None:
        seeds, places = torch.tensor([wanted.seed]), torch.arange(len(x))[None]
        seen = observed_pixels(wanted.missing, seeds, places, data.image_shape, wanted.share)[0]
    known = not bool(given.images.isnan().any())
    training = training_images(run, data, wanted.seed, x if known else None)
    return About(x, seen.expand_as(x), known, told_of_file(run, given, wanted), training)


def told_of_file(run: Run, given: Given, wanted: Wanted) -> Tensor:
    """What a model is told of a file's images."""
    size = Conditioning.of(run).size
    if not size:
        return torch.zeros(len(given.images), 0)
    if not OBJECTIVES[run.objective].conditional:
        raise BadInput(f"{run.label}: is told more than a class, which a file of images cannot say")
    if given.classes is None and wanted.condition is not None:
        return torch.zeros(len(given.images), size)  # it is told what `condition` says
    if given.classes is None:
        raise BadInput(
            f"{run.label}: is told the {run.condition}; the file needs an array 'condition' [N], or say --condition"
        )
    if not bool(((given.classes >= 0) & (given.classes < size)).all()):
        raise BadInput(f"{run.label}: condition must be classes 0 .. {size - 1}")
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
