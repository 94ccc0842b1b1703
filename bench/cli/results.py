"""`disbench status`, `cancel`, `table`, `plot` and `report`: what a folder of results holds, and how it looks."""

from __future__ import annotations

import argparse
import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from .sweep import Commands


def add_commands(commands: Commands[Any]) -> None:
    """Add the commands to the parser."""
    status = commands.add_parser("status", help="what is done, failed and missing")
    status.add_argument("--json", action="store_true", help="print JSON alone")
    status.set_defaults(handle=show_status)
    table = commands.add_parser("table", help="mean and spread over seeds of every score")
    table.add_argument(
        "--format", default="md", metavar="FORMAT", help="md, csv, latex or json (default: md)"
    )
    table.add_argument(
        "--scores", metavar="A,B", help="only these columns (default: what fits a page; all for csv, json)"
    )
    table.set_defaults(handle=show_table)
    history = commands.add_parser("history", help="reconstruction, KL terms and ELBO over training, as CSV")
    history.set_defaults(handle=show_history)
    plot = commands.add_parser("plot", help="draw the figures as PNG and PDF into DIR/figures")
    plot.set_defaults(handle=draw_figures)
    report = commands.add_parser("report", help="one self-contained HTML page, DIR/report.html")
    report.set_defaults(handle=write_report)
    cancel = commands.add_parser(
        "cancel", help="end what works on for a folder on a cluster; checkpoints stay"
    )
    cancel.set_defaults(handle=cancel_jobs)
    for command in (status, table, history, plot, report, cancel):
        command.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")


def show_status(arguments: argparse.Namespace) -> int:
    """Count the study's runs by what became of them, and the jobs that work on without a sweep."""
    from ..executors import detached
    from ..store import Store

    store = Store.existing(arguments.folder)
    study = store.study()
    runs = study.runs()
    rows = store.rows().set_index("run_id")
    of_study = rows[rows.index.isin([run.run_id for run in runs])]
    counts = {name: int((of_study["status"] == name).sum()) for name in ("done", "diverged", "failed")}
    counts["missing"] = len(runs) - sum(counts.values())
    failures = [
        {"run": f"{row.objective} {row.strength:g} {row.data_set} seed {row.seed}", "error": row.error}
        for row in of_study[of_study["status"] == "failed"].itertuples()
    ]
    jobs = {name: place.jobs(store) for name, place in detached().items()}
    at_work = {name: Counter(job.state for job in found) for name, found in jobs.items() if found}
    if arguments.json:
        beside = {"failures": failures, "jobs": at_work}
        print(json.dumps({"study": study.name, "models": len(runs), **counts, **beside}))
        return 0
    print(f"{study.name}: {len(runs)} models: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    for failure in failures:
        print(f"failed: {failure['run']}: {failure['error']}")
    for name, states in at_work.items():
        print(f"jobs on {name}: " + ", ".join(f"{n} {state}" for state, n in states.items()))
    if (counts["missing"] or counts["failed"]) and not at_work:
        print("to go on: repeat the `disbench sweep` command that began it; finished models are kept")
    return 0


def cancel_jobs(arguments: argparse.Namespace) -> int:
    """End every job that works for the folder."""
    from ..executors import detached
    from ..store import Store

    store = Store.existing(arguments.folder)
    ended = [(name, job) for name, place in detached().items() for job in place.cancel(store)]
    for name, job in ended:
        print(f"cancelled: {name} {job.name}, {job.state}, {job.models} models")
    if not ended:
        print(f"nothing works for {arguments.folder} without a sweep that waits for it")
    return 0


def show_table(arguments: argparse.Namespace) -> int:
    """Print the table of results."""
    from ..bad_input import unknown
    from ..store import Store
    from ..tables import FORMATS, scores_named, summary

    if arguments.format not in FORMATS:
        raise unknown("format", arguments.format, FORMATS)
    scores = scores_named(arguments.scores.split(",")) if arguments.scores else None
    rows = Store.existing(arguments.folder).rows()
    print(FORMATS[arguments.format](summary(rows, scores)))
    return 0


def show_history(arguments: argparse.Namespace) -> int:
    """Print every point of every training, a row each, with what says which model it is of."""
    import sys

    from ..store import Store
    from ..tables import history_table

    store = Store.existing(arguments.folder)
    history_table(store.rows(), store.history()).to_csv(sys.stdout, index=False)
    return 0


def draw_figures(arguments: argparse.Namespace) -> int:
    """Draw every figure that the rows allow."""
    from ..bad_input import BadInput
    from ..figures import save_figures
    from ..store import Store

    written = save_figures(Store.existing(arguments.folder))
    for path in written:
        print(path)
    if not written:
        raise BadInput(
            f"{arguments.folder} has no finished model to draw; `disbench status` says what there is"
        )
    return 0


def write_report(arguments: argparse.Namespace) -> int:
    """Write the HTML page."""
    from ..report import save_report
    from ..store import Store

    path = save_report(Store.existing(arguments.folder))
    print(f"{path}  (open it in a browser: {shlex.quote(path.resolve().as_uri())})")
    return 0
