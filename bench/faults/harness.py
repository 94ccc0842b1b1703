"""Sweeping a study under a schedule of faults, and telling whether anything of it shows in the end."""

from __future__ import annotations

import random
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ..bad_input import BadInput
from ..study import Study
from .holdings import Holdings, differences, finished_rows, holdings, progress
from .kinds import FAULTS, Scene
from .processes import require_proc
from .running import PLAIN, WITH_SWITCHES, RunningSweep
from .schedule import Planned, schedule

LEAST_PATIENCE_SECONDS = 120.0
"""For what a sweep should do, however short it is."""

LOOK_SECONDS = 0.2
"""Between looks at a folder."""

TRIES = 3
"""Starts of the command for a fault that waits for work which ends too early, or that finds nothing to strike."""

NOTHING = "found nothing to strike"


@dataclass(frozen=True)
class Order:
    """What is to be swept, where, and under which faults."""

    study: Study
    named: str
    """The study as the command line names it: a shipped one or a file."""
    out: Path
    """Gets `undisturbed/` and `seed-S/`, with what the sweeps said in `logs/` beside; `seed-S/` is made anew."""
    options: Sequence[str] = ()
    """Of `disbench sweep`, beside the study and --out."""
    on: str = "local"
    kinds: Sequence[str] = tuple(FAULTS)
    faults: int = 10


@dataclass
class Struck:
    """A fault that came."""

    planned: Planned
    share: float
    """Of the work that was done by then."""
    what: str
    kept: int
    """Finished models, just after it."""
    read: list[str] = field(default_factory=list)
    """What the user read from then on, until the next one."""


@dataclass
class Verdict:
    """What came of a sweep under faults."""

    seed: int
    struck: list[Struck]
    starts: int
    """Of the command, the last of which no fault struck."""
    held: Holdings
    """In the end."""
    wrongs: list[str]
    """Empty if the faults have changed nothing."""
    seconds: float


class Disturbed:
    """A study's sweeps under one seed's faults."""

    def __init__(self, order: Order, seed: int, stack: ExitStack, patience: float) -> None:
        self.order = order
        self.folder = order.out / f"seed-{seed}"
        self.steps = {run.run_id: run.steps for run in order.study.runs()}
        self.stack = stack
        self.starts = 0
        self.scene = Scene(self.folder, lambda: self.start(WITH_SWITCHES), patience)
        self.rows: dict[str, Mapping[str, str]] = {}
        self.listing: object = None
        self.seen: dict[str, object] = {}
        """Rows that were finished at some moment."""

    def start(self, program: Sequence[str]) -> RunningSweep:
        """Begin the command; it ends with this process, if not before."""
        self.starts += 1
        return self.stack.enter_context(begun(self.order, program, self.folder))

    def look(self) -> float:
        """See what is finished, notice what of it is lost or changed, and say how much of the work is done."""
        scene, listing = (
            self.scene,
            [
                (path, path.stat().st_mtime_ns, path.stat().st_size)
                for path in self.scene.files("cohorts", ".parquet")
            ],
        )
        if listing != self.listing:
            self.rows, self.listing = finished_rows(self.folder), listing
        rows = self.rows
        for run_id, row in self.seen.items():
            if run_id in rows and rows[run_id] != row:
                scene.wrongs.append(f"{run_id}: a finished row changed")
            elif run_id not in rows and run_id not in scene.rows_harmed:
                scene.wrongs.append(f"{run_id}: a finished row is lost")
        scene.rows_harmed -= rows.keys()
        self.seen = {run_id: row for run_id, row in self.seen.items() if run_id in scene.rows_harmed}
        self.seen.update(rows)
        return progress(self.folder, self.steps, rows)

    def reach(self, share: float) -> float:
        """Have the command run until so much of the work is done; how much there is then."""
        end = time.monotonic() + self.scene.patience
        for _ in range(TRIES):
            if not self.scene.running():
                self.scene.sweeps.append(self.scene.start())
            while self.scene.running() and time.monotonic() < end:
                done = self.look()
                if done >= share:
                    return done
                time.sleep(LOOK_SECONDS)
        return self.look()

    def strike(self, planned: Planned) -> Struck:
        """Wait for the moment of a fault and let it happen."""
        share = self.reach(planned.share)
        time.sleep(planned.delay)
        chance = random.Random(planned.seed)
        end, what = time.monotonic() + self.scene.patience, None
        for _ in range(TRIES):
            what = FAULTS[planned.kind].strike(self.scene, chance)
            while what is None and self.scene.running() and time.monotonic() < end:
                time.sleep(LOOK_SECONDS)
                what = FAULTS[planned.kind].strike(self.scene, chance)
            if what is not None or self.look() >= 1:
                break
        self.look()
        return Struck(planned, share, what or NOTHING, len(self.seen))

    def read(self) -> list[str]:
        """What the sweeps have said since the last time, and how those that ended did."""
        lines = []
        for sweep in self.scene.sweeps:
            lines += sweep.said()
        return lines

    def let_end(self) -> None:
        """Wait for every sweep under faults to end, and then for the command with none."""
        for sweep in self.scene.running():
            if not sweep.ends(self.scene.patience):
                self.scene.wrongs.append(f"a sweep did not end within {self.scene.patience:.0f} s")
                sweep.__exit__()
            self.look()


def begun(order: Order, program: Sequence[str], folder: Path) -> RunningSweep:
    """The command of an order on a folder."""
    arguments = ["sweep", order.named, "--out", str(folder), "--on", order.on, *order.options]
    return RunningSweep(program, arguments, order.on, folder.with_name(f"{folder.name}.logs"))


def undisturbed(order: Order) -> tuple[Holdings, float]:
    """What the command gives without faults, and the seconds that it took; a finished folder is taken as it is.

    Raises:
        BadInput: the command does not finish the study: then faults have nothing to be compared with.
    """
    folder, began = order.out / "undisturbed", time.monotonic()
    with begun(order, PLAIN, folder) as sweep:
        status = sweep.process.wait()
        said = sweep.said()
    if status != 0:
        raise BadInput(f"without faults the sweep ends with exit {status}: {' '.join(said[-1:])}")
    found = holdings(folder)
    if set(found.rows) != {run.run_id for run in order.study.runs()}:
        raise BadInput(f"{folder} holds other models than the study asks for; give another --out")
    return found, time.monotonic() - began


def disturbed(
    order: Order, seed: int, expected: Holdings, seconds: float, say: Callable[[str], None]
) -> Verdict:
    """Sweep under a seed's faults, then without any, and compare with what an undisturbed sweep holds.

    Args:
        order: what to sweep.
        seed: of the schedule.
        expected: of the undisturbed sweep.
        seconds: that it took.
        say: shows a line of what happens.

    Raises:
        BadInput: this system has no `/proc`.
    """
    require_proc()
    began = time.monotonic()
    with ExitStack() as stack:
        work = Disturbed(order, seed, stack, max(LEAST_PATIENCE_SECONDS, 10 * seconds))
        for leftover in (work.folder, *work.folder.parent.glob(f"{work.folder.name}.*")):
            shutil.rmtree(leftover, ignore_errors=True)
        struck: list[Struck] = []
        for planned in schedule(seed, order.faults, order.kinds):
            struck.append(work.strike(planned))
            struck[-1].read += work.read()
            report(struck[-1], len(struck), len(work.steps), say)
        work.let_end()
        for line in work.read():
            say(f"    then read: {line}")
        last = work.start(PLAIN)
        if not last.ends(work.scene.patience):
            work.scene.wrongs.append("the command without faults does not end")
            last.__exit__()
        elif last.status != 0:
            work.scene.wrongs.append(f"the command without faults ends with exit {last.status}")
        for line in last.said():
            say(f"    the last time read: {line}")
        work.look()
    held, scene = holdings(work.folder), work.scene
    wrongs = list(dict.fromkeys(scene.wrongs))
    wrongs += differences(expected, held, no_curves=scene.curves_harmed, no_weights=scene.weights_harmed)
    return Verdict(seed, struck, work.starts, held, wrongs, time.monotonic() - began)


def report(struck: Struck, number: int, models: int, say: Callable[[str], None]) -> None:
    """Say what a fault did."""
    say(f"{number:3d}  at {struck.share:4.0%}  {struck.planned.kind}: {struck.what}")
    say(f"     kept: {struck.kept} of {models} finished models")
    for line in struck.read:
        say(f"     read: {line}")


def as_lines(verdict: Verdict, command: Sequence[str]) -> list[str]:
    """A verdict in words, and how to have it again."""
    lines = [
        f"seed {verdict.seed}: {len(verdict.struck)} faults, {verdict.starts} starts of the command,"
        f" {verdict.seconds:.0f} s: {verdict.held}"
    ]
    if not verdict.wrongs:
        return [*lines, "the same as undisturbed, bit for bit; nothing finished was lost on the way"]
    return [*lines, *(f"WRONG: {wrong}" for wrong in verdict.wrongs), f"again: {shlex.join(command)}"]
