"""`disbench studies`: the studies that come with disbench."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .sweep import Commands


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    studies = commands.add_parser("studies", help="the studies that come with disbench")
    actions = studies.add_subparsers(dest="action", metavar="[list | show NAME | pages DIR]")
    studies.set_defaults(handle=list_studies)
    actions.add_parser("list", help="a line each").set_defaults(handle=list_studies)
    show = actions.add_parser("show", help="one study: its file")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(handle=show_study)
    pages = actions.add_parser("pages", help="write the documentation's page of each study that has sizes")
    pages.add_argument("folder", metavar="DIR", type=Path)
    pages.set_defaults(handle=write_pages)


def list_studies(arguments: argparse.Namespace) -> int:
    """Name, size and title of each shipped study."""
    from ..study_loading import load_study, shipped_studies

    for name in shipped_studies():
        study = load_study(name)
        print(f"{name:<24} {len(study.runs()):>6} models  {study.title}")
    return 0


def show_study(arguments: argparse.Namespace) -> int:
    """The file of a shipped study."""
    from ..bad_input import unknown
    from ..study_loading import shipped_studies

    shipped = shipped_studies()
    if arguments.name not in shipped:
        raise unknown("study", arguments.name, shipped)
    print(shipped[arguments.name].read_text(encoding="utf-8"), end="")
    return 0


def write_pages(arguments: argparse.Namespace) -> int:
    """Write a page for each study that has sizes."""
    from ..study_pages import save_pages

    for path in save_pages(arguments.folder):
        print(path)
    return 0
