"""On this machine: cohorts one after the other in this process, or several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import torch

from disbench.datasets import DataSet, load

from ..allocator import keep_freed_memory
from ..bad_input import BadInput
from ..cohort_plan import trial_plan
from ..devices import chosen_devices
from ..lost_device import LostDevice
from ..progress import Progress
from ..run import Cohort, Plan, Run
from ..work import CohortEnd, fail, finish
from .contract import Request
from .deaths import Deaths
from .task import prepare, take


class Local:
    """The GPUs of this machine, or its cores.

    One task at a time runs in this process; several run in processes of their own, each on its device with its share of
    the cores, and so does one on a GPU unless one was asked for: a process that loses its GPU is replaced. Small models
    gain nothing from threads: on a CPU a process for each core trains twice as much as one process with two threads,
    and is not brought to its knees by a busy neighbour.
    """

    takes: ClassVar[tuple[str, ...]] = ("workers", "cpus", "gpus")

    def __init__(self, request: Request) -> None:
        self.request = request
        resources = request.resources
        cpu_only = request.device == "auto" and resources.gpus == 0
        self.found = chosen_devices("cpu" if cpu_only else request.device)
        if self.found[0].type == "cpu":
            most = max(1, cores() // (resources.cpus or 1))
        else:
            most = len(self.found) * max(1, int(1 / resources.gpus_on("cuda")))
        self.places = in_turn(self.found, resources.workers or most)
        self.spared = resources.workers is None and self.found[0].type == "cuda"
        """Whether this process trains nothing, were there but one task: with its GPU it would lose the sweep."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left: processes end with the iterator that began them."""

    def devices(self) -> list[torch.device]:
        """One for each worker, the GPUs in turn."""
        return self.places

    def plan(self, run: Run, wanted: int) -> Plan:
        """Tried on the GPU with the least memory, so that what fits there fits everywhere."""
        smallest = min(self.found, key=lambda device: torch.cuda.get_device_properties(device).total_memory)
        sharing = -(-len(self.places) // len(self.found))
        return trial_plan(run, wanted, smallest, 1 / sharing)

    def finish(self, cohorts: Sequence[Cohort], at_a_time: int, progress: Progress) -> Iterator[CohortEnd]:
        """Finish each cohort; one that raises, or whose process dies too often without getting
        any further (`Deaths`), ends as failed rows; the others go on.

        Raises:
            BadInput: also if this process itself trains, and has lost its GPU.
        """
        names = dict.fromkeys(cohort.shared.data_set for cohort in cohorts)
        # Opened here even if workers will open them again: a cache is built once, and its progress is seen.
        opened = {name: open_data_set(name, progress) for name in names}
        places = self.places[:at_a_time]
        if len(places) > 1 or self.spared:
            # In their share of the cores as the whole study would have it, even if little of it is left to do.
            threads = self.request.resources.cpus or max(1, cores() // len(places))
            yield from in_processes(cohorts, self.request, places, threads, progress)
            return
        keep_freed_memory()
        store, name = self.request.store, self.request.study_name
        placed = {data_set: data.to(places[0]) for data_set, data in opened.items()}
        for cohort in cohorts:
            progress.cohort_starts(cohort)
            try:
                end = finish(cohort, placed[cohort.shared.data_set], store, name, progress.images)
            except LostDevice as error:
                fail(cohort, str(error), store, name, places[0])
                raise BadInput(
                    f"{cohort.shared.label}: {error}: this process can use {places[0]} no more; the same command"
                    " goes on, and without --workers it would have done so by itself"
                ) from error
            yield end


def in_turn(devices: Sequence[torch.device], workers: int) -> list[torch.device]:
    """The device of each worker: each device once before any has two."""
    return [devices[number % len(devices)] for number in range(workers)]


def open_data_set(name: str, progress: Progress) -> DataSet:
    """A data set, or `BadInput` where its file is not there, is damaged, or its cache cannot be written."""
    try:
        return load(name, progress=progress.rendering(name))
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error


@dataclass
class Worker:
    """A process at work on a cohort."""

    process: BaseProcess
    device: torch.device
    cohort: Cohort


def in_processes(
    cohorts: Sequence[Cohort],
    request: Request,
    places: Sequence[torch.device],
    threads: int,
    progress: Progress,
) -> Iterator[CohortEnd]:
    """Finish cohorts in a process for each of `places`; a process that dies is replaced, and its cohort begun again."""
    context = multiprocessing.get_context("spawn")
    store, study_name = request.store, request.study_name
    waiting = list(reversed(cohorts))
    busy: dict[Connection, Worker] = {}
    deaths = Deaths(store)

    def start(device: torch.device) -> tuple[Connection, BaseProcess]:
        here, there = context.Pipe()
        process = context.Process(
            target=serve, args=(there, store.folder, study_name, device, threads), daemon=True
        )
        with (
            ignored_interrupts()
        ):  # inherited: Ctrl-C is the parent's to handle, from the worker's first moment
            process.start()
        there.close()  # so that the death of the process ends the connection
        return here, process

    def give(device: torch.device, connection: Connection, process: BaseProcess) -> None:
        if waiting:
            cohort = waiting.pop()
            try:
                connection.send(cohort)
            except OSError:  # it died while it had nothing to do
                waiting.append(cohort)
                process.join()
                give(device, *start(device))
                return
            busy[connection] = Worker(process, device, cohort)
            progress.cohort_starts(cohort)
        else:
            connection.close()

    def bury(worker: Worker, last_words: LostDevice | None = None) -> str | None:
        """Put the cohort of a dead process back into the queue; why not, if it has died too often."""
        worker.process.join()
        why = f"its process died with exit code {worker.process.exitcode}"
        if last_words:
            why = f"its process lost its device ({last_words})"
        times = deaths.count(worker.cohort)
        if times > deaths.most:
            return f"{why}, {times} times without getting further"
        waiting.append(worker.cohort)
        if not progress.quiet:
            progress.line(f"{worker.cohort.shared.label}: {why}; begun again from its last checkpoint")
        return None

    try:
        for device in places[: len(waiting)]:
            give(device, *start(device))
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                worker = busy[connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    message = None
                if message is None or isinstance(message, LostDevice):
                    del busy[connection]
                    connection.close()
                    why = bury(worker, message)
                    if why is not None:
                        yield fail(worker.cohort, why, store, study_name, worker.device)
                    if waiting:
                        give(worker.device, *start(worker.device))
                    continue
                if isinstance(message, int):
                    progress.images(message)
                    continue
                if isinstance(message, BadInput):
                    raise message
                del busy[connection]
                give(worker.device, connection, worker.process)
                yield message
    finally:
        for worker in busy.values():
            worker.process.terminate()


def serve(connection: Connection, folder: Path, study_name: str, device: torch.device, threads: int) -> None:
    """A worker: takes cohorts from the connection until it closes; answers with image counts and ends."""
    threading.Thread(target=die_with_parent, daemon=True).start()
    prepare(device, threads)

    def tell(message: object) -> None:
        try:
            connection.send(message)
        except OSError:
            os._exit(1)  # the parent is gone: that is no failure of the cohort, whose rows would say so

    while True:
        try:
            cohort: Cohort = connection.recv()
        except (EOFError, OSError):
            return
        try:
            tell(take(cohort, folder, study_name, device, tell))
        except LostDevice as error:
            tell(error)
            os._exit(1)  # at once: what is left of the device's library may hang or abort at an ordinary end
        except (BadInput, OSError) as error:
            tell(BadInput(str(error)))


@contextmanager
def ignored_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C for a moment; only the main thread can, and elsewhere no Ctrl-C arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def die_with_parent() -> None:
    """Wait for the parent's end, however sudden, and follow: nobody would read what a worker writes after it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
