"""`disbench simulate`: a study on GPUs that are not there, by the queue that a sweep uses."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from ..bad_input import BadInput
from .sweep import Commands, listed, parsed_pairs

MOST_GPUS = 10_000


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "simulate", help="makespan, idle share and lost work of a study on so many GPUs, with failures"
    )
    command.add_argument("study", metavar="STUDY", help="name of a shipped study, or a .toml file")
    command.add_argument("--gpus", default="1,8,64", metavar="N,N,...", help="(default: 1,8,64)")
    command.add_argument(
        "--failures-per-gpu-day", type=float, metavar="X", help="nodes lost (default: 0.01); 0 for none"
    )
    command.add_argument(
        "--preemptions-per-gpu-day", type=float, metavar="X", help="GPUs taken away a while (default: 0)"
    )
    command.add_argument(
        "--crashes-per-gpu-day",
        type=float,
        metavar="X",
        help="deaths of a process alone, two of which a cohort survives not (default: 0.005)",
    )
    command.add_argument("--tflops", type=float, metavar="R", help="of a GPU, assumed (default: 10)")
    command.add_argument("--cohort", type=int, metavar="K", help="models trained together (default: 64)")
    command.add_argument(
        "--spread",
        type=float,
        metavar="X",
        help="of a program's time about what its FLOP say, in logarithms (default: 0.15)",
    )
    command.add_argument("--checkpoint", type=float, metavar="S", help="seconds between them (default: 120)")
    command.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of times and failures (default: 0)"
    )
    command.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N - 1 instead of the study's own")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="change a key of the study, as `disbench sweep` does; may be repeated",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON alone")
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Simulate each number of GPUs by each policy, and print what came of it."""
    gpus = numbers_of(arguments.gpus)
    overrides = parsed_pairs("--set", arguments.overrides)
    if arguments.seeds is not None:
        overrides["seeds"] = arguments.seeds
    from ..simulation import Conditions, as_mapping, as_text, simulate
    from ..study_loading import load_study

    given = {
        "losses_per_day": arguments.failures_per_gpu_day,
        "preemptions_per_day": arguments.preemptions_per_gpu_day,
        "crashes_per_day": arguments.crashes_per_gpu_day,
        "flops_per_second": None if arguments.tflops is None else arguments.tflops * 1e12,
        "size": arguments.cohort,
        "checkpoint_seconds": arguments.checkpoint,
        "program_spread": arguments.spread,
    }
    conditions = Conditions(**{name: value for name, value in given.items() if value is not None})
    if math.isinf(conditions.failures_per_day):
        raise BadInput("a rate of failures is a finite number")
    study = load_study(arguments.study, overrides)
    found = list(simulate(study.runs(), gpus, conditions, seed=arguments.seed))
    if arguments.json:
        print(json.dumps(as_mapping(found, conditions, study.name, arguments.seed), indent=1))
    else:
        print(as_text(found, conditions, study.name, arguments.seed))
    return 0


def numbers_of(text: str) -> list[int]:
    """Numbers of GPUs between commas."""
    names = listed(text)
    if not all(name.isascii() and name.isdecimal() and 1 <= int(name) <= MOST_GPUS for name in names):
        raise BadInput(f"--gpus takes numbers like 1,8,64, each 1 to {MOST_GPUS:,}; got {text!r}")
    return [int(name) for name in names]
