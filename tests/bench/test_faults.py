"""The fault harness: its schedule, what it takes for wrong, and sweeps under short schedules."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from disbench.bench import atomic_file, checkpoint, sweep
from disbench.bench import work as work_module
from disbench.bench.cli import main
from disbench.bench.faults import FAULTS, OWN_STUDY, Order, Scene, as_lines, driver, schedule
from disbench.bench.faults.harness import Disturbed, Verdict
from disbench.bench.faults.holdings import differences, finished_rows, holdings, progress
from disbench.bench.faults.kinds import harm, harm_history, harm_rows, harm_weights
from disbench.bench.faults.processes import below, runs
from disbench.bench.faults.running import RunningSweep, waited
from disbench.bench.faults.switches import (
    CLOCK,
    DISK_FULL,
    LOST_DEVICE,
    OUT_OF_MEMORY,
    RAISING_METRIC,
    Switches,
)
from disbench.bench.run import Cohort
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")


# The schedule


def test_a_seed_is_a_schedule():
    """The same one again, another of another; its moments are in order and within the sweep."""
    planned = schedule(3, 40, list(FAULTS))
    assert planned == schedule(3, 40, list(FAULTS))
    assert planned != schedule(4, 40, list(FAULTS))
    assert [p.share for p in planned] == sorted(p.share for p in planned)
    assert all(0 <= p.share <= 1 for p in planned)


def test_every_kind_has_its_turn_before_any_comes_again():
    """So a schedule of as many faults as there are kinds has each once."""
    planned = schedule(0, 2 * len(FAULTS), list(FAULTS))
    assert Counter(p.kind for p in planned[: len(FAULTS)]) == Counter(list(FAULTS))
    assert Counter(p.kind for p in planned) == Counter(2 * [*FAULTS])


def test_the_own_study_has_a_model_that_diverges():
    """And no more than eight, of few steps: the harness sweeps it several times."""
    study = load_study(OWN_STUDY)
    assert len(study.runs()) == 8
    assert any(run.strength == 1e38 for run in study.runs())


# What is wrong


def test_what_a_folder_holds_is_compared_bit_for_bit(swept, tmp_path):
    """Equal to itself; one last bit of one score, one missing curve, and one model's weights are each told."""
    folder = Path(shutil.copytree(swept[0], tmp_path / "out"))
    expected = holdings(swept[0])
    assert differences(expected, holdings(folder)) == []
    assert str(expected) == "6 rows, 6 curves, 6 weights"
    paths = sorted((folder / "cohorts").iterdir())
    table = pq.read_table(paths[0])
    row = table.to_pylist()[0]
    near = float(
        torch.nextafter(torch.tensor(row["elbo_nats"], dtype=torch.float64), torch.tensor(0.0).double())
    )
    pq.write_table(pa.Table.from_pylist([row | {"elbo_nats": near}], schema=table.schema), paths[0])
    (folder / "history" / f"{row['cohort_id']}.parquet").unlink()
    (folder / "weights" / f"{row['cohort_id']}.safetensors").unlink()
    run_id = row["run_id"]
    found = holdings(folder)
    assert differences(expected, found) == [
        f"{run_id}: row differs in elbo_nats ({row['elbo_nats']!r} and {near!r})",
        f"{run_id}: no curve",
        f"{run_id}: no weights",
    ]
    assert len(differences(expected, found, no_curves={run_id}, no_weights={run_id})) == 1


def test_a_failed_run_is_no_finished_one(tiny, tmp_path, monkeypatch):
    """It is tried again, so nothing of it is expected to stay, and at the end it is a difference."""
    monkeypatch.setattr(work_module, "train", lambda *_, **__: 1 / 0)
    sweep(tiny, out=tmp_path / "out", device="cpu")
    assert finished_rows(tmp_path / "out") == {}
    assert finished_rows(tmp_path / "nothing") == {}
    held = holdings(tmp_path / "out")
    assert len(held.failed) == 6
    assert all("ZeroDivisionError" in line for line in differences(held, held))


def watcher(folder: Path, tiny, stack=None) -> Disturbed:
    """What watches a folder `OUT/seed-0`, with no sweep running there."""
    order = Order(tiny, "tiny", folder.parent)
    return Disturbed(order, 0, stack, patience=1)


def test_what_was_finished_must_stay(swept, tiny, tmp_path):
    """A row that is gone or changed in between is wrong even if the end is right; a file that we harmed is excused."""
    folder = Path(shutil.copytree(swept[0], tmp_path / "seed-0"))
    watched = watcher(folder, tiny)
    assert watched.look() == 1.0
    assert watched.scene.wrongs == []
    first, second = sorted((folder / "cohorts").iterdir())[:2]
    kept = first.read_bytes()
    (run_id,) = pq.read_table(first)["run_id"].to_pylist()
    watched.scene.rows_harmed.add(run_id)
    first.unlink()
    assert watched.look() == pytest.approx(5 / 6)
    first.write_bytes(kept)
    watched.look()
    assert watched.scene.wrongs == []
    first.unlink()
    watched.look()
    assert watched.scene.wrongs == [f"{run_id}: a finished row is lost"]
    table = pq.read_table(second)
    pq.write_table(pa.Table.from_pylist([table.to_pylist()[0] | {"mig": 0.75}], schema=table.schema), second)
    watched.look()
    assert watched.scene.wrongs[-1].endswith("a finished row changed")


def test_progress_counts_steps(swept, tiny, tmp_path):
    """Of finished runs all, of one in work those of its last checkpoint."""
    steps = {run.run_id: 100 for run in tiny.runs()}
    assert progress(tmp_path, steps, ()) == 0
    assert progress(tmp_path, steps, list(steps)[:3]) == 0.5
    assert progress(tmp_path, steps, steps) == 1


def test_a_verdict_says_how_to_have_it_again():
    """One line if all is well; else what is wrong, and the command."""
    held = holdings_of_nothing()
    well = as_lines(Verdict(3, [], 2, held, [], 1.0), ["disbench", "faults", "--seed", "3"])
    assert well[-1] == "the same as undisturbed, bit for bit; nothing finished was lost on the way"
    ill = as_lines(Verdict(3, [], 2, held, ["x: no row"], 1.0), ["disbench", "faults", "--seed", "3"])
    assert ill[1:] == ["WRONG: x: no row", "again: disbench faults --seed 3"]


def holdings_of_nothing():
    """An empty folder's."""
    from disbench.bench.faults.holdings import Holdings

    return Holdings({}, {}, {}, {})


# Harming files


@pytest.mark.parametrize("seed", range(8))
def test_a_harmed_file_is_another(seed, tmp_path):
    """Emptied, cut, a bit changed, or its beginning overwritten; an empty one cannot be harmed further."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(1, 200)))
    what = harm(path, random.Random(seed))
    assert path.read_bytes() != bytes(range(1, 200))
    assert what.startswith(f"{tmp_path.name}/file ")
    path.write_bytes(b"")
    harm(path, random.Random(seed))


@pytest.mark.parametrize(
    ("strike", "excused"),
    [(harm_rows, "rows_harmed"), (harm_history, "curves_harmed"), (harm_weights, "weights_harmed")],
)
def test_whose_file_was_harmed_is_remembered(strike, excused, swept, tmp_path):
    """One run of six; and where nothing is there yet, nothing is struck."""
    folder = Path(shutil.copytree(swept[0], tmp_path / "out"))
    scene = Scene(folder, lambda: pytest.fail("began a sweep"), 1, [StandIn()])
    assert strike(scene, random.Random(0)).startswith(
        strike.__name__.removeprefix("harm_").replace("rows", "cohorts")
    )
    assert len(getattr(scene, excused)) == 1
    empty = Scene(tmp_path / "nothing", lambda: pytest.fail("began a sweep"), 1, [StandIn()])
    assert strike(empty, random.Random(0)) is None


class StandIn:
    """A sweep that runs on."""

    status = None


# Switches


@pytest.fixture
def switched(tmp_path, monkeypatch):
    """The driver's switches, put into this process and taken out again."""
    for module, name in (
        (atomic_file, "flush"),
        (work_module, "train"),
        (work_module, "scores"),
        (work_module, "now"),
        (checkpoint, "SHARE"),
        (checkpoint.CohortCheckpoint, "__init__"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    found = Switches(tmp_path / "out")
    driver.install(found)
    return found


def test_with_all_switches_off_nothing_is_different(switched, swept, tiny, tmp_path):
    """The driver's program is the ordinary one: rows, curves and weights bit for bit."""
    sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1)
    assert differences(holdings(swept[0]), holdings(tmp_path / "out")) == []


@pytest.mark.parametrize(
    ("switch", "error"),
    [
        (OUT_OF_MEMORY, "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
        (RAISING_METRIC, "ZeroDivisionError: float division by zero"),
    ],
)
def test_a_fault_of_one_model_is_one_failed_row_and_mended_by_the_next_sweep(
    switch, error, switched, swept, tiny, tmp_path
):
    """Too little memory for a single model, a metric that raises: the others are done, and the end is the same."""
    switched.turn_on(switch)
    rows = sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1)
    assert not switched.is_on(switch)
    assert rows["status"].tolist() == ["failed", *["done"] * 5]
    assert rows["error"][0] == error
    sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1)
    assert differences(holdings(swept[0]), holdings(tmp_path / "out")) == []


def test_a_full_disk_lasts_until_there_is_room(switched, tiny_file, tiny, swept, tmp_path, capsys):
    """One line and exit 2, each time; then the same command goes on."""
    out = tmp_path / "out"
    switched.turn_on(DISK_FULL)
    command = ["sweep", str(tiny_file), "--out", str(out), "--workers", "1", "--cohort", "1", "--quiet"]
    for _ in range(2):
        assert main(command) == 2
        assert "study.json cannot be written: No space left on device" in capsys.readouterr().err
    switched.turn_off(DISK_FULL)
    assert main(command) == 0
    assert differences(holdings(swept[0]), holdings(out)) == []


def test_a_lost_device_stays_lost(switched, tiny, tmp_path):
    """Taken by one process; every later training there fails too."""
    switched.turn_on(LOST_DEVICE)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="illegal memory access"):
            work_module.train(Cohort((tiny.runs()[0],)), None, on_images=print)
        assert not switched.is_on(LOST_DEVICE)


def test_the_clock_jumps(switched):
    """By the seconds that the switch says, for as long as it is on."""
    honest = work_module.now()
    switched.turn_on(CLOCK, str(365 * 86_400))
    assert int(work_module.now()[:4]) in (int(honest[:4]) + 1, int(honest[:4]) + 2)
    switched.turn_off(CLOCK)
    assert work_module.now()[:4] == honest[:4]


def test_a_switch_is_taken_once(tmp_path):
    """Whoever removes its file has it."""
    found = Switches(tmp_path / "out")
    assert found.value("x") is None
    found.turn_on("x", "1")
    assert found.value("x") == "1"
    assert [found.taken("x") for _ in range(3)] == [True, False, False]
    assert not (tmp_path / "out").exists()


# Processes


@LINUX
def test_processes_below_another_are_found(tmp_path):
    """A child and its child, while they live; a process that has ended and waits to be read does not run."""
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with RunningSweep([sys.executable, "-c", script], [], "local", tmp_path) as running:
        assert waited(lambda: len(below(running.pid)) == 1, 30)
        (child,) = below(running.pid)
        assert child in below(os.getpid())
        running.send_to_all(signal.SIGKILL)
        assert running.ends(30)
        assert waited(lambda: not runs(child), 30)
        assert running.status == -signal.SIGKILL


def test_what_a_sweep_says_is_read_once_and_without_progress(tmp_path):
    """Lines that are whole; how far it is says nothing of faults."""
    script = "import sys; print('1 of 6 models, 10 images/s', 'failed: x', 'half', sep='\\n', end='', file=sys.stderr)"
    with RunningSweep([sys.executable, "-c", script], [], "local", tmp_path) as running:
        assert running.ends(30)
        assert running.said() == ["failed: x", "half"]
        assert running.said() == []


# The command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--kinds", "worker_kiled"],
            "unknown kind of fault on local 'worker_kiled'; did you mean 'worker_killed'?",
        ),
        (["--on", "moon"], "unknown place 'moon'"),
        (["--on", "ray", "--kinds", "disk_full"], "unknown kind of fault on ray 'disk_full'"),
        (["--faults", "0"], "--faults and --workers should be at least 1"),
        (["no-such-study"], "unknown study 'no-such-study'"),
        (["--set", "latent=3"], "latent"),
    ],
)
def test_what_cannot_be_asked_for(arguments, words, tmp_path, capsys):
    """One line, before anything is swept."""
    assert main(["faults", *arguments, "--out", str(tmp_path / "out")]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_kinds_are_listed(capsys):
    """Every row of the table."""
    assert main(["faults", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FAULTS)


def test_models_that_are_missing_in_the_end_are_said(swept, tiny_file, monkeypatch, capsys):
    """A file of rows that was damaged while the sweep ran, say: exit 1 and the command, not a table of less."""
    monkeypatch.setattr(sys.modules["disbench.bench.sweep"], "sweep", lambda *_, **__: swept[1].iloc[1:])
    assert main(["sweep", str(tiny_file), "--out", str(swept[0])]) == 1
    assert "1 of 6 models are missing. To continue: disbench" in capsys.readouterr().err


@pytest.fixture(scope="module")
def harness_folder(tmp_path_factory) -> Path:
    """Where the undisturbed sweep is made once."""
    return tmp_path_factory.mktemp("faults")


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "kinds"),
    [
        (0, "worker_killed,checkpoint_damaged,disk_full"),
        (1, "driver_killed,rows_damaged,device_lost,metric_raises"),
    ],
)
def test_a_short_schedule_changes_nothing(seed, kinds, harness_folder):
    """The real command under real faults, all of which strike; the end is that of the undisturbed sweep.

    The long schedule is by hand: `disbench faults --seed 0 1 2 3 --faults 30`, see docs/faults.md.
    """
    count = len(kinds.split(","))
    command = [
        str(Path(sys.executable).with_name("disbench")), "faults", "--seed", str(seed), "--kinds", kinds,
        "--faults", str(count), "--set", "seeds=1", "--set", "steps=192", "--out", str(harness_folder),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same as undisturbed, bit for bit" in done.stdout
    assert f"seed {seed}: {count} faults, " in done.stdout
    rows = Store(harness_folder / f"seed-{seed}").rows()
    assert rows["status"].value_counts().to_dict() == {"done": 3, "diverged": 1}
