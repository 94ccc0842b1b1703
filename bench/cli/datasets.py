"""`disbench datasets`: the data sets, and what is in each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .sweep import Commands


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    datasets = commands.add_parser("datasets", help="the data sets")
    actions = datasets.add_subparsers(dest="action", metavar="[list | show NAME]")
    datasets.set_defaults(handle=list_data_sets)
    actions.add_parser("list", help="a line each").set_defaults(handle=list_data_sets)
    show = actions.add_parser("show", help="factors, and a contact sheet as PNG")
    show.add_argument("name", metavar="NAME")
    show.add_argument(
        "--out", metavar="PNG", type=Path, help="where the contact sheet goes (default: NAME.png)"
    )
    show.set_defaults(handle=show_data_set)


def list_data_sets(arguments: argparse.Namespace) -> int:
    """Name, size and summary of each data set."""
    from disbench.datasets import DATA_SETS

    for entry in DATA_SETS.values():
        shape = " x ".join(map(str, entry.image_shape))
        print(f"{entry.name:<12} {entry.length:>8,} images {shape:<12}  {entry.summary}")
    return 0


def show_data_set(arguments: argparse.Namespace) -> int:
    """Factors with their classes, and a picture of samples and of one traversal per factor."""
    from disbench.datasets import DATA_SETS, load

    from ..bad_input import unknown
    from ..figures.contact_sheet import save_contact_sheet

    if arguments.name not in DATA_SETS:
        raise unknown("data set", arguments.name, DATA_SETS)
    data = load(arguments.name)
    print(f"{data.name}: {len(data):,} images of {' x '.join(map(str, data.image_shape))}, {data.source}")
    for name, size in zip(data.factor_names, data.factor_sizes, strict=True):
        values = data.factor_values[name]
        print(f"  {name:<12} {size:>4} classes, {values[0]} to {values[-1]}")
    print(save_contact_sheet(data, arguments.out or Path(f"{data.name}.png")))
    return 0
