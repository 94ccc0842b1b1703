"""`disbench faults`: sweep a study under random faults, and see that nothing of them shows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..bad_input import BadInput, unknown
from .sweep import Commands, listed, parsed_pairs


def add_commands(commands: Commands[Any]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "faults",
        help="sweep under random kills, full disks and damaged files; compare with an undisturbed sweep",
    )
    command.add_argument(
        "study",
        metavar="STUDY",
        nargs="?",
        help="name of a shipped study, or a .toml file (default: a tiny one)",
    )
    command.add_argument(
        "--seed",
        type=int,
        nargs="+",
        default=[0],
        metavar="S",
        help="of the schedule, one or several (default: 0)",
    )
    command.add_argument("--faults", type=int, default=10, metavar="N", help="of a schedule (default: 10)")
    command.add_argument("--kinds", metavar="A,B", help="only these (default: all that the place can have)")
    command.add_argument("--list", action="store_true", help="say which kinds there are, and do nothing")
    command.add_argument("--on", default="local", metavar="PLACE", help="where cohorts run (default: local)")
    command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    command.add_argument("--workers", type=int, default=2, metavar="W", help="cohorts at a time (default: 2)")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="change a key of the study; may be repeated",
    )  # fmt: skip
    command.add_argument("--out", type=Path, default=Path("runs/faults"), metavar="DIR",
        help="folder of the sweeps' folders (default: runs/faults)")  # fmt: skip
    command.set_defaults(handle=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Sweep undisturbed, sweep under each seed's faults, and say what differs; 1 if anything does."""
    from ..faults import FAULTS, OWN_STUDY, Order, as_lines, disturbed, undisturbed
    from ..faults.processes import TRAINS
    from ..study_loading import load_study

    if arguments.list:
        for name, fault in FAULTS.items():
            print(f"{name:20} {fault.about}")
        return 0
    if arguments.on not in TRAINS:
        raise unknown("place", arguments.on, TRAINS)
    if arguments.faults < 1 or arguments.workers < 1 or min(arguments.seed) < 0:
        raise BadInput("--faults and --workers should be at least 1, --seed at least 0")
    possible = [name for name, fault in FAULTS.items() if arguments.on == "local" or not fault.inside]
    kinds = listed(arguments.kinds) if arguments.kinds else possible
    for kind in kinds:
        if kind not in possible:
            raise unknown(f"kind of fault on {arguments.on}", kind, possible)
    named = arguments.study or str(OWN_STUDY)
    settings = [part for pair in arguments.overrides for part in ("--set", pair)]
    order = Order(
        study=load_study(named, parsed_pairs("--set", arguments.overrides)),
        named=named,
        out=arguments.out.absolute(),
        options=["--workers", str(arguments.workers), "--device", arguments.device, *settings],
        on=arguments.on,
        kinds=kinds,
        faults=arguments.faults,
    )

    def say(line: str) -> None:
        print(line, flush=True)

    expected, seconds = undisturbed(order)
    say(f"undisturbed: {seconds:.0f} s: {expected}")
    wrong = False
    for seed in arguments.seed:
        say(f"seed {seed}: {arguments.faults} faults on {arguments.on}")
        verdict = disturbed(order, seed, expected, seconds, say)
        wrong |= bool(verdict.wrongs)
        for line in as_lines(verdict, command_of(seed)):
            say(line)
    return 1 if wrong else 0


def command_of(seed: int) -> list[str]:
    """The command at hand, for one seed."""
    given = sys.argv[1:]
    if "--seed" in given:
        begin = given.index("--seed")
        end = begin + 1
        while end < len(given) and given[end].isdecimal():
            end += 1
        given = given[:begin] + given[end:]
    return ["disbench", *given, "--seed", str(seed)]
