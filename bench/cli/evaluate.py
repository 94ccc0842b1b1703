"""`disbench evaluate CODES.npz`: every metric that a file's arrays allow."""

from __future__ import annotations

import argparse
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..bad_input import BadInput
from .sweep import Commands

REQUIRED = ("codes", "factors")
OPTIONAL = ("mean", "logvar", "condition")


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("evaluate", help="score codes of your own model")
    command.add_argument(
        "file", metavar="CODES.npz", type=Path,
        help="arrays codes [N, D] and factors [N, K]; optional mean, logvar [N, D], condition [N]",
    )  # fmt: skip
    command.add_argument("--metrics", metavar="A,B", help="only these (default: all that the arrays allow)")
    command.add_argument(
        "--train", type=int, metavar="N", help="the first N rows train (default: two thirds)"
    )
    command.add_argument("--seed", type=int, default=0, help="seed of classifiers and samples (default: 0)")
    command.add_argument("--json", action="store_true", help="print JSON alone")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Score the file's codes and print each value with its direction, unit and meaning."""
    from disbench.metrics import METRICS, compute

    arrays = read_arrays(arguments.file)
    if arrays["codes"].ndim != 2:
        raise BadInput(f"{arguments.file}: codes: expected shape [N, D], got {list(arrays['codes'].shape)}")
    train = 2 * len(arrays["codes"]) // 3 if arguments.train is None else arguments.train
    names = [name.strip() for name in arguments.metrics.split(",")] if arguments.metrics else None
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # what overflows shows below, in one line
            values = compute(names, **arrays, train=train, seed=arguments.seed)
    except ValueError as error:
        raise BadInput(f"{arguments.file}: {error}") from error
    for column, value in values.items():
        if not np.isfinite(np.asarray(value, dtype=float)).all():
            raise BadInput(
                f"{arguments.file}: {column} is no finite number: values of an array are out of range"
            )
    if arguments.json:
        print(json.dumps(values))
        return 0
    for metric in METRICS.values():
        for score in metric.scores:
            if score.column in values:
                print(line(score.column, values[score.column], score.direction, score.unit, score.meaning))
    return 0


def line(column: str, value: Any, direction: str | None, unit: str | None, meaning: str) -> str:
    """One score for people; a matrix says only its shape, `--json` has it whole."""
    array = np.asarray(value, dtype=float)
    shown = f"{array:.4f}" if array.ndim == 0 else " x ".join(map(str, array.shape))
    arrow = {"higher": "↑", "lower": "↓"}.get(direction or "", " ")
    return f"{column:<44} {shown:>10} {arrow} {unit or '':<5} {meaning}"


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file that metrics know, or `BadInput`."""
    if not path.is_file():
        raise BadInput(f"{path} is no file" if path.exists() else f"{path} does not exist")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            found = {name: file[name] for name in (*REQUIRED, *OPTIONAL) if name in file.files}
            present = list(file.files)
    except (
        OSError,
        ValueError,
        TypeError,
        MemoryError,
        zipfile.BadZipFile,
        EOFError,
        AttributeError,
    ) as error:
        raise BadInput(f"{path} is not a readable .npz file of plain arrays: {error}") from error
    for name in REQUIRED:
        if name not in found:
            raise BadInput(f"{path} has no array {name!r}; it has: {', '.join(present) or 'none'}")
    return found
