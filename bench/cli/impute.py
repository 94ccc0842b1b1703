"""`disbench impute`: what the models of a folder make of pixels that are missing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .models import add_model_arguments, asked_models
from .sweep import Commands


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "impute", help="missing pixels filled in by trained models: pictures, arrays and errors"
    )
    command.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")
    command.add_argument(
        "--images", metavar="FILE.npz", type=Path,
        help="your own: images [N, C, H, W] or [N, H, W] in 0 .. 1 (NaN: unknown), optional observed, condition",
    )  # fmt: skip
    command.add_argument(
        "--missing", default="half", metavar="KIND",
        help="share, block, half, left, right, upper or lower (default: half, one of the four sides)",
    )  # fmt: skip
    command.add_argument(
        "--share", type=float, default=0.5, metavar="S", help="missing, of share and block (default: 0.5)"
    )
    command.add_argument(
        "--method", default="metropolis", metavar="NAME",
        help="pseudo_gibbs, metropolis or importance (default: metropolis)",
    )  # fmt: skip
    command.add_argument("--draws", type=int, default=5, metavar="N", help="an image (default: 5)")
    command.add_argument(
        "--steps", type=int, metavar="N", help="of a chain, or importance samples (default: 60, 60, 1000)"
    )
    command.add_argument(
        "--count", type=int, default=8, metavar="N", help="images of the data set (default: 8)"
    )
    command.add_argument(
        "--condition", metavar="FACTOR=CLASS", help="what conditional models are told, e.g. shape=heart"
    )
    add_model_arguments(command, "images, masks, pixels")
    command.add_argument(
        "--out", metavar="FOLDER", type=Path, help="where files go (default: DIR/imputation)"
    )
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Write the files; print the path of each picture, and the numbers beside it."""
    from ..imputation.save import Wanted, read_images, save_imputed
    from ..one_line import one_line

    store, rows = asked_models(arguments, "imputation")
    wanted = Wanted(
        missing=arguments.missing,
        share=arguments.share,
        method=arguments.method,
        draws=arguments.draws,
        steps=arguments.steps,
        count=arguments.count,
        seed=arguments.draw,
        condition=arguments.condition,
    )
    given = None if arguments.images is None else read_images(arguments.images)
    folder = arguments.out or store.folder / "imputation"

    def note(line: str) -> None:
        print(one_line(line), file=sys.stderr, flush=True)

    for path, numbers in save_imputed(store, rows, folder, wanted, given, note):
        print(path)
        for name, unit in (("rmse", "RMSE"), ("nats", "log p(missing | seen), nats an image")):
            if numbers[name] is not None:
                found = ", ".join(
                    f"{who} {value:.4g}" for who, value in numbers[name].items() if value is not None
                )
                print(f"  {unit}: {found}")
    return 0
