"""What a sweep would do, said before it does any of it."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from disbench.bench import BadInput, sweep
from disbench.bench.cli import main
from disbench.bench.cohort_plan import program
from disbench.bench.executors import EXECUTORS
from disbench.bench.forecast import ASSUMED_SIZE, as_text, duration, forecast, seconds_a_run, size
from disbench.bench.placement import makespan
from disbench.bench.queue import flops_an_image
from disbench.bench.run import Plan
from disbench.bench.store import Store


def test_nothing_is_claimed(tiny_file, tmp_path, capsys):
    """Exit 0, a plan in words, and no folder."""
    out = tmp_path / "out"
    assert main(["sweep", str(tiny_file), "--dry-run", "--out", str(out), "--workers", "2"]) == 0
    text = capsys.readouterr().out
    assert "tiny: 6 models in 6 cohorts, of 1 at most (one model fills a core)" in text
    assert "0 models done; 6 in 6 cohorts left" in text
    assert "local, 2 at a time: 2 on cpu" in text
    assert "assumed: 0.125 TFLOP/s a worker" in text
    assert not out.exists()


def test_json_alone(tiny_file, tmp_path, capsys):
    """Every figure by name; and only of a dry run."""
    command = [
        "sweep",
        str(tiny_file),
        "--dry-run",
        "--json",
        "--out",
        str(tmp_path / "out"),
        "--workers",
        "1",
    ]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["models"], found["cohorts"], found["done"], found["devices"]) == (6, 6, 0, ["cpu"])
    assert found["hours"] == pytest.approx(found["device_hours"])
    command.remove("--dry-run")
    assert main(command) == 2
    assert "--json goes with --dry-run" in capsys.readouterr().err


def test_what_is_done_is_told_and_tells_how_long_the_rest_takes(tiny, swept, tmp_path):
    """Four models of a folder measure the two that are left: the mean of medians, training and scoring."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    rows = swept[1]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    more = forecast(tiny, out=folder, device="cpu", overrides={"seeds": 3})
    assert (more.models, more.done, more.cohorts_left) == (9, 6, 3)
    assert more.hours_from == "measured: finished models in this folder"
    beta = rows[rows["objective"] == "beta_vae"][["train_seconds", "evaluate_seconds"]].median().sum()
    told = rows[rows["objective"] == "cvae"][["train_seconds", "evaluate_seconds"]].median().sum()
    assert 3600 * more.device_hours == pytest.approx(2 * beta + told)
    everything = forecast(tiny, out=folder, device="cpu")
    assert (everything.done, everything.cohorts_left, everything.device_hours) == (6, 0, 0)
    assert "nothing is left to do" in as_text(everything)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_other_models_are_reckoned_from_those_that_are_done(tiny, swept):
    """A conditional model where only others were finished: its FLOP at their rate, and their time to score."""
    rows = swept[1][swept[1]["objective"] == "beta_vae"]
    beta, told = (next(run for run in tiny.runs() if run.objective == name) for name in ("beta_vae", "cvae"))
    seconds, whence = seconds_a_run(rows, "cpu")
    training = rows["train_seconds"].median() * flops_an_image(told) / flops_an_image(beta)
    assert seconds(told) == pytest.approx(training + rows["evaluate_seconds"].median())
    assert whence() == "where no such model is finished, from FLOP and the others that are"
    assert seconds_a_run(rows, "cuda")[0](beta) < 1e-3  # rows of a CPU say nothing of a GPU


def test_disk_is_what_a_sweep_takes(tiny, swept, tmp_path):
    """Weights to a fifth; rows and history as the order of magnitude that they are."""
    found = forecast(tiny, out=tmp_path / "none", device="cpu")
    used = {
        name: sum(path.stat().st_size for path in (swept[0] / name).iterdir())
        for name in ("weights", "cohorts", "history")
    }
    assert used["weights"] == pytest.approx(found.weights_bytes, rel=0.2)
    for name, said in (("cohorts", found.rows_bytes), ("history", found.history_bytes)):
        assert used[name] / 3 < said < used[name] * 3


class Node:
    """A place with GPUs that are not there."""

    takes = ("workers",)

    def __init__(self, request):
        self.count = request.resources.workers or 8

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def devices(self):
        return [torch.device("cuda")] * self.count

    def plan(self, run, wanted):
        pytest.fail("a dry run tries nothing")


def test_a_node_of_gpus(tiny, tmp_path, monkeypatch):
    """Sizes are assumed until a sweep has tried them; stragglers are cut; --cohort is taken at its word."""
    monkeypatch.setitem(EXECUTORS, "node", Node)
    more = {"overrides": {"seeds": 96}, "out": tmp_path, "on": "node"}
    found = forecast(tiny, **more)
    assert found.sizes_from == f"{ASSUMED_SIZE} assumed; a sweep tries sizes on the device"
    assert found.hours_from.startswith("assumed: 10 TFLOP/s a worker (a guess")
    assert found.models == 288
    assert found.cohorts > 5  # 192 and 96 models are 3 + 2 cohorts of 64, on eight devices
    assert found.devices == ["cuda"] * 8
    by_hand = forecast(tiny, **more, cohort_size=64)
    assert (by_hand.cohorts, by_hand.sizes_from) == (5, "as asked for")
    assert found.hours < by_hand.hours
    store = Store.claimed(tmp_path, tiny)
    for run in tiny.runs():
        store.save_plan(program(run), Plan(32))
    assert forecast(tiny, **more).sizes_from == "as tried in this folder"


def test_one_device_takes_the_sum_and_many_the_longest(tiny, tmp_path):
    """As the made-up clock says."""
    one = forecast(tiny, out=tmp_path, device="cpu", workers=1)
    assert one.hours == pytest.approx(one.device_hours)
    many = forecast(tiny, out=tmp_path, device="cpu", workers=6)
    assert many.device_hours == pytest.approx(one.device_hours)
    assert many.hours < one.hours / 5
    assert makespan([many.device_hours], 6) >= many.hours


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"on": "moon"}, "unknown executor 'moon'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"device": "cuda:99"}, "cuda:99 is not there"),
        ({"cluster": {"partition": "gpu"}}, "--on local has no use for it"),
        ({"cohort_size": 0}, "cohort size must be at least 1"),
        ({"workers": 0}, "workers must be at least 1"),
    ],
)
def test_what_a_sweep_refuses_a_dry_run_refuses(changes, words, tiny, tmp_path):
    """With the same line."""
    for attempt in (forecast, sweep):
        with pytest.raises(BadInput, match=words):
            attempt(tiny, **{"out": tmp_path / "out", "device": "cpu", **changes})
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_study(swept, tmp_path):
    """Refused as a sweep would."""
    with pytest.raises(BadInput, match="belongs to study 'tiny'"):
        forecast("quick", out=swept[0], device="cpu")


def test_units():
    """The one that suits."""
    assert [duration(hours) for hours in (0.01, 1, 30, 72)] == ["0.6 min", "1.0 h", "30.0 h", "3.0 days"]
    assert [size(n) for n in (0, 999, 27_500, 7 * 10**9)] == ["0 B", "999 B", "27.5 kB", "7 GB"]


def test_engines_are_not_imported_with_the_package():
    """They take seconds, and may not be there."""
    code = (
        "import sys, disbench.bench.cli, disbench.bench.sweep; print({'ray', 'submitit'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
