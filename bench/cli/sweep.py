"""`disbench sweep`: train and score a study."""

from __future__ import annotations

import argparse
import shlex
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..bad_input import BadInput

Commands = argparse._SubParsersAction  # the type that argparse has no public name for


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("sweep", help="train and score a study; what is finished already is kept")
    command.add_argument("study", metavar="STUDY", help="name of a shipped study, or a .toml file")
    command.add_argument("--out", metavar="DIR", help="output folder (default: runs/NAME)")
    command.add_argument("--on", default="local", metavar="PLACE", help="where cohorts run: local")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
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
        "--workers", type=int, metavar="W", help="processes (default: one a core on CPU, else 1)"
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="change a key of the study, e.g. --set steps=100 --set arms.0.strengths=[1,4]; may be repeated",
    )  # fmt: skip
    command.add_argument("--quiet", action="store_true", help="no progress on standard error")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Sweep, print the table of results, and list what failed."""
    overrides = parsed_overrides(arguments.overrides)
    if arguments.seeds is not None:
        overrides["seeds"] = arguments.seeds
    from ..study import load_study
    from ..sweep import chosen_device, default_workers, sweep
    from ..tables import as_markdown, summary

    study = load_study(arguments.study, overrides)
    if arguments.workers is None:
        arguments.workers = default_workers(chosen_device(arguments.device))
    out = Path(arguments.out or Path("runs") / study.name)
    try:
        rows = sweep(
            study,
            out=out,
            on=arguments.on,
            device=arguments.device,
            cohort_size=arguments.cohort,
            lowering=arguments.lowering,
            workers=arguments.workers,
            quiet=arguments.quiet,
        )
    except KeyboardInterrupt:
        again = shlex.join(["disbench", *sys.argv[1:]])
        print(f"\nstopped; finished models are kept in {out}. To continue: {again}", file=sys.stderr)
        return 130
    wanted = {run.run_id for run in study.runs()}
    rows = rows[rows["run_id"].isin(wanted)]
    print(as_markdown(summary(rows)))
    print(f"{len(rows)} models in {out}; next: disbench report {shlex.quote(str(out))}", file=sys.stderr)
    return report_failures(rows.to_dict("records"))


def report_failures(rows: Sequence[dict[str, Any]]) -> int:
    """List runs that failed or diverged on standard error; 1 if any failed, or none came to an end."""
    failed = [row for row in rows if row["status"] == "failed"]
    for row in failed:
        print(
            f"failed: {row['objective']} {row['strength']:g} seed {row['seed']}: {row['error']}",
            file=sys.stderr,
        )
    for row in rows:
        if row["status"] == "diverged":
            print(f"diverged: {row['objective']} {row['strength']:g} seed {row['seed']}", file=sys.stderr)
    return 1 if failed or not any(row["status"] == "done" for row in rows) else 0


def parsed_overrides(settings: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE pairs as a mapping; a value that is not TOML is taken as a string."""
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key.strip() and equals):
            raise BadInput(f"--set takes KEY=VALUE, got {setting!r}")
        try:
            overrides[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            overrides[key.strip()] = value.strip()
    return overrides
