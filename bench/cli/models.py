"""Which trained models of a folder a command asks: the same words in `sample`, `impute` and `outliers`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ..store import Store


def add_model_arguments(command: argparse.ArgumentParser, draw: str) -> None:
    """Options that name models, and `--draw`: another draw of what `draw` says."""
    command.add_argument("--run", metavar="ID", help="one model, by its run id")
    command.add_argument("--objective", metavar="NAME", help="only models of this objective")
    command.add_argument("--strength", type=float, metavar="S", help="only models of this strength")
    command.add_argument(
        "--seed", type=int, metavar="N", help="only models of this seed (default: the smallest)"
    )
    command.add_argument(
        "--draw", type=int, default=0, metavar="N", help=f"another draw of {draw} (default: 0)"
    )


def asked_models(arguments: argparse.Namespace, written_to: str) -> tuple[Store, pd.DataFrame]:
    """The folder's store and the rows of the models that are asked; files go to its subfolder `written_to` by default.

    Raises:
        BadInput: no such models, a folder that makes no sense to this version or leads out of itself.
    """
    from ..bad_input import BadInput
    from ..generation import Which, chosen_models
    from ..store import Store

    if arguments.draw < 0:
        raise BadInput(f"--draw must be at least 0, got {arguments.draw}")
    store = Store.existing(arguments.folder)
    store.study()  # refused if it makes no sense to this version
    if arguments.out is None:
        store.refuse_links_out(written_to)
    which = Which(arguments.run, arguments.objective, arguments.strength, arguments.seed)
    return store, chosen_models(store, which)
