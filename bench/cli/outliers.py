"""`disbench outliers`: which images the models of a folder find foreign."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

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
    command.add_argument("--run", metavar="ID", help="one model, by its run id")
    command.add_argument("--objective", metavar="NAME", help="only models of this objective")
    command.add_argument("--strength", type=float, metavar="S", help="only models of this strength")
    command.add_argument(
        "--seed", type=int, metavar="N", help="only models of this seed (default: the smallest)"
    )
    command.add_argument(
        "--draw", type=int, default=0, metavar="N", help="another draw of codes (default: 0)"
    )
    command.add_argument("--json", action="store_true", help="print JSON alone")
    command.add_argument("--out", metavar="FOLDER", type=Path, help="where files go (default: DIR/outliers)")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Score, print a table a model, and write histograms and scores."""
    from ..bad_input import BadInput
    from ..generation import Which, chosen_models
    from ..outliers.comparison import Wanted, as_markdown, comparisons, save
    from ..store import Store

    if arguments.draw < 0:
        raise BadInput(f"--draw must be at least 0, got {arguments.draw}")
    store = Store.existing(arguments.folder)
    store.study()  # refused if it makes no sense to this version
    if arguments.out is None:
        store.refuse_links_out("outliers")
    rows = chosen_models(store, Which(arguments.run, arguments.objective, arguments.strength, arguments.seed))
    wanted = Wanted(
        tuple(listed(arguments.against)) if arguments.against else (),
        images=arguments.images,
        importance_samples=arguments.importance_samples,
        regret_steps=arguments.regret_steps,
        seed=arguments.draw,
    )
    found = list(comparisons(store, rows, wanted))
    paths = list(save(found, rows, arguments.out or store.folder / "outliers"))
    if arguments.json:
        print(json.dumps([one.document for one in found], indent=1))
    else:
        print(as_markdown(found))
    for path in paths:
        print(path, file=sys.stderr)
    return 0
