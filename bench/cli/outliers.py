"""`disbench outliers`: which images the models of a folder find foreign."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from .models import add_model_arguments, asked_models
from .sweep import Commands, listed


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "outliers", help="outlier scores of members and of foreign images: AUROC, AUPR, histograms"
    )
    command.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")
    command.add_argument(
        "--against", default="", metavar="A,B",
        help="your own FILE.npz (images [N, C, H, W] or [N, H, W] in 0 .. 1), a data set, held_out, or inverted, "
        "shuffled, noise, constant, blank, thresholded (default: all of these, and what was held out)",
    )  # fmt: skip
    command.add_argument(
        "--images", type=int, default=200, metavar="N", help="members, and outliers of a kind (default: 200)"
    )
    command.add_argument(
        "--importance-samples", type=int, default=100, metavar="N", help="behind log p(x) (default: 100)"
    )
    command.add_argument(
        "--regret-steps", type=int, default=50, metavar="N",
        help="of the optimiser of each posterior; 0 leaves likelihood regret out (default: 50)",
    )  # fmt: skip
    command.add_argument(
        "--regret-draws", type=int, default=16, metavar="N",
        help="codes an image that a posterior is fitted to: at least; two a latent where that is more (default: 16)",
    )  # fmt: skip
    add_model_arguments(command, "codes")
    command.add_argument("--json", action="store_true", help="print JSON alone")
    command.add_argument("--out", metavar="FOLDER", type=Path, help="where files go (default: DIR/outliers)")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Score, print a table a model, and write histograms and scores, each as it is there."""
    from ..bad_input import BadInput
    from ..generation.save import names_of
    from ..one_line import one_line
    from ..outliers.comparison import Wanted, as_markdown, comparisons, save

    store, rows = asked_models(arguments, "outliers")
    wanted = Wanted(
        tuple(listed(arguments.against)) if arguments.against else (),
        images=arguments.images,
        importance_samples=arguments.importance_samples,
        regret_steps=arguments.regret_steps,
        regret_draws=arguments.regret_draws,
        seed=arguments.draw,
    )

    def note(line: str) -> None:
        print(one_line(line), file=sys.stderr, flush=True)

    found = comparisons(store, rows, wanted, note)
    folder = arguments.out or store.folder / "outliers"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made: {error.strerror or error}") from error
    names, documents = names_of(rows), []
    for run_id, of_run in groupby(found, key=lambda one: one.run.run_id):
        table = []
        for one in of_run:
            for path in save(one, names[run_id], folder):
                print(path, file=sys.stderr)
            table.append(one)
        if arguments.json:
            documents += [one.document for one in table]
        else:
            print(as_markdown(table), end="\n\n", flush=True)
    if arguments.json:
        print(json.dumps(documents, indent=1))
    return 0
