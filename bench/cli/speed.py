"""`disbench speed`: how fast cohorts train here."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..bad_input import BadInput, unknown
from .sweep import Commands

SIZES = {"cpu": [1, 4], "cuda": [1, 4, 16, 64, 256]}
"""Models a cohort, where none are named."""


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "speed", help="images/s and models/day here, against a plain one-model loop and the limit"
    )
    command.add_argument("--cohort", type=int, nargs="+", metavar="K", help="models trained together")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    command.add_argument("--data", default="dsprites", metavar="NAME", help="data set (default: dsprites)")
    command.add_argument("--architecture", default="study_conv", metavar="NAME", help="(default: study_conv)")
    command.add_argument("--objective", default="beta_vae", metavar="NAME", help="(default: beta_vae)")
    command.add_argument("--batch-size", type=int, default=64, metavar="B", help="images a model and step")
    command.add_argument("--precision", default="float32", metavar="P", help="float32, tf32 or bf16")
    command.add_argument(
        "--lowering",
        nargs="+",
        default=["native"],
        metavar="L",
        help="native, matmul, pytorch, compiled: how to convolve",
    )
    command.add_argument("--seconds", type=float, default=4.0, metavar="S", help="of each measurement")
    command.add_argument("--rounds", type=int, default=3, metavar="R", help="the median of how many counts")
    command.add_argument("--out", type=Path, metavar="DIR", help="write table, JSON and plot there")
    command.add_argument("--json", action="store_true", help="print JSON alone")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Measure, print, and keep what was measured."""
    from ..devices import chosen_device
    from ..lowering import LOWERINGS
    from ..provenance import commit, device_name, now, versions
    from ..speed import as_markdown, measure, save, ways
    from ..speed.cost import cost
    from ..speed.machine import rates
    from ..speed.report import as_mapping
    from ..study_loading import parse_study

    for name in arguments.lowering:
        if name not in LOWERINGS:
            raise unknown("lowering", name, LOWERINGS)
    device = chosen_device(arguments.device)
    sizes = arguments.cohort or SIZES[device.type]
    for name, value in (
        ("--cohort", min(sizes)),
        ("--rounds", arguments.rounds),
        ("--seconds", arguments.seconds),
    ):
        if not value > 0:
            raise BadInput(f"{name} should be above 0, got {value}")
    arm: dict[str, Any] = {
        "objective": arguments.objective,
        "data_set": arguments.data,
        "architecture": arguments.architecture,
        "batch_size": arguments.batch_size,
        "precision": arguments.precision,
    }
    if arguments.objective != "vae":
        arm["strengths"] = [4]
    run = parse_study({"name": "speed", "arms": [arm]}, "speed").runs()[0]

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    machine = rates(device, run.precision)
    measured = measure(
        run,
        device,
        ways(device, sizes, arguments.lowering),
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        say=say,
    )
    provenance = {
        "device": device_name(device),
        "commit": commit(),
        "versions": versions(),
        "measured_at": now(),
        "command": ["disbench", *sys.argv[1:]],
    }
    document = as_mapping(measured, run, cost(run), machine, provenance)
    print(json.dumps(document, indent=1) if arguments.json else as_markdown(document))
    if arguments.out:
        for path in save(document, arguments.out):
            say(str(path))
    return 0 if all(m.rounds for m in measured) else 1
