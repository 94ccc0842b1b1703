"""On a Ray cluster: each cohort a task somewhere, on as many nodes as there are at the moment."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import torch

from ..bad_input import BadInput
from ..cohort_plan import trial_plan
from ..lost_device import LostDevice
from ..mailbox import Mailbox, Post
from ..one_line import one_line
from ..progress import Progress
from ..provenance import versions
from ..resources import Resources
from ..run import Cohort, Plan, Run
from ..store import Store
from ..work import CohortEnd, fail, in_short
from .contract import Request
from .deaths import Deaths
from .local import open_data_set
from .ray_cluster import OWN, connected, engine, wanted_address
from .task import prepare, take

AHEAD = 64
"""Tasks handed over beyond those that run: what a cluster that grows on demand sees, and new nodes find ready. Few
enough that a cohort that is begun again need not wait behind all others."""

NODES = 20
"""Times that a cohort may lose its node: a loss is the node's fault, but a cohort could also bring down each."""

POLL_SECONDS = 0.5
"""Between two looks at what tasks have told."""

PENDING_SECONDS = 30.0
"""Without a task that runs, after which the sweep says what it waits for."""

PATIENCE_SECONDS = 600.0
"""For a first node that could take a task: a cluster that grows on demand may need minutes for it."""

GRACE_SECONDS = 2.0
"""For a cancelled task to end by itself."""

SAME = ("disbench", "torch")
"""Packages that must have the same version everywhere; other builds of it (+cu128) are the same."""


@dataclass(frozen=True)
class Need:
    """What a task takes of its node."""

    cpus: int
    gpus: float = 0.0
    memory: int = 0
    """Bytes; 0 is whatever it needs."""

    @classmethod
    def of(cls, resources: Resources, kind: str, nodes: Sequence[Mapping[str, float]]) -> Self:
        """What was asked for; by default a core, or beside a GPU the task's share of the cores of its node."""
        gpus = resources.gpus_on(kind)
        memory = int(1e9 * (resources.memory_gb or 0))
        if resources.cpus or not gpus:
            return cls(resources.cpus or 1, gpus, memory)
        with_gpus = [node for node in nodes if cls(1, gpus, memory).fits(node)]
        shares = [int(node["CPU"]) // cls(1, gpus).on_gpus(node) for node in with_gpus]
        return cls(max(1, min(shares, default=1)), gpus, memory)

    @property
    def a_gpu(self) -> int:
        """Tasks that share a GPU; 1 if they share none."""
        return int(1 / self.gpus + 1e-9) if self.gpus else 1

    def on_gpus(self, node: Mapping[str, float]) -> int:
        """Tasks for which a node has GPUs."""
        return int(node.get("GPU", 0)) * self.a_gpu

    def fits(self, node: Mapping[str, float]) -> int:
        """Tasks that a node with these resources takes at a time."""
        counts = [int(node.get("CPU", 0)) // self.cpus]
        if self.gpus:
            counts.append(self.on_gpus(node))
        if self.memory:
            counts.append(int(node.get("memory", 0)) // self.memory)
        return min(counts)

    def options(self) -> dict[str, Any]:
        """The same in Ray's words. Who has had a GPU is not used again: the next task may get another one."""
        memory = {"memory": self.memory} if self.memory else {}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_calls": 1 if self.gpus else 0, **memory}

    def __str__(self) -> str:
        parts = [f"{self.cpus} CPU"]
        parts += [f"{self.gpus:g} GPU"] if self.gpus else []
        parts += [f"{self.memory / 1e9:g} GB of memory"] if self.memory else []
        return ", ".join(parts)


class Ray:
    """A Ray cluster that is there, or one of this machine that ends with the sweep.

    Nodes may come and go: the queue is cut for those that are there when the sweep begins, and handed to all that are
    there later, no more than `workers` cohorts at a time if that was asked for. Ray is told to begin nothing again by
    itself, so that a cohort that kills its process and a node that is taken away are told apart.
    """

    takes: ClassVar[tuple[str, ...]] = ("address", "workers", "cpus", "gpus", "memory_gb")

    def __init__(self, request: Request) -> None:
        if request.device.startswith("cuda:"):
            raise BadInput(
                f"device {request.device} is one of a single machine; --on ray takes auto, cpu, cuda"
            )
        if request.device == "cuda":
            request.resources.gpus_on("cuda")
        self.request = request
        self.ray = engine()
        self.address = wanted_address(request.resources.address)
        self.folder = request.store.folder.absolute()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.ours = self.address == OWN and not self.ray.is_initialized()
            stack.enter_context(connected(self.ray, self.address))
            nodes = self.nodes()
            self.kind = self.chosen_kind(nodes)
            self.need = Need.of(self.request.resources, self.kind, nodes)
            self.fitted = self.capacity() > 0
            if self.ours and not self.fitted:
                raise BadInput(f"--on ray: {self.unfit()}")
            self.since = time.monotonic()
            self.connection = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect: a cluster of our own ends, and in another one Ray ends what this process began."""
        self.connection.close()

    def chosen_kind(self, nodes: Sequence[Mapping[str, float]]) -> str:
        """The type of device that tasks train on."""
        if self.request.device != "auto":
            return self.request.device
        gpus = self.request.resources.gpus
        if gpus is None:
            return "cuda" if any(node.get("GPU", 0) for node in nodes) else "cpu"
        return "cuda" if gpus else "cpu"

    def nodes(self) -> list[dict[str, float]]:
        """What each node has, whatever of it is in use."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def capacity(self) -> int:
        """Tasks that the nodes could run at a time, had they nothing else to do."""
        return sum(self.need.fits(node) for node in self.nodes())

    def devices(self) -> list[torch.device]:
        """One for each task that the cluster as it is can run; at least one, for a cluster that has yet to grow."""
        most = self.capacity()
        number = max(1, min(most, self.request.resources.workers or most))
        return [device_of(self.kind)] * number

    def plan(self, run: Run, wanted: int) -> Plan:
        """Tried on one GPU of every type that the cluster has; the smallest of the plans fits everywhere."""
        fitting = [node for node in self.nodes() if self.need.fits(node)]
        types = sorted({name for node in fitting for name in node if name.startswith("accelerator_type:")})
        trial = self.ray.remote(**self.need.options())(tried)
        refs = [
            trial.options(resources=dict.fromkeys(one_type, 0.001)).remote(
                run, wanted, 1 / self.need.a_gpu, self.kind, self.need.cpus, known_versions()
            )
            for one_type in [[name] for name in types] or [[]]
        ]
        plans = []
        while refs:
            done, refs = self.ray.wait(refs, timeout=POLL_SECONDS)
            self.check_hope()
            for ref in done:
                found = self.got(ref)
                if isinstance(found, Exception):
                    raise BadInput(f"--on ray: trying sizes of cohorts came to nothing: {one_line(found)}")
                plans.append(found)
        return min(plans, key=lambda plan: plan.size)

    def finish(self, cohorts: Sequence[Cohort], at_a_time: int, progress: Progress) -> Iterator[CohortEnd]:
        """Finish the cohorts, on the nodes that there are at any time; more than `at_a_time` when there are more."""
        if not cohorts:
            return
        if self.ours:  # its tasks see our cache: built once, and its progress is seen
            for name in dict.fromkeys(cohort.shared.data_set for cohort in cohorts):
                open_data_set(name, progress)
        if not self.fitted and not progress.quiet:
            progress.line(f"waiting for a node to join: {self.unfit()}")
        tasks = Tasks(self, cohorts, progress)
        try:
            while tasks:
                tasks.hand_over()
                yield from tasks.ended()
        finally:
            tasks.cancel()

    def got(self, ref: Any) -> Any:
        """What a task returned, or the exception that says what became of it; `BadInput` is raised."""
        exceptions = self.ray.exceptions
        try:
            answer = self.ray.get(ref)
        except exceptions.RayTaskError as error:
            if isinstance(error, exceptions.TaskCancelledError):
                return error
            # Nothing of a cohort is raised: its code is not there, or is another one.
            raise BadInput(f"--on ray: a node cannot run tasks: {one_line(last_line(error))}") from error
        except (exceptions.RuntimeEnvSetupError, exceptions.TaskUnschedulableError) as error:
            raise BadInput(f"--on ray: {one_line(error)}") from error
        except exceptions.RayError as error:
            return error
        except ConnectionError as error:
            raise BadInput(
                f"--on ray: the cluster at {self.address} is gone: {one_line(error)}; the same command goes on"
            ) from error
        if isinstance(answer, BadInput):
            raise answer
        return answer

    def check_hope(self) -> None:
        """`BadInput` if no node could ever take a task, for too long."""
        if self.fitted:
            return
        self.fitted = self.capacity() > 0
        if not self.fitted and time.monotonic() - self.since > PATIENCE_SECONDS:
            raise BadInput(f"--on ray: {self.unfit()}, and none has joined in {PATIENCE_SECONDS:g} s")

    def unfit(self) -> str:
        """That no node is large enough, and what there is."""
        most = {name: max((node.get(name, 0) for node in self.nodes()), default=0) for name in ("CPU", "GPU")}
        return (
            f"no node has {self.need} for a task; the largest have {most['CPU']:g} CPU, {most['GPU']:g} GPU"
            " (--cluster cpus=, gpus=, memory_gb=, or --device cpu)"
        )


class Tasks:
    """The cohorts of a sweep: those that wait, those that Ray has, and how often each has died."""

    def __init__(self, place: Ray, cohorts: Sequence[Cohort], progress: Progress) -> None:
        self.place, self.progress, self.ray = place, progress, place.ray
        self.waiting = deque(cohorts)
        self.by_id = {cohort.cohort_id: cohort for cohort in cohorts}
        self.handed_over: dict[Any, Cohort] = {}
        self.running: set[str] = set()
        self.deaths = Deaths(place.request.store)
        self.losses: Counter[str] = Counter()
        self.last_words: dict[str, str] = {}
        self.idle_since = time.monotonic()
        # Begin nothing again by itself: the store knows what is done, and we why a task ended.
        self.task = self.ray.remote(max_retries=0, **place.need.options())(finish_cohort)
        here = self.ray.get_runtime_context().get_node_id()
        beside_us = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=True)
        self.mailbox = (
            self.ray.remote(num_cpus=0, max_restarts=-1)(Mailbox)
            .options(scheduling_strategy=beside_us)
            .remote()
        )

    def __bool__(self) -> bool:
        """Whether there is anything left to do."""
        return bool(self.waiting or self.handed_over)

    def hand_over(self) -> None:
        """Give Ray what may run, and a little more unless there is a limit."""
        limit = self.place.request.resources.workers
        while self.waiting:
            if limit and len(self.handed_over) >= limit:
                return
            if len(self.handed_over) - len(self.running) >= AHEAD:
                return
            cohort = self.waiting.popleft()
            request, need = self.place.request, self.place.need
            ref = self.task.options(name=f"disbench {request.study_name}").remote(
                cohort, self.place.folder, request.study_name, self.place.kind, need.cpus,
                known_versions(), self.mailbox,
            )  # fmt: skip
            self.handed_over[ref] = cohort

    def ended(self) -> Iterator[CohortEnd]:
        """Wait a moment for a task to end, pass on what tasks told, and say how those ended that did."""
        done, _ = self.ray.wait(list(self.handed_over), timeout=POLL_SECONDS)
        self.read_mail()
        for ref in done:
            cohort = self.handed_over.pop(ref)
            self.running.discard(cohort.cohort_id)
            answer = self.place.got(ref)
            self.idle_since = time.monotonic()
            if isinstance(answer, CohortEnd):
                yield answer
            elif why := self.bury(cohort, answer):
                device = device_of(self.place.kind)
                yield fail(cohort, why, self.place.request.store, self.place.request.study_name, device)
        if self.running:
            self.idle_since = time.monotonic()
        else:
            self.place.check_hope()
            self.say_what_is_missing()

    def read_mail(self) -> None:
        """Bring progress up to date."""
        post = Post(0, [], {})
        with suppress(
            self.ray.exceptions.RayError
        ):  # being moved to another node, if not lost with the sweep
            post = self.ray.get(self.mailbox.read.remote(), timeout=10 * POLL_SECONDS)
        at_work = {cohort.cohort_id for cohort in self.handed_over.values()}
        for cohort_id in post.begun:
            self.progress.cohort_starts(self.by_id[cohort_id])
            self.running |= {cohort_id} & at_work
        self.last_words |= post.last_words
        if post.images:
            self.progress.images(post.images)

    def bury(self, cohort: Cohort, error: Exception) -> str | None:
        """Put the cohort of a dead task back to the front of the queue; why not, if it has died too often."""
        name, exceptions = cohort.cohort_id, self.ray.exceptions
        if isinstance(error, exceptions.NodeDiedError | exceptions.LocalRayletDiedError):
            self.losses[name] += 1
            why, times, most, how = "its node was lost", self.losses[name], NODES, "in all"
        else:
            why, times, most = self.cause(name, error), self.deaths.count(cohort), self.deaths.most
            how = "without getting further"
        if times > most:
            return why if times == 1 else f"{why}, {times} times {how}"
        self.waiting.appendleft(cohort)
        if not self.progress.quiet:
            self.progress.line(f"{cohort.shared.label}: {why}; begun again from its last checkpoint")
        return None

    def cause(self, name: str, error: Exception) -> str:
        """Why a process died."""
        if name in self.last_words:
            return f"its process lost its device ({self.last_words.pop(name)})"
        if isinstance(error, self.ray.exceptions.OutOfMemoryError):
            return "its process was ended because its node ran out of memory"
        if isinstance(error, self.ray.exceptions.WorkerCrashedError):
            return "its process died"
        return one_line(in_short(error))

    def say_what_is_missing(self) -> None:
        """If nothing has run for some time, say what the cluster would have to give."""
        if self.progress.quiet or time.monotonic() - self.idle_since < PENDING_SECONDS:
            return
        self.idle_since = time.monotonic()
        if not self.place.capacity():
            self.progress.line(f"waiting for a node to join: {self.place.unfit()}")
            return
        free = self.ray.available_resources()
        found = ", ".join(f"{free.get(name, 0):g} {name}" for name in ("CPU", "GPU"))
        self.progress.line(
            f"no task has begun yet; each takes {self.place.need}, and in all nodes together {found} is free"
        )

    def cancel(self) -> None:
        """End what is handed over, gently and then not; nothing of it is left when this returns."""
        left = list(self.handed_over)
        for force in (False, True):
            for ref in left:
                with suppress(Exception):  # the cluster may be what ended the sweep
                    self.ray.cancel(ref, force=force)
            with suppress(Exception):
                left = self.ray.wait(left, num_returns=len(left), timeout=GRACE_SECONDS)[1] if left else []
        with suppress(Exception):
            self.ray.kill(self.mailbox)


def finish_cohort(
    cohort: Cohort,
    folder: Path,
    study_name: str,
    kind: str,
    threads: int,
    known: Mapping[str, str],
    mailbox: Any,
) -> CohortEnd | BadInput:
    """The body of a task; runs on some node, in a process that may have seen other cohorts before."""
    mailbox.begins.remote(cohort.cohort_id)
    store = Store(folder)
    told: list[Any] = []

    def tell(images: int) -> None:
        told[:] = [mailbox.trained.remote(images)]

    try:
        check_node(known, kind)
        if not store.study_file.is_file():
            raise BadInput(
                f"{folder} is not there on node {platform.node()}: --out must be on a disk that every node sees,"
                " under the same path"
            )
        prepared(kind, threads)
        end = take(cohort, folder, study_name, device_of(kind), tell)
    except LostDevice as error:
        delivered(mailbox.ends.remote(cohort.cohort_id, str(error)))
        os._exit(1)  # at once: what is left of the device's library may hang or abort at an ordinary end
    except (BadInput, OSError) as error:
        return BadInput(str(error))
    except Exception as error:
        end = fail(cohort, in_short(error), store, study_name, device_of(kind))
    for ref in told:
        delivered(ref)
    return end


def tried(
    run: Run, wanted: int, share: float, kind: str, threads: int, known: Mapping[str, str]
) -> Plan | BadInput:
    """The body of a task that tries sizes of cohorts."""
    try:
        check_node(known, kind)
        prepared(kind, threads)
        return trial_plan(run, wanted, device_of(kind), share)
    except (BadInput, OSError) as error:
        return BadInput(str(error))


def delivered(ref: Any) -> None:
    """Wait until a message is read, so that the end of a task does not overtake it; not for ever."""
    ray = engine()
    with suppress(ray.exceptions.RayError):
        ray.get(ref, timeout=10.0)


def check_node(known: Mapping[str, str], kind: str) -> None:
    """`BadInput` where numbers would not be those of the sweep's other nodes, or there is nothing to train on."""
    here, node = known_versions(), platform.node()
    for name, version in known.items():
        if here[name] != version:
            raise BadInput(f"node {node} has {name} {here[name]}, where the sweep was begun it is {version}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"PyTorch of node {node} finds no GPU, which Ray says is there ({sys.executable})")


@cache
def known_versions() -> dict[str, str]:
    """Versions that must be the same everywhere."""
    return {name: versions()[name].partition("+")[0] for name in SAME}


def device_of(kind: str) -> torch.device:
    """The device of a task in its process, to which Ray shows one GPU."""
    return torch.device("cuda", 0) if kind == "cuda" else torch.device("cpu")


@cache
def prepared(kind: str, threads: int) -> None:
    """`prepare`, once a process."""
    prepare(device_of(kind), threads)


def last_line(error: BaseException) -> str:
    """What an error with a traceback in its message comes down to."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
