"""`disbench datasets`: the data sets, what is in each, their official files, and whether these agree with ours."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bad_input import BadInput, unknown
from .sweep import Commands

if TYPE_CHECKING:
    from disbench.datasets import Entry
    from disbench.datasets.official_file import OfficialFile


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    datasets = commands.add_parser("datasets", help="the data sets: list, show, fetch, verify")
    actions = datasets.add_subparsers(
        dest="action", metavar="[list | show NAME | fetch NAME | verify NAME | speed [NAME ...]]"
    )
    datasets.set_defaults(handle=list_data_sets, json=False)
    listing = actions.add_parser("list", help="a line each, and whether it is ready to use")
    listing.add_argument("--json", action="store_true", help="all that is known, as JSON")
    listing.set_defaults(handle=list_data_sets)
    show = actions.add_parser("show", help="factors, and a contact sheet as PNG")
    show.add_argument("name", metavar="NAME", help="a data set, or the path of one of your own")
    show.add_argument(
        "--out",
        metavar="PNG",
        type=Path,
        help="where the contact sheet goes (default: NAME-contact-sheet.png)",
    )
    show.set_defaults(handle=show_data_set)
    fetching = actions.add_parser("fetch", help="download the official files, or check those that are there")
    fetching.add_argument("name", metavar="NAME")
    fetching.set_defaults(handle=fetch_data_set)
    verifying = actions.add_parser(
        "verify", help="check the official files, and compare rendered images with them"
    )
    verifying.add_argument("name", metavar="NAME", help="a data set, or the path of one of your own")
    verifying.set_defaults(handle=verify_data_set)
    speed = actions.add_parser(
        "speed", help="how long a batch of 64 images takes, from a data set that is ready"
    )
    speed.add_argument(
        "names", metavar="NAME", nargs="*", help="default: all that need no file to be fetched"
    )
    speed.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cpu or cuda (default: cpu)")
    speed.set_defaults(handle=time_data_sets)


def list_data_sets(arguments: argparse.Namespace) -> int:
    """Name, size, readiness and summary of each data set."""
    from disbench.datasets import DATA_SETS

    if arguments.json:
        rows = [
            {
                "name": entry.name,
                "images": entry.length,
                "image_shape": list(entry.image_shape),
                "factors": dict(zip(entry.factor_names, entry.factor_sizes, strict=True)),
                "full_grid": entry.is_full_grid,
                "state": state(entry),
                "summary": entry.summary,
            }
            for entry in DATA_SETS.values()
        ]
        print(json.dumps(rows, indent=2))
        return 0
    for entry in DATA_SETS.values():
        shape = " x ".join(map(str, entry.image_shape))
        print(f"{entry.name:<16} {entry.length:>9,} images {shape:<12} {state(entry):<9} {entry.summary}")
    return 0


def state(entry: Entry) -> str:
    """`official` (its files are here), `rendered` (drawn without), `ready` (needs none) or `fetch` (needs them)."""
    from disbench.datasets.official_file import present

    if entry.files and all(present(file) for file in entry.files):
        return "official"
    if entry.needs_files:
        return "fetch"
    return "ready" if entry.name == "digits" else "rendered"


def show_data_set(arguments: argparse.Namespace) -> int:
    """Factors with their classes, and a picture of samples and of one traversal per factor."""
    from disbench.datasets import entry

    from ..figures.contact_sheet import save_contact_sheet

    with one_line():
        with progress_bar(f"preparing {arguments.name}") as progress:
            data = entry(arguments.name).open(progress=progress)
        print(f"{data.name}: {len(data):,} images of {' x '.join(map(str, data.image_shape))}, {data.source}")
        for name, size in zip(data.factor_names, data.factor_sizes, strict=True):
            values = data.factor_values[name]
            print(f"  {name:<16} {size:>4} classes, {values[0]} to {values[-1]}")
    out = arguments.out or Path(f"{Path(arguments.name).stem}-contact-sheet.png")
    try:
        print(save_contact_sheet(data, out))
    except (OSError, ValueError) as error:  # a ValueError is matplotlib's for an ending that it cannot write
        raise BadInput(
            f"cannot write {out} ({getattr(error, 'strerror', None) or error}): give another file with --out"
        ) from error
    return 0


def fetch_data_set(arguments: argparse.Namespace) -> int:
    """Download what is not there, check what is, and say which."""
    from disbench.datasets.fetching import fetch

    entry = known_entry(arguments.name)
    if not entry.files:
        raise BadInput(f"{entry.name} has no file to fetch: it {describe_source(entry)}")
    with one_line():
        for file in entry.files:
            with bytes_bar(file) as progress:
                got = fetch(file, progress=progress)
            print(f"{got.path}: {'fetched' if got.downloaded else 'was there'}; {got.verdict}", flush=True)
    return 0


def verify_data_set(arguments: argparse.Namespace) -> int:
    """Print what checking found; exit 1 if there was nothing to check, a checksum is wrong, or exact images differ."""
    from disbench.datasets.user_data import is_path, user_entry
    from disbench.datasets.verification import verify, verify_user_data

    if is_path(arguments.name):
        with one_line(), progress_bar(f"checking {arguments.name}") as progress:
            for line in verify_user_data(user_entry(arguments.name), progress=progress):
                print(line)
        return 0
    entry = known_entry(arguments.name)
    with one_line(), progress_bar(f"checking {entry.name}") as progress:
        found = verify(entry, progress=progress)
    for line in found.lines:
        print(line)
    differs = found.comparison is not None and found.comparison.images_that_differ > 0
    return 0 if found.is_checked and found.is_sound and not (differs and entry.name == "dsprites") else 1


def time_data_sets(arguments: argparse.Namespace) -> int:
    """Print how long each data set takes to open and to give a batch of 64."""
    import torch

    from disbench.datasets import DATA_SETS, entry
    from disbench.datasets.speed import batch_seconds

    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda: there is no CUDA device here; leave it out")
    names = arguments.names or [name for name, row in DATA_SETS.items() if state(row) != "fetch"]
    for name in names:
        started = time.monotonic()
        with one_line(), progress_bar(f"preparing {name}") as progress:
            data = entry(name).open(progress=progress)
            data = data.to(arguments.device)
        opened = time.monotonic() - started
        batch = batch_seconds(data)
        print(
            f"{name:<16} opened in {opened:6.2f} s, {1e6 * batch:8.0f} us for 64 images, {64 / batch:12,.0f} images/s"
        )
    return 0


def known_entry(name: str) -> Entry:
    """The row of the table called `name`; BadInput names the nearest."""
    from disbench.datasets import DATA_SETS

    if name not in DATA_SETS:
        raise unknown("data set", name, DATA_SETS)
    return DATA_SETS[name]


def describe_source(entry: Entry) -> str:
    """Where a data set without files comes from."""
    return (
        "comes with scikit-learn"
        if entry.name == "digits"
        else "is made from dsprites, whose file you may fetch"
    )


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """What data sets say of absent, damaged and unwritable files is the user's to mend."""
    try:
        yield
    except BadInput:
        raise
    except (ValueError, OSError) as error:
        raise BadInput(str(error)) from error


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that counts images, shown from the first call on; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


@contextlib.contextmanager
def bytes_bar(file: OfficialFile) -> Iterator[Callable[[int, int | None], None]]:
    """A bar that counts bytes; a line for each tenth where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield tenths(file.name, console.print)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(file.name, total=None, visible=False)
        yield lambda here, total: bar.update(task, completed=here, total=total, visible=True)


def tenths(name: str, say: Callable[[str], None]) -> Callable[[int, int | None], None]:
    """A progress function that says something at each new tenth of a file."""
    said = -1

    def progress(here: int, total: int | None) -> None:
        nonlocal said
        tenth = 10 * here // total if total else 0
        if tenth > said:
            said = tenth
            say(
                f"{name}: {here / 1e6:,.1f} of {total / 1e6:,.1f} MB" if total else f"{name}: of unknown size"
            )

    return progress
