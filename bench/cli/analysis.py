"""`disbench agreement`, `udr` and `collapse`: what a study says as a whole."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bad_input import BadInput, unknown
from .sweep import Commands, listed

if TYPE_CHECKING:
    from ..store import Store

FORMATS = ("md", "csv", "json")


def add_commands(commands: Commands[Any]) -> None:
    """Add the commands to the parser."""
    agreement = commands.add_parser("agreement", help="rank correlation of every two scores over models")
    agreement.add_argument(
        "--scores", metavar="A,B", help="only these columns (default: what fits a page; all for csv, json)"
    )
    agreement.add_argument(
        "--within", default="data_set", metavar="GROUP",
        help="compare all models of a data_set, those of an objective, or seeds of a family (default: data_set)",
    )  # fmt: skip
    agreement.set_defaults(handle=show_agreement)
    udr = commands.add_parser(
        "udr", help="unsupervised disentanglement ranking: which codes do other seeds find?"
    )
    udr.add_argument(
        "--correlation",
        default="lasso",
        metavar="KIND",
        help="of latents: lasso or spearman (default: lasso)",
    )
    udr.set_defaults(handle=show_udr)
    collapse = commands.add_parser("collapse", help="which latents of each model are switched off")
    collapse.add_argument(
        "--epsilon", type=float, default=0.01, metavar="NATS", help="KL of a collapsed latent (default: 0.01)"
    )
    collapse.add_argument(
        "--delta",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="of images that may exceed it (default: 0.01)",
    )
    collapse.set_defaults(handle=show_collapse)
    for command in (udr, collapse):
        command.add_argument(
            "--images", type=int, default=2_000, metavar="N", help="encoded by every model (default: 2000)"
        )
    for command in (agreement, udr, collapse):
        command.add_argument("--format", default="md", metavar="FORMAT", help="md, csv or json (default: md)")
        command.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")


def show_agreement(arguments: argparse.Namespace) -> int:
    """Print how scores order models, each against each."""
    import pandas as pd

    from ..analysis.agreement import agreement
    from ..analysis.markdown import agreement_as_markdown, not_compared
    from ..analysis.rank_correlation import LEAST
    from ..analysis.score_values import NOBODY
    from ..store import Store

    require_format(arguments.format)
    rows = sensible(Store.existing(arguments.folder)).rows()
    done = int((rows["status"] == "done").sum())
    found = agreement(rows, scores_asked_for(arguments, rows), within=arguments.within)
    if not arguments.scores:
        found = [replace(group, left_out=without(group.left_out, NOBODY)) for group in found]
    if not any(len(group.scores) > 1 for group in found):
        raise BadInput(
            f"{arguments.folder} has no group of {LEAST} finished models with two scores that differ between them"
            f" ({done} finished models; --within {arguments.within})"
        )
    if arguments.format == "md":
        print(agreement_as_markdown(found))
    elif arguments.format == "csv":
        pairs = pd.concat([group.pairs() for group in found if group.scores], ignore_index=True)
        print(pairs.to_csv(index=False), end="")
        say_left_out(not_compared(found))
    else:
        print_json(
            [
                {"subject": group.subject, "pairs": records(group.pairs()), "left_out": dict(group.left_out)}
                for group in found
            ]
        )
    return 0


def sensible(store: Store) -> Store:
    """A store whose study makes sense to this version of disbench, or `BadInput`."""
    store.study()
    return store


def scores_asked_for(arguments: argparse.Namespace, rows: Any) -> list[str] | None:
    """Those named; else what fits a page for people, and all there are for programs."""
    from ..tables import READABLE

    if arguments.scores:
        return listed(arguments.scores)
    finished = rows[rows["status"] == "done"]
    known = [name for name in READABLE if name in finished and finished[name].notna().any()]
    return known if arguments.format == "md" else None


def without(reasons: Mapping[str, str], reason: str) -> dict[str, str]:
    """What was left out for other reasons than one."""
    return {name: why for name, why in reasons.items() if why != reason}


def show_udr(arguments: argparse.Namespace) -> int:
    """Print UDR of every family, and whether it orders models as scores with factors do."""
    from ..analysis.markdown import udr_as_markdown
    from ..analysis.udr import study_udr

    require_format(arguments.format)
    found = study_udr(
        arguments.folder,
        images=arguments.images,
        correlation=arguments.correlation,
        progress=on_terminal(arguments.format),
    )
    if arguments.format == "md":
        print(udr_as_markdown(found))
    elif arguments.format == "csv":
        print(found.models.to_csv(index=False), end="")
        say_left_out(found.left_out)
    else:
        print_json(
            {
                "correlation": found.correlation,
                "images": found.images,
                "models": records(found.models),
                "with_supervised": records(found.correlations),
                "left_out": dict(found.left_out),
            }
        )
    return 0


def show_collapse(arguments: argparse.Namespace) -> int:
    """Print the diagnosis of collapse: by family for people, by model otherwise."""
    from ..analysis.collapse import as_record, study_collapse
    from ..analysis.markdown import collapse_as_markdown

    require_format(arguments.format)
    found = study_collapse(
        arguments.folder,
        images=arguments.images,
        epsilon=arguments.epsilon,
        delta=arguments.delta,
        progress=on_terminal(arguments.format),
    )
    if arguments.format == "md":
        print(collapse_as_markdown(found))
    elif arguments.format == "csv":
        print(found.models.to_csv(index=False), end="")
        say_left_out(found.left_out)
    else:
        models = [
            {**row, "diagnosis": as_record(found.diagnoses[row["run_id"]])} for row in records(found.models)
        ]
        print_json({"images": found.images, "models": models, "left_out": dict(found.left_out)})
    return 0


def require_format(name: str) -> None:
    """`BadInput` unless it is one of `FORMATS`."""
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)


def records(frame: Any) -> list[dict[str, Any]]:
    """Rows of a table as plain values; None where there is none."""
    return list(json.loads(frame.to_json(orient="records", double_precision=15)))


def print_json(value: Any) -> None:
    """JSON alone on standard output."""
    print(json.dumps(value, allow_nan=False))


def say_left_out(left_out: Mapping[str, str]) -> None:
    """On standard error, where it is in no reader's way."""
    for what, why in left_out.items():
        print(f"left out: {what}: {why}", file=sys.stderr)


def on_terminal(form: str) -> Callable[[int, int], None] | None:
    """Counts models on a terminal; None where nobody reads along."""
    if form == "json" or not sys.stderr.isatty():
        return None

    def count(done: int, whole: int) -> None:
        end = "\n" if done == whole else ""
        print(f"\r{done} of {whole} models", end=end, file=sys.stderr, flush=True)

    return count
