"""`disbench sweep`: train and score a study."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bad_input import BadInput
from ..one_line import one_line

if TYPE_CHECKING:
    from ..study import Study

Commands = argparse._SubParsersAction  # the type that argparse has no public name for


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("sweep", help="train and score a study; what is finished already is kept")
    command.add_argument("study", metavar="STUDY", help="name of a shipped study, or a .toml file")
    command.add_argument(
        "--scale", metavar="SIZE", help="smoke, reduced or full, where the study has sizes (default: full)"
    )
    command.add_argument(
        "--out", metavar="DIR", help="output folder (default: runs/NAME, runs/NAME-SIZE of a smaller size)"
    )
    command.add_argument("--on", default="local", metavar="PLACE", help="where cohorts run (default: local)")
    command.add_argument(
        "--device", default="auto", help="auto, cpu, cuda (every GPU) or cuda:N (default: auto)"
    )
    command.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N - 1 instead of the study's own")
    command.add_argument(
        "--cohort", type=int, metavar="K", help="models trained together (default: by device)"
    )
    command.add_argument(
        "--lowering",
        metavar="L",
        help="native, matmul, pytorch, compiled: how to convolve (default: by device)",
    )
    command.add_argument(
        "--workers", type=int, metavar="W", help="cohorts at a time (default: one a GPU, or one a core)"
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="change a key of the study, e.g. --set steps=100 --set arms.0.strengths=[1,4]; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--cluster", action="extend", nargs="+", default=[], metavar="KEY=VALUE",
        help="what a task gets, e.g. --cluster partition=gpu time=04:00:00 cpus=4; over the study's [cluster]",
    )  # fmt: skip
    command.add_argument(
        "--no-wait", action="store_false", dest="wait",
        help="hand the work over and leave, where the place works on by itself; sweep again to attach",
    )  # fmt: skip
    command.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    command.add_argument("--json", action="store_true", help="with --dry-run: print JSON alone")
    command.add_argument("--quiet", action="store_true", help="no progress on standard error")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Sweep, print the table of results, and list what failed."""
    overrides = parsed_pairs("--set", arguments.overrides)
    cluster = parsed_pairs("--cluster", arguments.cluster)
    if arguments.seeds is not None:
        overrides["seeds"] = arguments.seeds
    if arguments.json and not arguments.dry_run:
        raise BadInput("--json goes with --dry-run; `disbench table DIR --format json` prints results")
    from ..executors import detached
    from ..study_loading import load_study
    from ..sweep import sweep
    from ..tables import as_markdown, summary

    study = load_study(arguments.study, overrides, arguments.scale)
    if arguments.scale is not None and not arguments.quiet:
        say_scale(arguments.study, arguments.scale)
    out = Path(arguments.out or study.default_folder())
    workers = arguments.workers
    if workers is None and "workers" not in cluster and study.cluster.workers is None:
        workers = "all"
    choices: dict[str, Any] = {
        "out": out,
        "on": arguments.on,
        "device": arguments.device,
        "cluster": cluster,
        "cohort_size": arguments.cohort,
        "lowering": arguments.lowering,
        "workers": workers,
    }
    if arguments.dry_run:
        return print_forecast(study, choices, as_json=arguments.json)
    again = shlex.join(["disbench", *(word for word in sys.argv[1:] if word != "--no-wait")])
    try:
        rows = sweep(study, **choices, wait=arguments.wait, quiet=arguments.quiet)
    except KeyboardInterrupt:
        if arguments.on in detached():
            works_on(out, again)
        else:
            print(f"\nstopped; finished models are kept in {out}. To continue: {again}", file=sys.stderr)
        return 130
    if not arguments.wait:
        works_on(out, again)
        return 0
    wanted = {run.run_id for run in study.runs()}
    rows = rows[rows["run_id"].isin(wanted)]
    print(as_markdown(summary(rows)))
    print(f"{len(rows)} models in {out}; next: disbench report {shlex.quote(str(out))}", file=sys.stderr)
    status = report_failures(rows.to_dict("records"))
    if missing := len(wanted) - len(rows):
        print(f"{missing} of {len(wanted)} models are missing. To continue: {again}", file=sys.stderr)
        return 1
    return status


def say_scale(name: str, scale: str) -> None:
    """Say on standard error what a size changes, so that nobody takes a smoke test for the paper's table."""
    from ..scales import changes
    from ..study_loading import study_document

    document, where = study_document(name)
    changed = "; ".join(changes(document, scale, where)) or "the study as it is written"
    print(one_line(f"scale {scale}: {changed}"), file=sys.stderr)


def print_forecast(study: Study, choices: dict[str, Any], *, as_json: bool) -> int:
    """Say what a sweep would do."""
    from ..forecast import as_mapping, as_text, forecast

    found = forecast(study, **choices)
    print(json.dumps(as_mapping(found), indent=1) if as_json else as_text(found))
    return 0


def works_on(out: Path, again: str) -> None:
    """Say how to come back to work that goes on without this command."""
    folder = shlex.quote(str(out))
    print(
        f"\nthe work goes on: disbench status {folder} says how far it is, disbench cancel {folder} ends it."
        f" To attach again: {again}",
        file=sys.stderr,
    )


def report_failures(rows: Sequence[dict[str, Any]]) -> int:
    """List runs that failed or diverged on standard error; 1 if any failed, or none came to an end."""
    failed = [row for row in rows if row["status"] == "failed"]
    for row in failed:
        line = f"failed: {row['objective']} {row['strength']:g} seed {row['seed']}: {row['error']}"
        print(one_line(line), file=sys.stderr)
    for row in rows:
        if row["status"] == "diverged":
            print(f"diverged: {row['objective']} {row['strength']:g} seed {row['seed']}", file=sys.stderr)
    return 1 if failed or not any(row["status"] == "done" for row in rows) else 0


def listed(names: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in names.split(",")]


def parsed_pairs(option: str, settings: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE pairs of an option as a mapping; a value that is not TOML is taken as a string."""
    pairs: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key.strip() and equals):
            raise BadInput(f"{option} takes KEY=VALUE, got {setting!r}")
        try:
            pairs[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            pairs[key.strip()] = value.strip()
    return pairs
