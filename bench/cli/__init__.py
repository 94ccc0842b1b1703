"""The command line: `disbench COMMAND ...`. Exit 0 on success, 1 on failures inside runs, 2 on bad input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from ..bad_input import BadInput
from ..one_line import one_line
from . import (
    analysis,
    choosing,
    datasets,
    estimators,
    evaluate,
    faults,
    folders,
    impute,
    metrics,
    outliers,
    results,
    sample,
    simulate,
    speed,
    studies,
    sweep,
)

COMMANDS = (
    sweep,
    simulate,
    results,
    sample,
    impute,
    outliers,
    folders,
    analysis,
    choosing,
    evaluate,
    metrics,
    estimators,
    studies,
    datasets,
    speed,
    faults,
)
"""Modules that each add their commands to the parser."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read on; exit 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="disbench", description="A disentanglement benchmark: studies of VAEs to tables and figures."
    )
    top.add_argument("--version", action="version", version=f"disbench {version('disbench')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for module in COMMANDS:
        module.add_commands(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parsed = parser().parse_args(arguments)
    try:
        status: int = parsed.handle(parsed)
        sys.stdout.flush()
    except BadInput as error:
        print(f"disbench: error: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("disbench: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough; keep the interpreter's last flush from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
