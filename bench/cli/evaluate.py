"""`disbench evaluate CODES.npz`: every metric that a file's arrays allow."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bad_input import BadInput
from ..npz_file import read_npz
from .sweep import Commands, listed, parsed_pairs

ARRAYS = ("codes", "factors", "mean", "logvar", "condition")


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("evaluate", help="score codes of your own model")
    command.add_argument(
        "file", metavar="CODES.npz", type=Path,
        help="arrays codes [N, D] (or mean), factors [N, K]; optional mean, logvar [N, D], condition [N]",
    )  # fmt: skip
    command.add_argument("--metrics", metavar="A,B", help="only these (default: all that the arrays allow)")
    command.add_argument(
        "--train", type=int, metavar="N", help="the first N rows train (default: two thirds)"
    )
    command.add_argument(
        "--whole", action="store_true",
        help="the rows are the whole data set, each image once: exact scores over all, the others over a draw",
    )  # fmt: skip
    command.add_argument(
        "--draws", type=int, metavar="N",
        help="random halves behind each interval, 0 for none (default: 10; 0 with --json)",
    )  # fmt: skip
    command.add_argument(
        "--set", action="append", default=[], metavar="METRIC.OPTION=VALUE", dest="options",
        help="e.g. --set dci.estimator=sklearn --set mig_chen.exclude=[0]; `disbench metrics show` lists them",
    )  # fmt: skip
    command.add_argument("--seed", type=int, default=0, help="seed of classifiers and samples (default: 0)")
    command.add_argument(
        "--json", action="store_true",
        help="print JSON alone: values by name, null for an infinite one; with --draws also intervals and settings",
    )  # fmt: skip
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Score the file's codes and print each value with its interval, direction, unit and meaning."""
    from disbench.metrics import measure, page

    arrays = read_arrays(arguments.file)
    if arrays["codes"].ndim != 2:
        raise BadInput(f"{arguments.file}: codes: expected shape [N, D], got {list(arrays['codes'].shape)}")
    names = listed(arguments.metrics) if arguments.metrics else None
    options = options_by_metric(arguments.options)
    draws = arguments.draws if arguments.draws is not None else 0 if arguments.json else 10
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # what overflows shows below, in one line
            warnings.simplefilter("ignore", UserWarning)  # classifiers' advice about many classes
            results = measure(
                names,
                **arrays,
                train=arguments.train,
                whole=arguments.whole,
                seed=arguments.seed,
                options=options,
                draws=draws,
                progress=counted if sys.stderr.isatty() and not arguments.json else None,
            )
    except ValueError as error:
        raise BadInput(f"{arguments.file}: {error}") from error
    for column, result in results.items():
        value = np.asarray(result.value, dtype=float)
        if np.isnan(value).any() or (np.isinf(value).any() and not result.score.may_be_infinite):
            raise BadInput(
                f"{arguments.file}: {column} is no finite number: values of an array are out of range"
            )
    if not arguments.json:
        print(page(results))
        return 0
    values = {column: result.plain for column, result in results.items()}
    if draws:
        values["intervals"] = {
            column: result.interval for column, result in results.items() if result.interval
        }
        values["settings"] = {
            result.metric: {
                "estimator": result.estimator,
                **result.settings,
                "rows": result.rows,
                "train": result.train,
                "draws": result.draws,
                "level": result.level,
                "seed": result.seed,
            }
            for result in results.values()
        }
        values["left_out"] = results.left_out
    else:
        for name, why in results.left_out.items():
            print(f"not scored: {name}: {why}", file=sys.stderr)
    print(json.dumps(values, default=str, allow_nan=False))
    return 0


def options_by_metric(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """METRIC.OPTION=VALUE pairs as options by metric."""
    options: dict[str, dict[str, Any]] = {}
    for key, value in parsed_pairs("--set", settings).items():
        metric, dot, option = key.partition(".")
        if not dot:
            raise BadInput(f"--set takes METRIC.OPTION=VALUE, got {key!r}")
        options.setdefault(metric, {})[option] = value
    return options


def counted(done: int, whole: int) -> None:
    """How far it is, on the terminal."""
    print(f"\r{done} of {whole} scorings", end="\n" if done == whole else "", file=sys.stderr, flush=True)


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file that metrics know, or `BadInput`."""
    found, present = read_npz(path, ARRAYS)
    if not {"codes", "mean"} & set(found):
        raise BadInput(f"{path} has no array 'codes' (or 'mean'); it has: {', '.join(present) or 'none'}")
    return {"codes": found.get("codes", found.get("mean")), **found}
