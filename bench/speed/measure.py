"""Every way to train, one after the other, several rounds, each in processes of its own as a sweep would have them."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Barrier
from typing import Any

import torch

from disbench.datasets import load

from ..allocator import keep_freed_memory
from ..cohort import train
from ..executors.local import cores
from ..out_of_memory import is_out_of_memory
from ..run import Cohort, Run
from .ordinary import now, ordinary_loop

BARRIER_SECONDS = 600


@dataclass(frozen=True)
class Way:
    """A way to train."""

    name: str
    """`ordinary loop` or `disbench`."""
    models: int
    """In a cohort."""
    processes: int
    threads: int
    """A process."""
    lowering: str = "native"

    @property
    def is_ordinary(self) -> bool:
        """Whether it is the loop to compare with."""
        return self.name == "ordinary loop"


@dataclass
class Measured:
    """What was measured of a way."""

    way: Way
    rounds: list[float] = field(default_factory=list)
    """Images a second, of all processes together."""
    note: str = ""

    @property
    def images_per_second(self) -> float:
        """The median round."""
        return statistics.median(self.rounds) if self.rounds else float("nan")


def ways(device: torch.device, sizes: Sequence[int], lowerings: Sequence[str]) -> list[Way]:
    """What is worth measuring on a device: the ordinary loop, one process with all threads, a process a core."""
    found = [Way("ordinary loop", 1, 1, cores())]
    processes, threads = (cores(), 1) if device.type == "cpu" else (1, cores())
    if processes > 1:
        found += [Way("ordinary loop", 1, processes, 1), Way("disbench", 1, 1, cores())]
    return found + [
        Way("disbench", size, processes, threads, lowering) for lowering in lowerings for size in sizes
    ]


def measure(
    run: Run,
    device: torch.device,
    found: Sequence[Way],
    *,
    seconds: float,
    rounds: int,
    say: Callable[[str], None],
) -> list[Measured]:
    """Measure all ways in turn, `rounds` times: a machine's mood changes, and then it changes for all."""
    load(run.data_set)  # its cache is made now, by one process
    results = [Measured(way) for way in found]
    for number in range(rounds):
        for result in results:
            if result.note:
                continue
            way = result.way
            try:
                result.rounds.append(one_round(run, device, way, seconds))
                say(f"round {number + 1} of {rounds}: {described(way)}: {result.rounds[-1]:,.0f} images/s")
            except RuntimeError as error:
                result.note = str(error)
                say(f"round {number + 1} of {rounds}: {described(way)}: {error}")
    return results


def described(way: Way) -> str:
    """A way in words."""
    lowering = f", {way.lowering}" if way.lowering != "native" else ""
    plural = "es" if way.processes > 1 else ""
    return f"{way.name}, {way.models} a cohort, {way.processes} process{plural} of {way.threads} threads{lowering}"


def one_round(run: Run, device: torch.device, way: Way, seconds: float) -> float:
    """Images a second of all processes of a way, which begin to count together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(way.processes)
    pipes, workers = [], []
    for number in range(way.processes):
        here, there = context.Pipe(duplex=False)
        worker = context.Process(
            target=serve, args=(there, barrier, run, device, way, seconds, number), daemon=True
        )
        worker.start()
        there.close()
        pipes.append(here)
        workers.append(worker)
    answers: list[Any] = []
    for pipe in pipes:
        try:
            answers.append(pipe.recv())
        except EOFError:
            answers.append("its process died")
    for worker in workers:
        worker.join()
    errors = [answer for answer in answers if isinstance(answer, str)]
    if errors:
        raise RuntimeError(errors[0])
    return sum(answers)


def serve(
    answer: Any, barrier: Barrier, run: Run, device: torch.device, way: Way, seconds: float, number: int
) -> None:
    """One process of a way: answers with its images a second, or with what went wrong."""
    torch.set_num_threads(way.threads)

    def ready() -> None:
        barrier.wait(BARRIER_SECONDS)

    try:
        if way.is_ordinary:
            answer.send(ordinary_loop(run, device, seconds, ready))
        else:
            answer.send(cohort_loop(run, device, way, seconds, ready, first_seed=number * way.models))
    except Exception as error:
        barrier.abort()
        answer.send("out of memory" if is_out_of_memory(error) else f"{type(error).__name__}: {error}")


class EnoughSeenError(Exception):
    """Ends a training whose speed is known."""


def cohort_loop(
    run: Run,
    device: torch.device,
    way: Way,
    seconds: float,
    ready: Callable[[], None],
    *,
    first_seed: int = 0,
) -> float:
    """Images a second of our own training, as a sweep runs it, history included."""
    keep_freed_memory()
    data = load(run.data_set).to(device)
    runs = tuple(replace(run, seed=first_seed + k) for k in range(way.models))
    counted, begun = -1, 0.0
    elapsed = 0.0

    def watch(images: int) -> None:
        nonlocal counted, begun, elapsed
        if counted < 0:  # the first chunk warms up
            ready()
            counted, begun = 0, now(device)
            return
        counted += images
        elapsed = now(device) - begun
        if elapsed >= seconds:
            raise EnoughSeenError

    with suppress(EnoughSeenError):
        train(Cohort(runs), data, lowering=way.lowering, on_images=watch)
    return counted / elapsed
