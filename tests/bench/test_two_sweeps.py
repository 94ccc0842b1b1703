"""Two sweeps in one folder at once, on whatever machines, with whatever clocks: by names and renames, without locks."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from disbench.bench import BadInput, atomic_file, sweep
from disbench.bench.store import Store, compaction
from disbench.bench.store import store as store_module
from disbench.bench.store.register import Register

DISBENCH = str(Path(sys.executable).with_name("disbench"))
PROVENANCE = ["train_seconds", "evaluate_seconds", "finished_at"]


@pytest.mark.slow
def test_two_processes_make_the_table_of_one(swept, tiny_file, tmp_path, monkeypatch):
    """Both begin at the same moment and do everything; each run is there once, bit for bit as one sweep has it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command = [DISBENCH, "sweep", str(tiny_file), "--out", str(tmp_path / "out"), "--workers", "1", "--quiet"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    sweeps = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in sweeps:
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert "β = 4" in out
    store = Store.existing(tmp_path / "out")
    rows = store.rows()
    drop = [*PROVENANCE, "device", "commit", "versions"]
    pd.testing.assert_frame_equal(rows.drop(columns=drop), swept[1].drop(columns=drop), check_exact=True)
    assert store.trained().keys() == set(rows["run_id"])
    assert not store.history().duplicated(["run_id", "step"]).any()
    assert not list(store.folder.rglob(".*.tmp"))
    store.compact()
    pd.testing.assert_frame_equal(store.rows(), rows)


CLAIM = """
import sys, time
from pathlib import Path
from disbench.bench import BadInput, load_study
from disbench.bench.store import Store
folder, gate, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
study = load_study("quick").model_copy(update={"name": name})
Path(f"{gate}.{name}").touch()
while not gate.exists():
    time.sleep(0.001)
try:
    Store.claimed(folder, study)
    print("mine")
except BadInput as error:
    print(error)
"""


def test_of_two_studies_one_gets_the_folder(tmp_path):
    """Both see no study there and write theirs: one has it, the other is told whose it is."""
    names, gate = ("one", "other"), tmp_path / "gate"
    claims = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path / "out"), str(gate), name],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    while not all(Path(f"{gate}.{name}").exists() for name in names):
        assert not any(claim.poll() for claim in claims)
        time.sleep(0.01)
    gate.touch()
    said = [claim.communicate(timeout=60)[0].strip() for claim in claims]
    owner = Store(tmp_path / "out").study().name
    assert said[names.index(owner)] == "mine"
    assert f"belongs to study {owner!r}; give another --out" in said[1 - names.index(owner)]


def test_a_register_is_never_anothers(tiny, tmp_path, monkeypatch):
    """A sweep with another grid writes its study between the two files of the first: readers go by the study."""
    other = tiny.model_copy(update={"seeds": 5})
    real = Register.of

    def meanwhile(study, contents=None):
        (tmp_path / "study.json").write_text(other.model_dump_json(indent=1))
        return real(study, contents)

    monkeypatch.setattr(Register, "of", meanwhile)
    store = Store.claimed(tmp_path, tiny)
    monkeypatch.undo()
    assert store.register().run_ids == [run.run_id for run in other.runs()]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_created_once(links, tmp_path, monkeypatch):
    """Of many that create one at the same moment one does; the others leave it alone, and nothing beside it."""
    if not links:

        def no_links(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "link", no_links)
    path, together, created = tmp_path / "file", threading.Barrier(8), []

    def create(number):
        together.wait()
        if atomic_file.create_atomically(path, lambda at: at.write_text(str(number))):
            created.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if links:
        assert [path.read_text()] == [str(number) for number in created]
    assert created
    assert list(tmp_path.iterdir()) == [path]
    assert not atomic_file.create_atomically(path, lambda at: at.write_text("again"))


def test_temporary_names_are_nobody_elses(tmp_path):
    """They say which machine and process writes, and differ each time."""
    names = {atomic_file.temporary_beside(tmp_path / "rows.parquet").name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(".rows.parquet.") and name.endswith(".tmp") for name in names)
    assert all(f"-{os.getpid()}-" in name for name in names)


def test_a_temporary_file_that_is_taken_away_is_written_again(tmp_path, monkeypatch):
    """By a machine whose clock is ahead, say; only if it happens again and again is it an error, of one line."""
    path, real, losses = tmp_path / "file", atomic_file.flush, [2]

    def taken_away(temporary):
        if losses[0]:
            losses[0] -= 1
            temporary.unlink()
        real(temporary)

    monkeypatch.setattr(atomic_file, "flush", taken_away)
    atomic_file.write_atomically(path, lambda at: at.write_text("whole"))
    assert path.read_text() == "whole"
    losses[0] = 1000
    with pytest.raises(BadInput, match="file cannot be written: No such file"):
        atomic_file.write_atomically(path, lambda at: at.write_text("never"))
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_what_one_user_writes_others_can_read(tmp_path):
    """Files have the permissions of any new file, those of safetensors too, which are its user's alone by itself."""
    import torch

    from disbench.bench.store.weight_files import save_weights

    (tmp_path / "plain").touch()
    save_weights(tmp_path / "weights.safetensors", ["a"], {"w": torch.zeros(1, 2)})
    assert (tmp_path / "weights.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


HOUR = 3600


@pytest.mark.parametrize(
    ("age", "stays"),
    [(0, True), (HOUR / 2, True), (2 * HOUR, False), (-10 * HOUR, True), (-1e9, True), (1.7e9, False)],
)
@pytest.mark.parametrize("clock", [0.0, 4e9])
def test_leftovers_are_told_by_the_file_systems_clock(age, stays, clock, tiny, tmp_path, monkeypatch):
    """What a kill left an hour ago goes; what is young, or from a future, stays, whatever time this machine has."""
    store = Store.claimed(tmp_path, tiny)
    leftovers = [
        store.cohorts / ".x.parquet.host-1-0.tmp",
        store.weights / ".tmpAb12Cd",
        tmp_path / ".study.json.x.tmp",
    ]
    for leftover in leftovers:
        leftover.touch()
        os.utime(leftover, (time.time() - age,) * 2)
    monkeypatch.setattr(time, "time", lambda: clock)
    Store.claimed(tmp_path, tiny)
    assert [leftover.exists() for leftover in leftovers] == [stays] * 3


def test_leftovers_of_other_programs_stay(tiny, tmp_path):
    """Whoever sweeps into a folder that has other things in it, or `--out .`, loses none of them."""
    others = [
        tmp_path / ".notes.txt.tmp",
        tmp_path / ".tmpAb12Cd",
        tmp_path / "mine" / ".cache.tmp",
        tmp_path / "mine" / ".tmpAb12Cd",
    ]
    (tmp_path / "mine").mkdir()
    for other in others:
        other.touch()
        os.utime(other, (time.time() - 2 * HOUR,) * 2)
    Store.claimed(tmp_path, tiny)
    assert all(other.exists() for other in others)


def test_two_sweeps_tidy_up_at_once(tiny, tmp_path, monkeypatch):
    """A leftover that is gone when it is looked at was removed by the other one."""
    store = Store.claimed(tmp_path, tiny)
    (store.cohorts / ".x.tmp").touch()

    def and_gone(folder):
        (store.cohorts / ".x.tmp").unlink(missing_ok=True)
        return 1e10

    monkeypatch.setattr(store_module, "file_system_time", and_gone)
    store.remove_leftovers()


@pytest.mark.parametrize("now", ["1970-01-01T00:00:00+00:00", "2020-01-01T00:00:00+00:00"])
def test_a_clock_that_is_set_back_hides_no_result(now, swept, tiny, tmp_path, monkeypatch):
    """Scored anew with a clock years behind: the new rows count, and the next sweep finds nothing to do."""
    from disbench.bench import work

    folder = Path(shutil.copytree(swept[0], tmp_path / "out"))
    monkeypatch.setattr(work, "now", lambda: now)
    real = work.scores
    monkeypatch.setattr(work, "scores", lambda *given: real(*given) | {"mig": 0.125})
    for victim in (folder / "cohorts").iterdir():
        table = pd.read_parquet(victim)
        assert (table["finished_at"] > now).all()
    store = Store(folder)
    cohort_of = {run.run_id: run for run in tiny.runs()}
    from disbench.bench.run import Cohort
    from disbench.datasets import load

    run = cohort_of[swept[1]["run_id"][0]]
    asked = (*run.evaluation.metrics, "modularity")  # scored by all that is asked for, it would be left alone
    run = replace(run, evaluation=replace(run.evaluation, metrics=asked))
    work.finish(Cohort((run,)), load("digits"), store, "tiny", lambda count: None)
    rows = store.rows()
    assert rows["mig"][0] == 0.125
    assert rows["finished_at"][0] > swept[1]["finished_at"][0]
    assert len(rows) == 6


def test_a_failure_of_the_future_hides_no_result(swept, tmp_path):
    """A machine with a clock years ahead failed; done elsewhere, the run is done."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(shutil.copytree(swept[0], tmp_path / "out"))
    path = sorted((folder / "cohorts").iterdir())[0]
    table = pq.read_table(path)
    failed = [
        row | {"status": "failed", "finished_at": "2099-01-01T00:00:00+00:00"} for row in table.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(failed, schema=table.schema), folder / "cohorts" / "zzz.parquet")
    pd.testing.assert_frame_equal(Store(folder).rows(), swept[1])
    Store(folder).compact()
    pd.testing.assert_frame_equal(Store(folder).rows(), swept[1])


def test_plans_of_two_sweeps_are_both_kept(tiny, tmp_path):
    """A file each: neither is lost because both were read before either was written."""
    from disbench.bench.run import Plan

    one, other = Store.claimed(tmp_path, tiny), Store.claimed(tmp_path, tiny)
    one.save_plan("aa", Plan(4, "native"))
    other.save_plan("bb", Plan(8, "matmul"))
    assert [Store(tmp_path).plan(name) for name in ("aa", "bb", "cc")] == [Plan(4), Plan(8, "matmul"), None]
    assert json.loads((tmp_path / "plans" / "aa.json").read_text()) == {"size": 4, "lowering": "native"}


def test_a_sweep_goes_on_while_another_joins_its_files(swept, tiny, tmp_path, monkeypatch):
    """Between any two of its cohorts: what it has trained and scored is found wherever it is by then."""
    monkeypatch.setattr(Store, "tidy", lambda store: Store(store.folder).compact())
    rows = sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1)
    pd.testing.assert_frame_equal(rows.drop(columns=PROVENANCE), swept[1].drop(columns=PROVENANCE))
    assert compaction.JOINED in next((tmp_path / "out" / "cohorts").iterdir()).name
    again = sweep(
        tiny, out=tmp_path / "out", device="cpu", overrides={"evaluation.metrics": ["mutual_information"]}
    )
    assert again.loc[again["objective"] == "beta_vae", "mutual_information"].notna().all()
    assert again["mig"].equals(swept[1]["mig"])
