"""What can go wrong with a sweep: the table of faults, and how each is made to happen.

A fault strikes a `Scene`: sweeps that run on a folder. It says what it did, or None if there was nothing that it could
strike. Files are harmed where they lie, as a broken disk would, whatever the sweeps do with them meanwhile.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from ..checkpoint import PREVIOUS, headers
from ..store.listing import listed
from ..store.weight_files import header
from . import switches
from .processes import runs
from .running import RunningSweep, waited
from .switches import Switches

HOUR, YEAR = 3600, 365 * 24 * 3600

CLOCKS = (-30 * YEAR, -YEAR, -2 * HOUR, 2 * HOUR, YEAR, 60 * YEAR)
"""Seconds by which a clock may jump."""

ORPHAN_SECONDS = 120.0
"""In which the processes of a dead sweep must have ended."""


@dataclass
class Scene:
    """The sweeps that run on a folder, and what the faults have done to it so far."""

    out: Path
    start: Callable[[], RunningSweep]
    """Begin another sweep of the same command."""
    patience: float
    """Seconds after which what has not happened will not."""
    sweeps: list[RunningSweep] = field(default_factory=list)
    rows_harmed: set[str] = field(default_factory=set)
    """Runs whose rows were harmed since they were last seen whole."""
    curves_harmed: set[str] = field(default_factory=set)
    weights_harmed: set[str] = field(default_factory=set)
    wrongs: list[str] = field(default_factory=list)
    """What a sweep must not do."""

    @property
    def switches(self) -> Switches:
        """Of the sweeps' inner faults."""
        return Switches(self.out)

    def running(self) -> list[RunningSweep]:
        """The sweeps that have not ended."""
        return [sweep for sweep in self.sweeps if sweep.status is None]

    def any_running(self, chance: random.Random) -> RunningSweep:
        """One of them; one is begun if there is none."""
        if not self.running():
            self.sweeps.append(self.start())
        return chance.choice(self.running())

    def files(self, folder: str, suffix: str) -> list[Path]:
        """Finished files of a folder of the results."""
        return listed(self.out / folder, suffix)

    def end_all(self, number: signal.Signals, *, group: bool = False) -> str:
        """Send every sweep a signal that ends it, wait until nothing of it runs, and say how they ended."""
        before = self.running()
        workers = [pid for sweep in before for pid in sweep.trainers()]
        for sweep in before:
            sweep.send_to_all(number) if group else sweep.send(number)
        for sweep in before:
            if not sweep.ends(self.patience):
                self.wrongs.append(f"a sweep goes on {self.patience:.0f} s after {number.name}")
        if not waited(lambda: not any(map(runs, workers)), ORPHAN_SECONDS):
            self.wrongs.append(f"processes of a sweep run on {ORPHAN_SECONDS:.0f} s after {number.name}")
        return ended(before)

    def inner(self, name: str) -> bool:
        """Have an inner fault happen once; whether it did before all sweeps ended."""
        self.switches.turn_on(name)
        waited(lambda: not self.switches.is_on(name) or not self.running(), self.patience)
        return not self.switches.taken(name)


def ended(sweeps: Sequence[RunningSweep]) -> str:
    """How sweeps ended, in words."""
    return ", ".join(f"exit {sweep.status}" for sweep in sweeps)


Strike = Callable[[Scene, random.Random], str | None]


class Fault(NamedTuple):
    """A row of the table."""

    about: str
    strike: Strike
    inside: bool = False
    """Whether it needs switches in the processes that train."""


# Processes


def kill_worker(scene: Scene, chance: random.Random) -> str | None:
    """SIGKILL one process that trains."""
    workers = scene.any_running(chance).trainers()
    if not workers:
        return None
    victim = chance.choice(workers)
    os.kill(victim, signal.SIGKILL)
    waited(lambda: not runs(victim), ORPHAN_SECONDS)
    return f"SIGKILL of worker {1 + workers.index(victim)} of {len(workers)}"


def kill_driver(scene: Scene, chance: random.Random) -> str:
    """SIGKILL the command itself; its workers must follow."""
    scene.any_running(chance)
    return f"SIGKILL of the sweep: {scene.end_all(signal.SIGKILL)}"


def terminate(scene: Scene, chance: random.Random) -> str:
    """SIGTERM, as a machine that shuts down sends it."""
    scene.any_running(chance)
    return f"SIGTERM to the sweep: {scene.end_all(signal.SIGTERM)}"


def interrupt(scene: Scene, chance: random.Random) -> str:
    """Ctrl-C: SIGINT to the sweep and all of its workers."""
    scene.any_running(chance)
    return f"Ctrl-C: {scene.end_all(signal.SIGINT, group=True)}"


def freeze(scene: Scene, chance: random.Random) -> str:
    """A laptop that is closed and opened again: everything stops, and goes on later."""
    seconds = chance.uniform(0.5, 2.0)
    sweep = scene.any_running(chance)
    sweep.send_to_all(signal.SIGSTOP)
    time.sleep(seconds)
    sweep.send_to_all(signal.SIGCONT)
    return f"suspended for {seconds:.1f} s"


def second_sweep(scene: Scene, chance: random.Random) -> str:
    """The same command once more, at the same time."""
    scene.any_running(chance)
    scene.sweeps.append(scene.start())
    return f"another sweep begins: {len(scene.running())} at once"


# The disk


def fill_disk(scene: Scene, chance: random.Random) -> str | None:
    """No room for any file until every sweep has ended."""
    scene.any_running(chance)
    before = scene.running()
    scene.switches.turn_on(switches.DISK_FULL)
    for sweep in before:
        if not sweep.ends(scene.patience):
            scene.wrongs.append("a sweep goes on although it can write nothing")
    scene.switches.turn_off(switches.DISK_FULL)
    return f"no space left on the device: {ended(before)}"


def harm(path: Path, chance: random.Random) -> str:
    """Empty a file, cut it, change a bit of it, or overwrite its beginning; what was done."""
    content = path.read_bytes()
    place = chance.randrange(max(1, len(content)))
    harms: dict[str, bytes] = {
        "emptied": b"",
        f"cut to {place:,} bytes": content[:place],
        f"bit changed at {place:,}": content[:place]
        + bytes([content[place] ^ 1 << chance.randrange(8)])
        + content[place + 1 :]
        if content
        else b"",
        "beginning overwritten": b"\0" * min(64, len(content)) + content[64:],
    }
    what = chance.choice(list(harms))
    path.write_bytes(harms[what])
    return f"{path.parent.name}/{path.name} {what}"


def harm_checkpoint(scene: Scene, chance: random.Random) -> str | None:
    """SIGKILL the sweep and damage what a training would go on from: the last, the one before, or both."""
    scene.any_running(chance)
    if not scene.files("checkpoints", ".safetensors"):
        return None
    scene.end_all(signal.SIGKILL)
    last = [path for path in headers(scene.out / "checkpoints") if PREVIOUS not in path.name]
    if not last:
        return None
    path = chance.choice(last)
    before = path.with_suffix(f"{PREVIOUS}{path.suffix}")
    victims = chance.choice([[path], [before], [path, before]])
    harmed = [harm(victim, chance) for victim in victims if victim.exists()]
    return "SIGKILL of the sweep; " + ", ".join(harmed) if harmed else None


def harm_rows(scene: Scene, chance: random.Random) -> str | None:
    """Damage a file of rows while sweeps run."""
    return harm_table(scene, chance, "cohorts", scene.rows_harmed)


def harm_history(scene: Scene, chance: random.Random) -> str | None:
    """Damage a file of what was recorded over training."""
    return harm_table(scene, chance, "history", scene.curves_harmed)


def harm_table(scene: Scene, chance: random.Random, folder: str, harmed: set[str]) -> str | None:
    """Damage a Parquet file of a folder, and note whose runs' it was."""
    scene.any_running(chance)
    for path in shuffled(scene.files(folder, ".parquet"), chance):
        run_ids = ids_in(path)
        if run_ids:
            harmed |= run_ids
            return harm(path, chance)
    return None


def harm_weights(scene: Scene, chance: random.Random) -> str | None:
    """Damage a file of weights while sweeps run."""
    scene.any_running(chance)
    for path in shuffled(scene.files("weights", ".safetensors"), chance):
        try:
            scene.weights_harmed |= set(header(path).run_ids)
        except Exception:
            continue
        return harm(path, chance)
    return None


def ids_in(path: Path) -> set[str]:
    """The runs of a Parquet file; none of one that is damaged already, or gone."""
    try:
        return set(pq.read_table(path, columns=["run_id"]).column("run_id").to_pylist())
    except Exception:
        return set()


def shuffled(paths: Sequence[Path], chance: random.Random) -> Iterator[Path]:
    """Paths in an order of chance."""
    yield from chance.sample(paths, len(paths))


# The inside


def out_of_memory(scene: Scene, chance: random.Random) -> str | None:
    """A training that begins with too little memory."""
    scene.any_running(chance)
    return "out of memory in a training" if scene.inner(switches.OUT_OF_MEMORY) else None


def lose_device(scene: Scene, chance: random.Random) -> str | None:
    """A GPU that answers one process with errors from now on."""
    scene.any_running(chance)
    return "an illegal memory access in a worker" if scene.inner(switches.LOST_DEVICE) else None


def raise_in_metric(scene: Scene, chance: random.Random) -> str | None:
    """A metric that raises for one model."""
    scene.any_running(chance)
    return "a metric raises for a model" if scene.inner(switches.RAISING_METRIC) else None


def jump_clock(scene: Scene, chance: random.Random) -> str:
    """The machine's clock jumps, and half of the files are from another time."""
    seconds = chance.choice(CLOCKS)
    scene.any_running(chance)
    scene.switches.turn_on(switches.CLOCK, str(seconds))
    moment = max(0.0, time.time() + seconds)
    touched = 0
    for path in sorted(p for p in scene.out.rglob("*") if p.is_file()):
        if chance.random() < 0.5:
            try:
                os.utime(path, (moment, moment))
            except FileNotFoundError:
                continue
            touched += 1
    return f"the clock jumps by {seconds / HOUR:+,.0f} hours, and so do the times of {touched} files"


FAULTS: dict[str, Fault] = {
    "worker_killed": Fault("SIGKILL of a process that trains", kill_worker),
    "driver_killed": Fault("SIGKILL of the command", kill_driver),
    "terminated": Fault("SIGTERM to the command", terminate),
    "interrupted": Fault("Ctrl-C", interrupt),
    "suspended": Fault("all processes stop, and go on later", freeze),
    "two_sweeps": Fault("the same command twice at once", second_sweep),
    "disk_full": Fault("no file can be written", fill_disk, inside=True),
    "checkpoint_damaged": Fault("SIGKILL, and a checkpoint, the one before or both are damaged", harm_checkpoint),
    "rows_damaged": Fault("a file of rows is damaged", harm_rows),
    "history_damaged": Fault("a file of training curves is damaged", harm_history),
    "weights_damaged": Fault("a file of weights is damaged", harm_weights),
    "out_of_memory": Fault("a model does not fit into the memory, once", out_of_memory, inside=True),
    "device_lost": Fault("a process can use its GPU no more", lose_device, inside=True),
    "metric_raises": Fault("a metric raises, once", raise_in_metric, inside=True),
    "clock_jumps": Fault("the clock jumps by hours or years", jump_clock, inside=True),
}  # fmt: skip
"""By name. That a model becomes NaN is no fault of this table but a model of the harness's own study."""
