"""`disbench metrics`: what every score is, what it says of codes that are known, and how long it takes."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from pathlib import Path
from typing import Any

from ..bad_input import BadInput, unknown
from .sweep import Commands, listed


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    metrics = commands.add_parser("metrics", help="the metrics: list, show, limits, speed, pages")
    actions = metrics.add_subparsers(dest="action", metavar="[list | show NAME | limits | speed | pages DIR]")
    metrics.set_defaults(handle=list_metrics, json=False)
    listing = actions.add_parser("list", help="a line each: the arrays it takes and what it says")
    listing.add_argument("--json", action="store_true", help="columns, directions and units too, as JSON")
    listing.set_defaults(handle=list_metrics)
    show = actions.add_parser("show", help="equation, range, options, paper, and what differs in other code")
    show.add_argument("name", metavar="NAME", help="a metric or one of its columns")
    show.set_defaults(handle=show_metric)
    limits = actions.add_parser("limits", help="every score of codes whose quality is known (Markdown)")
    limits.set_defaults(handle=show_limits)
    pages = actions.add_parser("pages", help="write the documentation's page of each metric")
    pages.add_argument("folder", metavar="DIR", type=Path)
    pages.set_defaults(handle=write_pages)
    speed = actions.add_parser("speed", help="seconds a metric, beside those of the reference library")
    speed.add_argument("--rows", type=int, default=15_000, metavar="N", help="of codes (default: 15000)")
    speed.add_argument("--latents", type=int, default=10, metavar="D", help="(default: 10)")
    speed.add_argument("--metrics", metavar="A,B,...", help="default: all")
    speed.add_argument(
        "--reference",
        action="store_true",
        help='also time the study\'s own trees here, `dci(estimator="sklearn")`: minutes',
    )
    speed.add_argument("--out", type=Path, metavar="DIR", help="write the table and its provenance there")
    speed.add_argument("--json", action="store_true", help="print JSON alone")
    speed.set_defaults(handle=time_metrics)


def list_metrics(arguments: argparse.Namespace) -> int:
    """Name, arrays and summary of each metric."""
    from disbench.metrics import METRICS

    if arguments.json:
        rows = [
            {
                "name": metric.name,
                "summary": metric.summary,
                "inputs": [*metric.inputs],
                "whole_data_set": metric.whole,
                "columns": {
                    score.column: {
                        "direction": score.direction,
                        "unit": score.unit or None,
                        "meaning": score.meaning,
                    }
                    for score in metric.scores
                },
            }
            for metric in METRICS.values()
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    for metric in METRICS.values():
        print(f"{metric.name:<38} {', '.join(metric.inputs):<22} {metric.summary}")
    return 0


def show_metric(arguments: argparse.Namespace) -> int:
    """One metric's columns, and the documentation of its function."""
    from disbench.metrics import METRICS, function_of

    columns = {score.column: metric for metric in METRICS.values() for score in metric.scores}
    known = {**columns, **METRICS}
    if arguments.name not in known:
        raise unknown("metric", arguments.name, METRICS)
    metric = known[arguments.name]
    function = function_of(metric)
    print(f"{metric.name}: {metric.summary}\n")
    for score in metric.scores:
        better = f"{score.direction} is better" if score.direction else "neither way is better"
        print(f"{score.column:<38} {score.unit or '-':<6} {better:<22} {score.meaning}")
    signature = str(inspect.signature(function)).replace("'", "")
    print(f"\ndisbench.metrics.{function.__name__}{signature}\n\n{inspect.getdoc(function)}")
    return 0


def show_limits(arguments: argparse.Namespace) -> int:
    """Print the tables of known limits."""
    from disbench.metrics import limits_page

    print(limits_page())
    return 0


def write_pages(arguments: argparse.Namespace) -> int:
    """Write a page for each metric, and their index."""
    from ..metric_pages import save_pages

    for path in save_pages(arguments.folder):
        print(path)
    return 0


def time_metrics(arguments: argparse.Namespace) -> int:
    """Time every metric on codes like those of a VAE, and print it beside the reference's seconds."""
    from disbench.metrics import METRICS

    from ..speed.scoring import as_markdown, measure_scoring, save_scoring

    names = listed(arguments.metrics) if arguments.metrics else list(METRICS)
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    for name, value, least in (("--rows", arguments.rows, 100), ("--latents", arguments.latents, 1)):
        if value < least:
            raise BadInput(f"{name} should be at least {least}, got {value}")

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    document = measure_scoring(
        names, arguments.rows, arguments.latents, reference=arguments.reference, say=say
    )
    print(json.dumps(document, indent=1) if arguments.json else as_markdown(document))
    if arguments.out:
        for path in save_scoring(document, arguments.out):
            say(str(path))
    return 0
