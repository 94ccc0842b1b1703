"""`disbench compact` and `merge`: fewer files in a folder of results, and fewer folders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .sweep import Commands


def add_commands(commands: Commands[Any]) -> None:
    """Add the commands to the parser."""
    compact = commands.add_parser(
        "compact", help="join a folder's many small files into few; safe while sweeps write there"
    )
    compact.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")
    compact.set_defaults(handle=join_files)
    merge = commands.add_parser(
        "merge", help="join the results of several machines, of one study, in one folder"
    )
    merge.add_argument("folders", metavar="DIR", type=Path, nargs="+", help="output folders of sweeps")
    merge.add_argument(
        "--into", metavar="OUT", type=Path, required=True, help="the folder to write; may be new"
    )
    merge.add_argument(
        "--prefer", metavar="DIR", type=Path, help="whose result counts where two folders have other numbers"
    )
    merge.set_defaults(handle=merge_folders)


def join_files(arguments: argparse.Namespace) -> int:
    """Join files and say how many there were and are."""
    from ..store import Store

    counts = Store.existing(arguments.folder).compact()
    for kind, before in counts.before.items():
        print(f"{kind}: {before} {'file' if before == 1 else 'files'}, now {counts.after[kind]}")
    return 0


def merge_folders(arguments: argparse.Namespace) -> int:
    """Merge folders and say what came of it."""
    from ..one_line import one_line
    from ..store import merge

    merged = merge(arguments.folders, arguments.into, arguments.prefer)
    for folder, models in merged.finished.items():
        print(one_line(f"{folder}: {models} finished models"))
    rows = merged.store.rows(["status"])
    done = int((rows["status"] != "failed").sum())
    had_all = "" if merged.added else ", all of them there before"
    print(one_line(f"{arguments.into}: {done} finished models{had_all}"))
    return 0
