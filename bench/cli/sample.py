"""`disbench sample`: what the models of a folder make."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .models import add_model_arguments, asked_models
from .sweep import Commands, listed


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "sample", help="samples, reconstructions, interpolations, traversals as PNG grids"
    )
    command.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")
    command.add_argument(
        "--kind", default="", metavar="A,B",
        help="prior, aggregate, reconstruction, interpolation, traversal, layers (default: all)",
    )  # fmt: skip
    add_model_arguments(command, "codes and images")
    command.add_argument("--count", type=int, default=8, metavar="N", help="images across (default: 8)")
    command.add_argument(
        "--condition", metavar="FACTOR=CLASS", help="what conditional models are told, e.g. shape=heart"
    )
    command.add_argument(
        "--text", metavar="CAPTION", action="append", default=[],
        help='what models of captions are told, e.g. "a small heart at the top"; several: a row each '
        "(no other kind then but those of --kind)",
    )  # fmt: skip
    command.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="times the deviation of codes (default: 1)",
    )
    command.add_argument(
        "--spherical", action="store_true", help="interpolate on a great circle, not on a line"
    )
    command.add_argument(
        "--out", metavar="FOLDER", type=Path, help="where PNG files go (default: DIR/samples)"
    )
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Write the grids and print their paths."""
    from ..generation import KINDS, save_grids
    from ..one_line import one_line

    store, rows = asked_models(arguments, "samples")
    every = [] if arguments.text else list(KINDS)
    kinds = listed(arguments.kind) if arguments.kind else every

    def note(line: str) -> None:
        print(one_line(line), file=sys.stderr, flush=True)

    paths = save_grids(
        store,
        rows,
        kinds,
        arguments.out or store.folder / "samples",
        condition=arguments.condition,
        texts=arguments.text,
        note=note,
        count=arguments.count,
        seed=arguments.draw,
        temperature=arguments.temperature,
        spherical=arguments.spherical,
    )
    for path in paths:
        print(path)
    return 0
