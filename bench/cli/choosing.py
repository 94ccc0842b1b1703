"""`disbench variance`, `transfer`, `compare`, `selection` and `recommend`: which method, strength and model to take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bad_input import BadInput, unknown
from .analysis import print_json, records, require_format, say_left_out, scores_asked_for, sensible
from .sweep import Commands, listed

if TYPE_CHECKING:
    import pandas as pd

    from ..analysis.findings import Findings

KINDS = ("settings", "runs", "choices")
"""What `transfer` looks at."""


def add_commands(commands: Commands[Any]) -> None:
    """Add the commands to the parser."""
    variance = commands.add_parser(
        "variance", help="share of each score's variance by objective, strength and seed"
    )
    variance.set_defaults(handle=show_variance)
    transfer = commands.add_parser("transfer", help="does what is best on one data set do well on another?")
    transfer.add_argument(
        "--of", default="settings", metavar="KIND",
        help="rank correlation of settings or of runs, or the chance that choices beat random models"
        " (default: settings)",
    )  # fmt: skip
    transfer.add_argument(
        "--across-scores", action="store_true", help="settings, runs: every score with every other"
    )
    transfer.set_defaults(handle=show_transfer)
    compare = commands.add_parser(
        "compare", help="chance that the best of n seeds of one method beats another"
    )
    for side in ("a", "b"):
        compare.add_argument(
            f"--{side}", required=True, metavar="METHOD",
            help="beta_vae (at its best strength), beta_vae=4, or 'beta_tcvae(estimator mss)=4'",
        )  # fmt: skip
    compare.add_argument("--most", type=int, metavar="N", help="largest n (default: all models of A)")
    compare.set_defaults(handle=show_comparison)
    selection = commands.add_parser("selection", help="how good a model do scores pick that know no factors?")
    selection.add_argument("--by", metavar="A,B", help="scores that pick (default: all that know no factors)")
    selection.add_argument(
        "--of", default="10", metavar="M,N", help="pick from so many models, and from all (default: 10)"
    )
    selection.add_argument(
        "--within", default="data_set", metavar="GROUP",
        help="pick among all models of a data_set, those of an objective, or of a family (default: data_set)",
    )  # fmt: skip
    selection.add_argument(
        "--udr",
        action="store_true",
        help="pick by UDR too, from stored weights; takes as long as `disbench udr`",
    )
    selection.set_defaults(handle=show_selection)
    recommend = commands.add_parser(
        "recommend", help="the best strength of each objective, and how sure that is"
    )
    recommend.set_defaults(handle=show_recommendation)
    for command in (variance, transfer, compare, selection, recommend):
        command.add_argument("--scores", metavar="A,B", help=SCORES_HELP[command is variance])
        command.add_argument("--format", default="md", metavar="FORMAT", help="md, csv or json (default: md)")
        command.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")


SCORES_HELP = {
    True: "only these columns (default: what fits a page; all for csv, json)",
    False: "judge by these columns (default: what there is of the unsupervised study's)",
}


def show_variance(arguments: argparse.Namespace) -> int:
    """Print shares of variance."""
    from ..analysis.settings_markdown import variance_as_markdown
    from ..analysis.variance import variance_shares

    rows = rows_of(arguments)
    found = variance_shares(rows, scores_asked_for(arguments, rows))
    return show(arguments, found, variance_as_markdown)


def show_transfer(arguments: argparse.Namespace) -> int:
    """Print how far rankings or choices hold on other data sets."""
    from ..analysis.choice_transfer import choice_transfer
    from ..analysis.ranking_transfer import ranking_transfer
    from ..analysis.settings_markdown import choices_as_markdown, rankings_as_markdown

    if arguments.of not in KINDS:
        raise unknown("kind of transfer", arguments.of, KINDS)
    rows = rows_of(arguments)
    if arguments.of == "choices":
        return show(arguments, choice_transfer(rows, judges(arguments, rows)), choices_as_markdown)
    found = ranking_transfer(
        rows, scores_asked_for(arguments, rows), of=arguments.of, across_scores=arguments.across_scores
    )
    return show(arguments, found, lambda findings: rankings_as_markdown(findings, arguments.of))


def show_comparison(arguments: argparse.Namespace) -> int:
    """Print the chances of one method against another."""
    from ..analysis.comparison import comparison
    from ..analysis.settings_markdown import comparison_as_markdown

    rows = rows_of(arguments)
    found = comparison(rows, arguments.a, arguments.b, judges(arguments, rows), most=arguments.most)
    return show(arguments, found, comparison_as_markdown)


def show_selection(arguments: argparse.Namespace) -> int:
    """Print how well scores without factors pick."""
    from ..analysis.selection import selection
    from ..analysis.settings_markdown import selection_as_markdown

    rows = rows_of(arguments)
    try:
        of = [int(number) for number in listed(arguments.of)]
    except ValueError as error:
        raise BadInput(
            f"--of must be whole numbers between commas, such as 5,20, got {arguments.of!r}"
        ) from error
    found = selection(
        rows,
        judges(arguments, rows),
        by=picking(arguments, rows),
        of=of,
        within=arguments.within,
        udr=udr_by_run(arguments) if arguments.udr else None,
    )
    return show(arguments, found, selection_as_markdown)


def show_recommendation(arguments: argparse.Namespace) -> int:
    """Print the best strength of each objective."""
    from ..analysis.recommendation import recommendation
    from ..analysis.settings_markdown import recommendation_as_markdown

    rows = rows_of(arguments)
    return show(arguments, recommendation(rows, judges(arguments, rows)), recommendation_as_markdown)


def rows_of(arguments: argparse.Namespace) -> pd.DataFrame:
    """The rows of the folder; the format is checked before anything is read."""
    from ..store import Store

    require_format(arguments.format)
    return sensible(Store.existing(arguments.folder)).rows()


def judges(arguments: argparse.Namespace, rows: pd.DataFrame) -> list[str]:
    """The scores named, else those by which models are judged.

    Raises:
        BadInput: an unknown score, one without a better side, or none named and none there that knows the factors.
    """
    from ..analysis.score_values import judging

    names = judging(listed(arguments.scores) if arguments.scores else None, rows)
    if not names:
        raise BadInput(
            f"no finished model of {arguments.folder} has a score that knows the factors; name others by --scores"
        )
    return names


def picking(arguments: argparse.Namespace, rows: pd.DataFrame) -> list[str] | None:
    """The scores named to pick by; else those that fit a page for people, and all there are for programs."""
    from ..analysis.selection import UDR, usual_picks

    if arguments.by:
        return listed(arguments.by)
    if arguments.format != "md":
        return None
    names = usual_picks(rows)
    return [*names, UDR] if arguments.udr else names


def udr_by_run(arguments: argparse.Namespace) -> dict[str, float]:
    """UDR of every model that has seeds beside it and stored weights."""
    from ..analysis.udr import study_udr
    from .analysis import on_terminal

    models = study_udr(arguments.folder, progress=on_terminal(arguments.format)).models
    return dict(zip(models["run_id"], models["udr"], strict=True))


def show(arguments: argparse.Namespace, found: Findings, markdown: Callable[[Findings], str]) -> int:
    """Print what was found; what could not be said goes below it, to standard error, or under `left_out`.

    Raises:
        BadInput: nothing could be said, and why.
    """
    if found.table.empty:
        reasons = [f"{what}: {why}" for what, why in found.left_out.items()] or ["there is no finished model"]
        more = f" (and {len(reasons) - 1} more like it)" if len(reasons) > 1 else ""
        raise BadInput(f"{arguments.folder}: nothing can be said: {reasons[0]}{more}")
    if arguments.format == "md":
        print(markdown(found))
    elif arguments.format == "csv":
        from ..tables import without_formulas

        print(without_formulas(found.table).to_csv(index=False), end="")
        say_left_out(found.left_out)
    else:
        print_json({"lines": records(found.table), "left_out": dict(found.left_out)})
    return 0
