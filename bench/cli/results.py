"""`disbench status`, `cancel`, `table`, `plot` and `report`: what a folder of results holds, and how it looks."""

from __future__ import annotations

import argparse
import json
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .sweep import Commands

if TYPE_CHECKING:
    from ..executors import Job
    from ..store import Store


def add_commands(commands: Commands[Any]) -> None:
    """Add the commands to the parser."""
    status = commands.add_parser("status", help="what is done, failed and missing")
    status.add_argument("--json", action="store_true", help="print JSON alone")
    status.set_defaults(handle=show_status)
    table = commands.add_parser("table", help="mean and spread over seeds of every score")
    table.add_argument(
        "--format", metavar="FORMAT", help="md, csv, latex or json (default: md; with --rows, csv)"
    )
    table.add_argument(
        "--scores", metavar="A,B", help="only these columns (default: what fits a page; all for csv, json)"
    )
    table.add_argument(
        "--published",
        action="store_true",
        help="beside the study's published numbers: difference in units of spread, and a verdict",
    )
    table.add_argument(
        "--rows", action="store_true", help="a line a model, with its configuration, as csv or json"
    )
    table.set_defaults(handle=show_table)
    history = commands.add_parser("history", help="reconstruction, KL terms and ELBO over training, as CSV")
    history.set_defaults(handle=show_history)
    plot = commands.add_parser(
        "plot", help="draw the figures as PNG, SVG and PDF, and films of latents as GIF, into DIR/figures"
    )
    plot.set_defaults(handle=draw_figures)
    report = commands.add_parser("report", help="one self-contained HTML page, DIR/report.html")
    report.add_argument(
        "--pages",
        default="",
        metavar="N",
        help="models with a page of their own, or all (default: 60; 20 of more than 1,000)",
    )
    report.set_defaults(handle=write_report)
    cancel = commands.add_parser(
        "cancel", help="end what works on for a folder on a cluster; checkpoints stay"
    )
    cancel.set_defaults(handle=cancel_jobs)
    for command in (status, table, history, plot, report, cancel):
        command.add_argument("folder", metavar="DIR", type=Path, help="output folder of a sweep")


def show_status(arguments: argparse.Namespace) -> int:
    """Count the study's runs by what became of them, and the jobs that work on without a sweep."""
    from ..one_line import one_line
    from ..store import Store

    store = Store.existing(arguments.folder)
    register = store.register()
    rows = store.rows(["run_id", "status", "error", "objective", "strength", "data_set", "seed"])
    of_study = rows[rows["run_id"].isin(register.run_ids)]
    counts = {name: int((of_study["status"] == name).sum()) for name in ("done", "diverged", "failed")}
    models, study = len(register.run_ids), one_line(register.study)
    counts["missing"] = models - sum(counts.values())
    failures = [
        {"run": f"{row.objective} {row.strength:g} {row.data_set} seed {row.seed}", "error": row.error}
        for row in of_study[of_study["status"] == "failed"].itertuples()
    ]
    jobs = detached_jobs(store)
    at_work = {name: Counter(job.state for job in found) for name, found in jobs.items() if found}
    if arguments.json:
        beside = {"failures": failures, "jobs": at_work}
        print(json.dumps({"study": study, "models": models, **counts, **beside}))
        return 0
    print(f"{study}: {models} models: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    for failure in failures:
        print(one_line(f"failed: {failure['run']}: {failure['error']}"))
    for name, states in at_work.items():
        print(f"jobs on {name}: " + ", ".join(f"{n} {state}" for state, n in states.items()))
    if (counts["missing"] or counts["failed"]) and not at_work:
        print("to go on: repeat the `disbench sweep` command that began it; finished models are kept")
    return 0


def detached_jobs(store: Store) -> dict[str, list[Job]]:
    """Jobs that work on for the folder, by place; none are looked for where no place has left a folder of its own."""
    if not store.has_folders_of_others():
        return {}
    from ..executors import detached  # with PyTorch, which takes longer than everything else here

    return {name: place.jobs(store) for name, place in detached().items()}


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
    from ..tables import FORMATS, columns_read, scores_named, summary

    arguments.format = arguments.format or ("csv" if arguments.rows else "md")
    if arguments.format not in FORMATS:
        raise unknown("format", arguments.format, FORMATS)
    if arguments.rows:
        return show_rows(arguments)
    if arguments.published:
        return show_published(arguments)
    store = Store.existing(arguments.folder)
    register = store.register()
    legend = register.legend
    scores = scores_named(arguments.scores.split(","), legend) if arguments.scores else None
    if scores is None and arguments.format in ("md", "latex"):
        scores = list(register.columns) or None
    rows = store.rows(columns_read(scores, legend))
    print(FORMATS[arguments.format](summary(rows, scores, legend), legend))
    return 0


def show_rows(arguments: argparse.Namespace) -> int:
    """Print a line a model: what a table is made from."""
    from ..bad_input import BadInput
    from ..row_table import row_table
    from ..store import Store
    from ..tables import FORMATS

    if arguments.published or arguments.scores:
        raise BadInput("--rows has every score of every model: it goes without --published and --scores")
    if arguments.format not in ("csv", "json"):
        raise BadInput(f"--rows is for programs: give --format csv or json, not {arguments.format}")
    print(FORMATS[arguments.format](row_table(Store.existing(arguments.folder).rows()), None))
    return 0


def show_published(arguments: argparse.Namespace) -> int:
    """Print what was measured beside what was published."""
    from ..bad_input import BadInput
    from ..published.comparison import READ, columns_of, compared
    from ..published.formats import FORMATS
    from ..store import Store
    from ..study_loading import shipped_studies, study_document

    if arguments.scores:
        raise BadInput(
            "--scores goes without --published, whose columns are those that numbers were published for"
        )
    store = Store.existing(arguments.folder)
    study, legend = store.study(), store.register().legend
    if not study.published:
        names = [name for name in shipped_studies() if "published" in study_document(name)[0]]
        raise BadInput(
            f"{arguments.folder}: study {study.name} has no published numbers ([[published]] in its file);"
            f" shipped studies that have: {', '.join(names)}"
        )
    rows = store.rows([name for name in columns_of(study) if name in legend.columns or name in READ])
    history = store.history() if any(number.during for number in study.published) else None
    print(FORMATS[arguments.format](study, compared(study, rows, history), legend))
    return 0


def show_history(arguments: argparse.Namespace) -> int:
    """Print every point of every training, a row each, with what says which model it is of."""
    import sys

    from ..store import Store
    from ..tables import columns_read, history_table, without_formulas

    store = Store.existing(arguments.folder)
    table = history_table(store.rows([*columns_read([]), "run_id"]), store.history())
    without_formulas(table).to_csv(sys.stdout, index=False)
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
    from ..report import default_pages, save_report
    from ..store import Store

    store = Store.existing(arguments.folder)
    path = save_report(store, pages_named(arguments.pages, default_pages(store)))
    print(f"{path}  (open it in a browser: {shlex.quote(path.resolve().as_uri())})")
    return 0


def pages_named(text: str, default: int) -> int | None:
    """How many models get a page; None for all."""
    from ..bad_input import BadInput

    if text == "all":
        return None
    if text and not text.isdecimal():
        raise BadInput(f"--pages takes a number or all, got {text!r}")
    return int(text) if text else default
