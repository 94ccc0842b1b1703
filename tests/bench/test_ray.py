"""Cohorts on a Ray cluster: several nodes on this machine, which come, go and lose processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from disbench.bench import BadInput, sweep
from disbench.bench.cohort import train
from disbench.bench.executors import EXECUTORS, Request, ray_cluster
from disbench.bench.executors import ray as ray_module
from disbench.bench.executors.deaths import Deaths
from disbench.bench.executors.ray import Need, Ray, finish_cohort
from disbench.bench.mailbox import Mailbox
from disbench.bench.progress import Progress
from disbench.bench.resources import Resources
from disbench.bench.run import Cohort, Plan
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study
from disbench.bench.work import CohortEnd
from disbench.datasets import load

DISBENCH = str(Path(sys.executable).with_name("disbench"))
CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
PROVENANCE = ["train_seconds", "evaluate_seconds", "finished_at", "device", "commit"]
NODE = {"num_cpus": 2, "num_gpus": 1, "object_store_memory": 80_000_000}
"""Its GPU is Ray's word alone: PyTorch finds none."""


def same_numbers(left, right):
    """Assert that two sweeps have equal rows, to the last bit of every score."""
    drop = [name for name in PROVENANCE if name in left]
    pd.testing.assert_frame_equal(left.drop(columns=drop), right.drop(columns=drop), check_exact=True)


@pytest.fixture(scope="module")
def cluster():
    """A head that takes no tasks, and one node; ended with everything on it."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'disbench[ray]'")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    with ray_cluster.settings():
        head = {"num_cpus": 0, "object_store_memory": 80_000_000, "include_dashboard": False}
        made = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        made.node = made.add_node(**NODE)
        yield made
        made.shutdown()


def longer(tiny, steps, seeds=1):
    """A few beta-VAEs, trained for longer, under a name of this process by which the system knows their tasks."""
    arm = tiny.arms[0].model_dump() | {"strengths": [1.0], "steps": steps}
    changes = {"name": f"longer-{os.getpid()}", "arms": [arm], "seeds": seeds}
    return parse_study(tiny.model_dump() | changes, "longer.toml")


@pytest.fixture
def watched(monkeypatch):
    """What a sweep shows, and a place for something to happen whenever a cohort begins."""
    seen = SimpleNamespace(starts=[], lines=[], on_start=lambda cohort: None, progress=None)

    class Watched(Progress):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            seen.progress = self

        def cohort_starts(self, cohort):
            seen.starts.append(cohort.cohort_id)
            seen.on_start(cohort)

        def line(self, text):
            seen.lines.append(text)

    monkeypatch.setattr(sys.modules["disbench.bench.sweep"], "Progress", Watched)
    monkeypatch.setattr(ray_module, "POLL_SECONDS", 0.1)
    return seen


def on_ray(study, cluster, out, asked=None, **more):
    """Sweep on the cluster, one model a cohort."""
    resources = {"address": cluster.address, **(asked or {})}
    return sweep(study, out=out, on="ray", device="cpu", cohort_size=1, cluster=resources, **more)


def processes(study_name):
    """Process ids of tasks at work for a study, on any node of this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(f"ray::disbench {study_name}".encode()):
                found.append(int(entry.name))
    return found


def wait_until(condition, seconds=120):
    """Wait until something is so, but not for ever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_cluster_gives_the_numbers_of_this_machine(cluster, swept, tiny, tmp_path, watched):
    """Bit for bit; every cohort is seen to begin and every image is counted; the environment is as it was."""
    before = dict(os.environ)
    same_numbers(on_ray(tiny, cluster, tmp_path / "out"), swept[1])
    assert dict(os.environ) == before
    assert sorted(watched.starts) == sorted(swept[1]["cohort_id"])
    assert watched.progress.images_done == watched.progress.total == 6 * 20 * 16
    same_numbers(on_ray(tiny, cluster, tmp_path / "out"), swept[1])  # all done: no task


@pytest.mark.slow
def test_nodes_go_and_come(cluster, tiny, tmp_path, watched):
    """The only node is killed under a running task and another one joins: it does all, and no cohort is to blame."""
    study, lost = longer(tiny, 1500), []

    def replace_node(cohort):
        if not lost:
            lost.append(cohort)
            cluster.remove_node(cluster.node, allow_graceful=False)
            cluster.node = cluster.add_node(**NODE)

    watched.on_start = replace_node
    rows = on_ray(study, cluster, tmp_path / "out", quiet=False)
    assert [
        line for line in watched.lines if "its node was lost; begun again from its last checkpoint" in line
    ]
    same_numbers(rows, sweep(study, out=tmp_path / "here", device="cpu", cohort_size=1))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc to find the tasks")
def test_a_dying_process_costs_its_cohort_only(cluster, tiny, tmp_path, watched, monkeypatch):
    """Killed once, a cohort is done in the end; killed twice, where that is too often, it is a failed row."""
    monkeypatch.setattr(Deaths, "most", 1)
    study, deaths, kills = longer(tiny, 1500, seeds=2), {0: 1, 1: 2}, Counter()

    def kill(cohort):
        seed = cohort.shared.seed
        if kills[seed] < deaths.get(seed, 0):
            kills[seed] += 1
            (victim,) = processes(study.name)
            os.kill(victim, signal.SIGKILL)

    watched.on_start = kill
    rows = on_ray(study, cluster, tmp_path / "out", asked={"workers": 1}, quiet=False)
    assert kills == deaths
    assert rows.set_index("seed")["status"].to_dict() == {0: "done", 1: "failed"}
    assert rows.set_index("seed")["error"][1] == "its process died, 2 times without getting further"
    assert sum("its process died; begun again" in line for line in watched.lines) == 2


@pytest.mark.slow
def test_a_training_in_work_goes_on(cluster, tiny, tmp_path, watched):
    """A checkpoint in the folder, whoever left it, is picked up: only what is missing is trained, with the same end."""
    study = longer(tiny, 400)
    (run,) = study.runs()
    cohort, store = Cohort((run,)), Store.claimed(tmp_path / "out", study)

    class Cut(Exception):
        pass

    checkpoint, kept = store.checkpoint(cohort), []
    checkpoint.seconds = 0.0
    offer = checkpoint.offer

    def cut(done, state, history):
        offer(done, state, history)
        if checkpoint.path.exists():
            kept.append(done)
            raise Cut

    checkpoint.offer = cut
    with pytest.raises(Cut):
        train(cohort, load("digits"), checkpoint=checkpoint)
    rows = on_ray(study, cluster, tmp_path / "out")
    assert watched.progress.images_done == (400 - kept[0]) * 16
    same_numbers(rows, sweep(study, out=tmp_path / "whole", device="cpu", cohort_size=1))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc to find the tasks")
def test_nothing_outlives_a_sweep(cluster, tiny_file, tmp_path):
    """SIGKILL for the process that sweeps, or Ctrl-C: its tasks on the cluster end, in the middle of a training."""
    name = f"endless-{os.getpid()}"
    study, out = tmp_path / "study.toml", tmp_path / "out"
    endless = tiny_file.read_text().replace('"tiny"', f'"{name}"').replace("steps = 20", "steps = 10_000_000")
    study.write_text(endless)
    command = [
        DISBENCH, "sweep", str(study), "--out", str(out), "--on", "ray", "--device", "cpu",
        "--cluster", f"address={cluster.address}", "workers=1",
    ]  # fmt: skip
    # A shell that started the tests in the background lets them ignore Ctrl-C; people's terminals do not.
    attentive = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    for fatal in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(command, **pipes, **attentive) as process:
            wait_until(lambda: processes(name))
            process.send_signal(fatal)
            _, errors = process.communicate(timeout=60)
        wait_until(lambda: not processes(name), 60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("stopped; finished models are kept")


@pytest.mark.slow
def test_what_a_node_objects_to_ends_the_sweep(cluster, tiny, tmp_path, watched):
    """No GPU where Ray says that there is one: a line, and no failed rows."""
    asked = {"on": "ray", "device": "cuda", "cohort_size": 1}
    with pytest.raises(BadInput, match="PyTorch of node .* finds no GPU, which Ray says is there"):
        sweep(tiny, out=tmp_path, cluster={"address": cluster.address, "gpus": 0.5}, **asked)
    assert len(Store(tmp_path).rows()) == 0


@pytest.mark.slow
def test_what_no_node_has(cluster, tiny, tmp_path, watched, monkeypatch):
    """It is said, and waited for: a cluster may grow; but not for ever."""
    monkeypatch.setattr(ray_module, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(BadInput, match=r"no node has 64 CPU for a task; the largest have 2 CPU, 1 GPU"):
        on_ray(tiny, cluster, tmp_path, asked={"cpus": 64}, quiet=False)
    assert watched.lines[0].startswith("waiting for a node to join: no node has 64 CPU")


@pytest.mark.parametrize(
    ("need", "node", "tasks"),
    [
        (Need(1), {"CPU": 8}, 8),
        (Need(3), {"CPU": 8}, 2),
        (Need(1), {}, 0),
        (Need(2, 1.0), {"CPU": 16, "GPU": 4}, 4),
        (Need(2, 0.5), {"CPU": 16, "GPU": 4}, 8),
        (Need(2, 0.6), {"CPU": 16, "GPU": 4}, 4),  # what is left of each GPU is of no use
        (Need(2, 0.1), {"CPU": 16, "GPU": 1}, 8),
        (Need(1, 1.0), {"CPU": 16}, 0),
        (Need(1, 0.0, 4_000_000_000), {"CPU": 16, "memory": 9e9}, 2),
    ],
)
def test_tasks_of_a_node(need, node, tasks):
    """Cores, GPUs or parts of them, memory: whatever is short."""
    assert need.fits(node) == tasks


def test_what_ray_is_asked_for():
    """A process that has had a GPU sees no second one: the next task may be given another."""
    assert Need(4, 0.25, 10**9).options() == {
        "num_cpus": 4, "num_gpus": 0.25, "max_calls": 1, "memory": 10**9
    }  # fmt: skip
    assert Need(2).options() == {"num_cpus": 2, "num_gpus": 0.0, "max_calls": 0}


NODES = {
    "none": [],
    "cores": [{"CPU": 2.0}, {"CPU": 4.0}],
    "gpus": [{"CPU": 8.0}, {"CPU": 16.0, "GPU": 2.0}, {"CPU": 64.0, "GPU": 4.0}],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Builds a place on nodes that are only told of."""

    def build(nodes, device="auto", **resources):
        told = [{"Alive": True, "Resources": node} for node in nodes]
        told.append({"Alive": False, "Resources": {"CPU": 999.0, "GPU": 999.0}})
        fake = SimpleNamespace(nodes=lambda: told, is_initialized=lambda: False)
        monkeypatch.setattr(ray_module, "engine", lambda: fake)
        monkeypatch.setattr(ray_module, "connected", lambda ray, address: nullcontext())
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        return Ray(Request(Store(tmp_path), "tiny", device, Resources(**resources)))

    return build


@pytest.mark.parametrize(
    ("nodes", "device", "resources", "devices", "need"),
    [
        ("cores", "auto", {}, [CPU] * 6, Need(1)),
        ("cores", "cpu", {"cpus": 3}, [CPU], Need(3)),
        ("cores", "auto", {"workers": 4}, [CPU] * 4, Need(1)),
        ("gpus", "auto", {}, [CUDA] * 6, Need(8, 1.0)),
        ("gpus", "cuda", {"gpus": 0.5, "workers": 9}, [CUDA] * 9, Need(4, 0.5)),
        ("gpus", "cpu", {}, [CPU] * 88, Need(1)),
        ("gpus", "auto", {"gpus": 0}, [CPU] * 88, Need(1)),
        ("none", "cuda", {"address": "h:1"}, [CUDA], Need(1, 1.0)),
        ("none", "cuda", {"address": "h:1", "workers": 8}, [CUDA], Need(1, 1.0)),
        ("cores", "auto", {"address": "h:1", "gpus": 1}, [CUDA], Need(1, 1.0)),
    ],
)
def test_a_device_for_each_task(nodes, device, resources, devices, need, place):
    """As many as the nodes take, of what they have; one where all nodes are yet to come. The same each time."""
    with place(NODES[nodes], device, **resources) as built:
        assert built.devices() == built.devices() == devices
        assert built.need == need


def test_a_cluster_of_ones_own_does_not_grow(place):
    """What this machine does not have is refused at once."""
    with pytest.raises(BadInput, match="no node has 1 CPU, 1 GPU for a task; the largest have 4 CPU, 0 GPU"):
        place(NODES["cores"], "cuda").__enter__()


def test_devices_and_addresses_that_make_no_sense(place):
    """Refused before anything is begun."""
    with pytest.raises(BadInput, match="cuda:1 is one of a single machine; --on ray takes auto, cpu, cuda"):
        place(NODES["gpus"], "cuda:1")
    with pytest.raises(BadInput, match="gpus = 0 leaves a task no device"):
        place(NODES["gpus"], "cuda", gpus=0)
    for address in ("somewhere", "h:", ":1", "h:x", "http://h"):
        with pytest.raises(BadInput, match="auto, HOST:PORT or ray://HOST:PORT, got"):
            ray_cluster.greet(address)


def test_the_address_is_given_or_told_by_the_environment(monkeypatch):
    """As Ray's own programs have it; without either this machine is the cluster."""
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert ray_cluster.wanted_address("other:1") == "other:1"
    assert ray_cluster.wanted_address(None) == "head:6379"
    monkeypatch.delenv("RAY_ADDRESS")
    assert ray_cluster.wanted_address(None) == "local"


def test_addresses_at_which_no_cluster_answers(monkeypatch):
    """Nobody, somebody who says nothing, somebody else: each in one line, within the time limit."""
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 0.2)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BadInput, match=f"no Ray cluster answers at {address}: .*refused"):
            ray_cluster.greet(address)
        server.listen()
        with pytest.raises(BadInput, match=f"no Ray cluster answers at ray://{address}: no answer in time"):
            ray_cluster.greet(f"ray://{address}")
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 10.0)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(BadInput, match="is no Ray cluster"):
            ray_cluster.greet(f"127.0.0.1:{server.server_port}")
        thread.join()


def test_a_cluster_of_another_version(monkeypatch):
    """What Ray says, in one line."""

    def init(**keywords):
        raise RuntimeError(
            "Version mismatch: The cluster was started with:\n    Ray: 2.40.0\n    Python: 3.12.1"
        )

    fake = SimpleNamespace(init=init, is_initialized=lambda: False, shutdown=lambda: None)
    expected = (
        "no connection to auto: Version mismatch: The cluster was started with: Ray: 2.40.0 Python: 3.12.1"
    )
    with pytest.raises(BadInput, match=re.escape(expected)), ray_cluster.connected(fake, "auto"):
        pass


def test_all_reasons_are_said(monkeypatch):
    """That a token is missing is behind what Ray says first."""

    def init(**keywords):
        traced = "Last error: Traceback (most recent call last):\n  File x\nAuthenticationError: no token\n"
        raise ConnectionError("Failed to connect") from RuntimeError(traced)

    fake = SimpleNamespace(init=init, is_initialized=lambda: False)
    expected = "no connection to auto: Failed to connect; Last error: AuthenticationError: no token"
    with pytest.raises(BadInput, match=expected), ray_cluster.connected(fake, "auto"):
        pass


def test_the_engine_is_asked_for_when_the_place_is_built(monkeypatch, tiny, tmp_path):
    """The table of places needs no Ray; without it `--on ray` says how to get it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert EXECUTORS["ray"] is Ray
    with pytest.raises(BadInput, match=r"--on ray needs ray.*pip install 'disbench\[ray\]'"):
        sweep(tiny, out=tmp_path / "out", on="ray")
    assert not (tmp_path / "out").exists()


def test_trials_on_every_type_of_gpu(place, tiny, monkeypatch):
    """The smallest of their plans fits everywhere; of a GPU that two share, half is tried."""
    asked = []

    class Trial:
        def __init__(self, resources=None):
            self.resources = resources

        def options(self, resources):
            return Trial(resources)

        def remote(self, run, wanted, share, kind, threads, known):
            asked.append((self.resources, wanted, share, kind))
            return Plan(4 if "accelerator_type:A10" in self.resources else 64)

    nodes = [
        {"CPU": 8.0, "GPU": 1.0, "accelerator_type:H100": 1.0},
        {"CPU": 8.0, "GPU": 1.0, "accelerator_type:A10": 1.0},
    ]
    with place(nodes, gpus=0.5) as built:
        built.ray.remote = lambda **options: lambda function: Trial()
        built.ray.wait = lambda refs, timeout: (refs[:1], refs[1:])
        monkeypatch.setattr(built, "got", lambda ref: ref)
        assert built.plan(tiny.runs()[0], 50) == Plan(4)
    assert asked == [
        ({"accelerator_type:A10": 0.001}, 50, 0.5, "cuda"),
        ({"accelerator_type:H100": 0.001}, 50, 0.5, "cuda"),
    ]


class Posted:
    """Stands in for the mailbox on the cluster."""

    def __init__(self):
        self.box = Mailbox()

    def __getattr__(self, name):
        return SimpleNamespace(remote=getattr(self.box, name))


def test_the_body_of_a_task(swept, tiny, tmp_path, monkeypatch):
    """A cohort in, its end out, and word of both; a folder that is not there is named, and a version."""
    monkeypatch.setattr(ray_module, "delivered", lambda ref: None)
    posted, run = Posted(), tiny.runs()[0]
    given = ("tiny", "cpu", 1, ray_module.known_versions(), posted)
    refused = finish_cohort(Cohort((run,)), tmp_path / "nowhere", *given)
    assert isinstance(refused, BadInput)
    assert "nowhere is not there on node" in str(refused)
    Store.claimed(tmp_path, tiny)
    other = finish_cohort(Cohort((run,)), tmp_path, "tiny", "cpu", 1, {"torch": "1.0"}, posted)
    assert isinstance(other, BadInput)
    assert re.search(r"node .* has torch .*, where the sweep was begun it is 1\.0", str(other))
    end = finish_cohort(Cohort((run,)), tmp_path, *given)
    assert isinstance(end, CohortEnd)
    assert end.statuses == {run.run_id: "done"}
    post = posted.box.read()
    assert post.images == 20 * 16
    assert post.begun == [Cohort((run,)).cohort_id] * 3
    assert posted.box.read().images == 0
    assert Store(tmp_path).rows()["elbo_nats"].tolist() == swept[1]["elbo_nats"].tolist()[:1]


def test_a_bug_is_a_failed_row(tiny, tmp_path, monkeypatch):
    """Whatever is raised in a task is its cohort's, and not the sweep's."""

    def take(*arguments):
        raise KeyError("no such thing\nat all")

    monkeypatch.setattr(ray_module, "take", take)
    Store.claimed(tmp_path, tiny)
    cohort = Cohort(tiny.runs()[:1])
    end = finish_cohort(cohort, tmp_path, "tiny", "cpu", 1, ray_module.known_versions(), Posted())
    assert end.error.startswith("KeyError: ")
    assert Store(tmp_path).rows()["status"].tolist() == ["failed"]
