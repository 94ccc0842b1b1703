"""After some errors of a GPU its process is good for nothing more: it ends, and its cohort is begun again elsewhere."""

import multiprocessing
import os

import pytest
import torch

from disbench.bench import BadInput, sweep
from disbench.bench import work as work_module
from disbench.bench.executors import Request
from disbench.bench.executors import local as local_module
from disbench.bench.executors.deaths import Deaths
from disbench.bench.executors.local import Local, in_processes
from disbench.bench.executors.task import placed
from disbench.bench.lost_device import LostDevice, is_lost_device
from disbench.bench.progress import Progress
from disbench.bench.resources import Resources
from disbench.bench.run import Cohort
from disbench.bench.store import Store
from disbench.bench.work import CohortEnd, finish
from disbench.datasets import load

CPU = torch.device("cpu")
ILLEGAL = "CUDA error: an illegal memory access was encountered"


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError(f"{ILLEGAL}\nCUDA kernel errors might be reported later"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUDA error: out of memory"), False),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), False),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
        (ValueError(ILLEGAL), False),
    ],
)
def test_errors_that_cost_a_process_its_device(error, lost):
    """By what they say; too little memory leaves the device usable, and an error of ours has other kinds."""
    assert is_lost_device(error) == lost


def fails(*_, **__):
    """A GPU that answers with errors."""
    raise RuntimeError(f"{ILLEGAL}\nand more")


@pytest.mark.parametrize("step", ["train", "scores"])
def test_nothing_is_kept_of_it(step, tiny, tmp_path, monkeypatch):
    """In training or in scoring: no failed rows, for another process can do it."""
    monkeypatch.setattr(work_module, step, fails)
    store = Store.claimed(tmp_path, tiny)
    with pytest.raises(LostDevice, match=f"^RuntimeError: {ILLEGAL}$"):
        finish(Cohort(tuple(tiny.runs()[:2])), load("digits"), store, "tiny", lambda count: None)
    assert len(store.rows()) == 0


def test_data_that_cannot_be_placed(monkeypatch):
    """A device that is lost already when the first data set is put on it."""
    monkeypatch.setattr("disbench.bench.executors.task.load", fails)
    with pytest.raises(LostDevice):
        placed("digits, on a lost device", None, CPU)


def test_a_sweep_in_its_own_process_stops(tiny, tmp_path, monkeypatch):
    """It cannot replace itself: one failed row, one line, and not a failure of every model that follows."""
    monkeypatch.setattr(work_module, "train", fails)
    with pytest.raises(BadInput, match=r"illegal memory access .*: this process can use cpu no more"):
        sweep(tiny, out=tmp_path, device="cpu", workers=1)
    assert Store(tmp_path).rows()["error"].tolist() == [f"RuntimeError: {ILLEGAL}"]
    monkeypatch.undo()
    assert set(sweep(tiny, out=tmp_path, device="cpu")["status"]) == {"done"}


def test_one_gpu_has_a_process_of_its_own(tmp_path, monkeypatch):
    """Unless one worker was asked for: then the sweep itself trains."""
    monkeypatch.setattr(local_module, "chosen_devices", lambda name: [torch.device("cuda", 0)])
    assert Local(Request(Store(tmp_path), "tiny", "cuda", Resources())).spared
    assert not Local(Request(Store(tmp_path), "tiny", "cuda", Resources(workers=1))).spared
    monkeypatch.setattr(local_module, "chosen_devices", lambda name: [CPU])
    assert not Local(Request(Store(tmp_path), "tiny", "cpu", Resources())).spared


@pytest.fixture
def losing(monkeypatch, tmp_path):
    """Workers whose tasks lose the device as often as is said for their seed; who took what is noted, and the end."""
    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(local_module.multiprocessing, "get_context", lambda kind: fork)
    monkeypatch.setattr(local_module, "prepare", lambda device, threads: None)
    log = tmp_path / "taken"
    log.touch()

    def workers(losses):
        def take(cohort, folder, study_name, device, tell):
            seed = cohort.shared.seed
            lost = log.read_text().count(f" {seed} lost") < losses.get(seed, 0)
            with log.open("a") as file:
                file.write(f"{os.getpid()} {seed} {'lost' if lost else 'done'}\n")
            if lost:
                raise LostDevice(f"RuntimeError: {ILLEGAL}")
            return CohortEnd(cohort, {cohort.shared.run_id: "done"})

        monkeypatch.setattr(local_module, "take", take)

    workers.log = log
    return workers


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize(("losses", "failed"), [({}, []), ({1: 1}, []), ({1: 2}, [1]), ({0: 1, 1: 1}, [])])
def test_its_worker_is_replaced(losses, failed, losing, tiny, tmp_path, capfd, monkeypatch):
    """Here twice is too often; the process takes nothing after it, and the others lose nothing."""
    monkeypatch.setattr(Deaths, "most", 1)
    losing(losses)
    cohorts = [Cohort((run,)) for run in tiny.runs() if run.objective == "beta_vae" and run.strength == 1]
    store = Store.claimed(tmp_path / "out", tiny)
    with Progress(2, 2) as progress:
        ends = list(in_processes(cohorts, Request(store, "tiny", "cpu"), [CPU], 1, progress))
    assert sorted(end.cohort.shared.seed for end in ends) == [0, 1]
    errors = {end.cohort.shared.seed: end.error for end in ends if end.error}
    twice = f"its process lost its device (RuntimeError: {ILLEGAL}), 2 times without getting further"
    assert errors == dict.fromkeys(failed, twice)
    assert store.rows()["seed"].tolist() == failed
    ends_of = {}
    for pid, _, end in map(str.split, losing.log.read_text().splitlines()):
        ends_of.setdefault(pid, []).append(end)
    assert all("lost" not in taken[:-1] for taken in ends_of.values())
    assert sum(taken[-1] == "lost" for taken in ends_of.values()) == sum(losses.values())
    assert ("begun again from its last checkpoint" in capfd.readouterr().err) == bool(losses)
