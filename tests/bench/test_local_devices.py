"""Several devices of one machine: a process on each, and a second try for what a dead one had in hand."""

import multiprocessing
import os
import signal
from collections import Counter
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from disbench.bench import BadInput, sweep
from disbench.bench.cli import main
from disbench.bench.devices import chosen_devices
from disbench.bench.executors import EXECUTORS, Job, Request, detached
from disbench.bench.executors import local as local_module
from disbench.bench.executors.deaths import Deaths
from disbench.bench.executors.local import Local, in_processes, in_turn
from disbench.bench.executors.task import placed, take
from disbench.bench.progress import Progress
from disbench.bench.resources import Resources
from disbench.bench.run import Cohort, Plan
from disbench.bench.store import Store
from disbench.bench.work import CohortEnd

CPU = torch.device("cpu")


def cuda(*numbers):
    """GPUs by number."""
    return [torch.device("cuda", number) for number in numbers]


@pytest.fixture
def four_gpus(monkeypatch):
    """A machine that says that it has four GPUs, the third with the least memory."""
    memory = [80, 80, 40, 80]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=memory[device.index])
    )


def request(tmp_path, device="auto", **resources):
    """What a sweep asks."""
    return Request(Store(tmp_path), "tiny", device, Resources(**resources))


def test_names_of_devices(four_gpus):
    """All that are visible, or the one that is named."""
    assert chosen_devices("cuda") == chosen_devices("auto") == cuda(0, 1, 2, 3)
    assert chosen_devices("cuda:2") == cuda(2)
    assert chosen_devices("cpu") == [CPU]
    for name in ("tpu", "cpu:1", "cuda:", "cuda:-1", "auto:0"):
        with pytest.raises(BadInput, match="unknown device"):
            chosen_devices(name)
    with pytest.raises(BadInput, match="cuda:4 is not there: this machine has 4 CUDA devices"):
        chosen_devices("cuda:4")


@pytest.mark.parametrize(
    ("device", "resources", "expected"),
    [
        ("auto", {}, cuda(0, 1, 2, 3)),
        ("cuda", {"workers": 2}, cuda(0, 1)),
        ("cuda", {"workers": 6}, cuda(0, 1, 2, 3, 0, 1)),
        ("cuda", {"gpus": 0.5}, cuda(0, 1, 2, 3, 0, 1, 2, 3)),
        ("cuda:1", {}, cuda(1)),
        ("cuda:1", {"workers": 2}, cuda(1, 1)),
        ("cpu", {"workers": 3}, [CPU] * 3),
        ("auto", {"gpus": 0, "workers": 2}, [CPU] * 2),
    ],
)
def test_a_device_for_each_worker(device, resources, expected, four_gpus, tmp_path):
    """Each GPU once before any has two."""
    assert Local(request(tmp_path, device, **resources)).devices() == expected


def test_cores_are_shared_out(monkeypatch, tmp_path):
    """As many workers as cores, or as many as have the cores that each is to have."""
    monkeypatch.setattr(local_module, "cores", lambda: 8)
    assert len(Local(request(tmp_path, "cpu")).devices()) == 8
    assert len(Local(request(tmp_path, "cpu", cpus=3)).devices()) == 2
    assert len(Local(request(tmp_path, "cpu", cpus=16)).devices()) == 1
    assert in_turn([CPU], 2) == [CPU, CPU]


def test_trials_are_on_the_smallest_gpu(four_gpus, tmp_path, monkeypatch, tiny):
    """What fits there fits everywhere; of a GPU that two share, half."""
    asked = []

    def trial_plan(run, wanted, device, share):
        asked.append((wanted, device, share))
        return Plan(4)

    monkeypatch.setattr(local_module, "trial_plan", trial_plan)
    Local(request(tmp_path, "cuda")).plan(tiny.runs()[0], 50)
    Local(request(tmp_path, "cuda", gpus=0.5)).plan(tiny.runs()[0], 50)
    Local(request(tmp_path, "cuda", workers=2)).plan(tiny.runs()[0], 50)
    assert asked == [(50, cuda(2)[0], 1), (50, cuda(2)[0], 0.5), (50, cuda(2)[0], 1)]


def test_a_gpu_for_no_task(four_gpus, tmp_path):
    """Refused when the place is built."""
    with pytest.raises(BadInput, match="gpus = 0 leaves a task no device"):
        Local(request(tmp_path, "cuda", gpus=0))


class Fates:
    """Stands in for processes: a cohort's worker dies as often as its fate says; devices are noted."""

    def __init__(self, monkeypatch, deaths):
        self.deaths, self.tried = Counter(deaths), []
        monkeypatch.setattr(local_module, "serve", self.serve)
        fork = multiprocessing.get_context("fork")
        monkeypatch.setattr(local_module.multiprocessing, "get_context", lambda kind: fork)

    def serve(self, connection, folder, study_name, device, threads):
        while True:
            try:
                cohort = connection.recv()
            except EOFError:
                os._exit(0)
            log = folder / "tried"
            seed = cohort.shared.seed
            with log.open("a") as file:
                file.write(f"{seed} {device} {threads}\n")
            connection.send(8)
            tries = sum(line.startswith(f"{seed} ") for line in log.read_text().splitlines())
            if tries <= self.deaths[seed]:
                os.kill(os.getpid(), signal.SIGKILL)
            connection.send(CohortEnd(cohort, {cohort.shared.run_id: "done"}))


@pytest.fixture
def four_cohorts(tiny):
    """One model each, seeds 0 to 3."""
    from disbench.bench.study_loading import load_study

    runs = load_study(tiny, {"seeds": 4, "arms.0.strengths": [1]}).runs()
    return [Cohort((run,)) for run in runs if run.objective == "beta_vae"]


def finished(tiny, cohorts, tmp_path, places):
    """Ends and progress of cohorts in processes."""
    store = Store.claimed(tmp_path, tiny)
    asked = Request(store, "tiny", "cpu", Resources())
    with Progress(4, 32, quiet=True) as progress:
        ends = list(in_processes(cohorts, asked, places, 1, progress))
    tried = [line.split() for line in (tmp_path / "tried").read_text().splitlines()]
    return ends, tried, progress


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_every_device_has_its_worker(tiny, four_cohorts, tmp_path, monkeypatch):
    """Two stand-ins for GPUs: all four cohorts are done, by workers of both."""
    Fates(monkeypatch, {})
    ends, tried, progress = finished(tiny, four_cohorts, tmp_path, [CPU, torch.device("meta")])
    assert {end.cohort.shared.seed for end in ends} == {0, 1, 2, 3}
    assert {device for _, device, _ in tried} == {"cpu", "meta"}
    assert progress.images_done == 32


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_dead_worker_costs_a_second_try_and_no_model(tiny, four_cohorts, tmp_path, monkeypatch):
    """Seed 1 dies once and is done on the same device; seed 2 dies too often and is a failed row."""
    monkeypatch.setattr(Deaths, "most", 1)
    Fates(monkeypatch, {1: 1, 2: 2})
    ends, tried, _ = finished(tiny, four_cohorts, tmp_path, [CPU, torch.device("meta")])
    assert Counter(seed for seed, _, _ in tried) == {"0": 1, "1": 2, "2": 2, "3": 1}
    errors = {end.cohort.shared.seed: end.error for end in ends}
    assert errors == {
        0: None,
        1: None,
        2: "its process died with exit code -9, 2 times without getting further",
        3: None,
    }
    assert len({device for seed, device, _ in tried if seed == "1"}) == 1
    rows = Store(tmp_path).rows()
    assert rows[["seed", "status"]].to_numpy().tolist() == [[2, "failed"]]


@pytest.mark.slow
def test_two_devices_give_the_numbers_of_one(swept, tiny, tmp_path, monkeypatch):
    """Real processes on a machine that says it has two devices: the rows of the sweep on one, bit for bit."""
    monkeypatch.setattr(local_module, "chosen_devices", lambda name: [CPU, CPU])
    monkeypatch.setattr(local_module, "cores", lambda: 2)
    rows = sweep(tiny, out=tmp_path / "two", device="cpu", cohort_size=1, workers="all")
    drop = ["train_seconds", "evaluate_seconds", "finished_at", "device", "commit"]
    pd.testing.assert_frame_equal(rows.drop(columns=drop), swept[1].drop(columns=drop), check_exact=True)


def test_a_task_refuses_other_pixels(tiny, tmp_path, monkeypatch):
    """A node that has the official file where the sweep began with rendered images, or the other way round."""
    cohort = Cohort((tiny.runs()[0],))
    monkeypatch.setattr("disbench.bench.executors.task.content_digest", lambda name: "official")
    with pytest.raises(BadInput, match=r"digits is not what it is where the sweep was begun \(official here"):
        take(cohort, tmp_path, "tiny", CPU, lambda count: None)


def test_a_task_is_all_that_a_place_needs(swept, tiny, tmp_path):
    """A cohort in, its rows in the folder: the rows of the sweep; the data set is opened once."""
    Store.claimed(tmp_path, tiny)
    placed.cache_clear()
    counted = []
    for run in tiny.runs()[:2]:
        end = take(Cohort((run,)), tmp_path, "tiny", CPU, counted.append)
        assert end.statuses == {run.run_id: "done"}
    assert sum(counted) == 2 * 20 * 16
    assert placed.cache_info().misses == 1
    rows = Store(tmp_path).rows()
    assert rows["elbo_nats"].tolist() == swept[1]["elbo_nats"].tolist()[:2]


class Batch:
    """A place that works on without a sweep: it keeps what it was given, and does nothing with it."""

    takes = ("workers", "partition")
    given: list = []  # noqa: RUF012

    def __init__(self, request):
        self.request = request

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def devices(self):
        return [CPU] * (self.request.resources.workers or 4)

    def plan(self, run, wanted):
        return Plan(1)

    def finish(self, cohorts, at_a_time, progress):
        type(self).given = [Job(f"{n}", "waiting", len(c.runs)) for n, c in enumerate(cohorts)]
        assert not self.request.wait
        (self.request.store.folder / "batch").mkdir()
        return iter(())

    @staticmethod
    def jobs(store):
        return Batch.given

    @staticmethod
    def cancel(store):
        ended, Batch.given = Batch.given, []
        return ended


def test_hand_over_look_and_cancel(tiny_file, tmp_path, monkeypatch, capsys):
    """`--no-wait`, `status`, `cancel`, for any place that has jobs of its own."""
    monkeypatch.setitem(EXECUTORS, "batch", Batch)
    monkeypatch.setattr(Batch, "given", [])
    assert "batch" in detached()
    assert "local" not in detached()
    out = str(tmp_path / "out")
    sweep_it = ["sweep", str(tiny_file), "--out", out, "--on", "batch", "--no-wait", "--quiet"]
    assert main([*sweep_it, "--cluster", "partition=gpu", "workers=3"]) == 0
    assert f"disbench cancel {out} ends it" in capsys.readouterr().err
    assert main(["status", out]) == 0
    text = capsys.readouterr().out
    assert "6 missing" in text
    assert "jobs on batch: 6 waiting" in text
    assert "to go on" not in text
    assert main(["cancel", out]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "cancelled: batch 0, waiting, 1 models"
    assert main(["cancel", out]) == 0
    assert "nothing works for" in capsys.readouterr().out


def test_nothing_local_outlives_its_sweep(tiny_file, tmp_path, capsys):
    """So it cannot be walked away from."""
    command = ["sweep", str(tiny_file), "--out", str(tmp_path / "out"), "--no-wait"]
    assert main(command) == 2
    assert "--no-wait: on local the work ends with the sweep" in capsys.readouterr().err
