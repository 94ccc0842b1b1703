"""On this machine: cohorts one after the other in this process, or several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from disbench.datasets import DataSet, load

from ..allocator import keep_freed_memory
from ..bad_input import BadInput
from ..progress import Progress
from ..run import Cohort
from ..store import Store
from ..work import CohortEnd, fail, finish


def local(
    cohorts: Sequence[Cohort],
    store: Store,
    study_name: str,
    device: torch.device,
    workers: int,
    progress: Progress,
) -> Iterator[CohortEnd]:
    """Finish each cohort; one that raises, or whose process dies, ends as failed rows and the others go on."""
    names = dict.fromkeys(cohort.shared.data_set for cohort in cohorts)
    # Opened here even if workers will open them again: a cache is built once, and its progress is seen.
    opened = {name: open_data_set(name, progress) for name in names}
    if workers > 1:
        yield from in_processes(cohorts, store, study_name, device, workers, progress)
        return
    keep_freed_memory()
    placed = {name: data.to(device) for name, data in opened.items()}
    for cohort in cohorts:
        progress.cohort_starts(cohort)
        yield finish(cohort, placed[cohort.shared.data_set], store, study_name, progress.images)


def open_data_set(name: str, progress: Progress) -> DataSet:
    """A data set, or `BadInput` where its file is not there, is damaged, or its cache cannot be written."""
    try:
        return load(name, progress=progress.rendering(name))
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error


def in_processes(
    cohorts: Sequence[Cohort],
    store: Store,
    study_name: str,
    device: torch.device,
    workers: int,
    progress: Progress,
) -> Iterator[CohortEnd]:
    """Finish cohorts in `workers` processes, each with its share of the cores.

    Small models gain nothing from threads: a process for each core trains twice as much as one process with two
    threads, and is not brought to its knees by a busy neighbour.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, cores() // workers)
    waiting = list(reversed(cohorts))
    busy: dict[Connection, tuple[BaseProcess, Cohort]] = {}

    def start() -> tuple[Connection, BaseProcess]:
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

    def give(connection: Connection, process: BaseProcess) -> None:
        if waiting:
            cohort = waiting.pop()
            try:
                connection.send(cohort)
            except OSError:  # it died while it had nothing to do
                waiting.append(cohort)
                process.join()
                give(*start())
                return
            busy[connection] = (process, cohort)
            progress.cohort_starts(cohort)
        else:
            connection.close()

    try:
        for _ in range(min(workers, len(waiting))):
            give(*start())
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                process, cohort = busy[connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    del busy[connection]
                    process.join()
                    why = f"its process died with exit code {process.exitcode}"
                    yield fail(cohort, why, store, study_name, device)
                    if waiting:
                        give(*start())
                    continue
                if isinstance(message, int):
                    progress.images(message)
                    continue
                if isinstance(message, BadInput):
                    raise message
                del busy[connection]
                give(connection, process)
                yield message
    finally:
        for process, _ in busy.values():
            process.terminate()


def serve(connection: Connection, folder: Path, study_name: str, device: torch.device, threads: int) -> None:
    """A worker: takes cohorts from the connection until it closes; answers with image counts and ends."""
    threading.Thread(target=die_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    keep_freed_memory()
    store, opened = Store(folder), dict[str, DataSet]()
    while True:
        try:
            cohort: Cohort = connection.recv()
        except EOFError:
            return
        name = cohort.shared.data_set
        try:
            if name not in opened:
                opened[name] = load(name).to(device)
            connection.send(finish(cohort, opened[name], store, study_name, connection.send))
        except (BadInput, OSError) as error:
            connection.send(BadInput(str(error)))


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
