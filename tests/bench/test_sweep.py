"""A sweep finishes everything that is missing, and loses nothing on the way."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from disbench.bench import BadInput, atomic_file, load_study, sweep
from disbench.bench import run as run_module
from disbench.bench import work as work_module
from disbench.bench.cohort import train as train_cohort
from disbench.bench.data_content import content_digest
from disbench.bench.devices import chosen_device
from disbench.bench.evaluation import SCORES
from disbench.bench.executors.deaths import Deaths
from disbench.bench.run import Cohort, Plan, Run
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study
from disbench.bench.sweep import planner
from disbench.bench.tables import history_table
from disbench.datasets import load
from disbench.datasets.factored_images import FactoredImages

DISBENCH = str(Path(sys.executable).with_name("disbench"))
PROVENANCE = ["train_seconds", "evaluate_seconds", "finished_at"]
"""What rightly differs between two sweeps of one study."""


def same_numbers(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Assert that two sweeps have equal rows, to the last bit of every score."""
    pd.testing.assert_frame_equal(
        left.drop(columns=PROVENANCE), right.drop(columns=PROVENANCE), check_exact=True
    )


def test_rows_say_everything(swept, tiny):
    """One row a run, in the study's order, with identity, provenance and the scores that were asked for."""
    _, rows = swept
    assert list(rows["run_id"]) == [run.run_id for run in tiny.runs()]
    assert set(rows["status"]) == {"done"}
    assert set(rows["data_source"]) == {"embedded"}
    for name in ("elbo_nats", "reconstruction_nats", "kl_nats", "active_units"):
        assert rows[name].notna().all(), name
    versions = json.loads(rows["versions"][0])
    assert {"python", "torch", "numpy", "disbench"} <= set(versions)
    assert rows["device"][0].startswith("CPU")
    for row, run in zip(rows.itertuples(), tiny.runs(), strict=True):
        assert Run.from_configuration(json.loads(row.configuration)) == run


def test_elbo_is_what_its_terms_say(swept):
    """-ELBO = reconstruction + KL, of the same images."""
    _, rows = swept
    total = rows["reconstruction_nats"] + rows["kl_per_dimension_nats"].map(sum)
    assert (-rows["elbo_nats"]).to_numpy() == pytest.approx(total.to_numpy(), rel=1e-4)


def test_a_conditional_model_is_not_scored_on_what_it_was_told(swept):
    """Digits have one factor: told it, MIG has nothing to be defined over and stays empty."""
    _, rows = swept
    told = rows["objective"] == "cvae"
    assert rows.loc[told, "mig"].isna().all()
    assert rows.loc[~told, "mig"].notna().all()


def test_any_number_of_cohorts_reads_as_one_table(swept):
    """One pandas call on the folder, without this package."""
    folder, rows = swept
    frame = pd.read_parquet(folder / "cohorts")
    assert len(frame) == len(rows)
    assert set(SCORES) <= set(frame.columns)


def test_weights_come_back_as_models(swept):
    """A row's model encodes and decodes as an ordinary module."""
    folder, rows = swept
    run, model = Store.existing(folder).model(rows.iloc[0].to_dict())
    mean, logvar = model.encode(torch.rand(2, 1, 8, 8), torch.zeros(2, 0))
    assert run.run_id == rows["run_id"][0]
    assert mean.shape == logvar.shape == (2, 3)


def test_cohorts_of_another_size_give_the_same_numbers(swept, tiny, tmp_path):
    """Company changes nothing beyond the rounding of batched sums."""
    _, single = swept
    together = sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=4)
    for name in ("elbo_nats", "kl_nats", "reconstruction_nats"):
        assert together[name].to_numpy() == pytest.approx(single[name].to_numpy(), rel=2e-3)


def test_sweeping_again_does_nothing(swept, tiny):
    """All finished: no file is touched."""
    folder, rows = swept
    before = {path: path.stat().st_mtime_ns for path in (folder / "cohorts").iterdir()}
    same_numbers(sweep(tiny, out=folder, device="cpu"), rows)
    assert {path: path.stat().st_mtime_ns for path in (folder / "cohorts").iterdir()} == before


def test_more_seeds_add_to_what_is_there(swept, tiny, tmp_path):
    """A larger grid in the same folder trains the new runs only, and a smaller one loses none."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "cohorts").iterdir()}
    more = sweep(tiny, out=folder, device="cpu", overrides={"seeds": 3})
    assert len(more) == 9
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "cohorts").iterdir()}
    assert before.items() <= after.items()
    fewer = sweep(tiny, out=folder, device="cpu", overrides={"seeds": 1})
    assert len(fewer) == 9


def test_another_metric_needs_no_training(swept, tiny, tmp_path, monkeypatch):
    """Weights are kept, so a further score is computed from them."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    monkeypatch.setattr(work_module, "train", lambda *_, **__: pytest.fail("trained again"))
    fewer = ["mig"]
    same = sweep(tiny, out=folder, device="cpu", overrides={"evaluation.metrics": fewer})
    assert same["kl_nats"].notna().all()  # what was there stays
    more = sweep(tiny, out=folder, device="cpu", overrides={"evaluation.metrics": ["mutual_information"]})
    scored = more[more["objective"] == "beta_vae"]
    assert scored["mutual_information"].notna().all()
    assert scored["mig"].equals(same.loc[scored.index, "mig"])


class PowerCut(BaseException):
    """Nothing may catch this."""


@pytest.mark.parametrize("moment", range(1, 21))
def test_a_death_at_any_write_loses_nothing(moment, swept, tiny, tmp_path, monkeypatch):
    """Die in the middle of the n-th file, go on: the rows are those of an uninterrupted sweep, bit for bit."""
    _, expected = swept
    real, writes = atomic_file.flush, []

    def dying(temporary):
        writes.append(temporary)
        if len(writes) == moment:
            temporary.with_name(f".{moment}.tmp").write_bytes(b"half a fi")
            raise PowerCut
        real(temporary)

    monkeypatch.setattr(atomic_file, "flush", dying)
    with pytest.raises(PowerCut):
        sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1)
    monkeypatch.setattr(atomic_file, "flush", real)
    same_numbers(sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1), expected)


@pytest.mark.slow
def test_sigkill_at_random_moments_loses_nothing(swept, tiny_file, tmp_path, monkeypatch):
    """The real thing, by the command line, until it gets through; deaths are spread over the whole life."""
    _, expected = swept
    out = tmp_path / "out"
    command = [DISBENCH, "sweep", str(tiny_file), "--out", str(out), "--workers", "1", "--set", "steps=20"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    started = time.monotonic()
    subprocess.run([*command[:4], str(tmp_path / "whole"), *command[5:]], check=True, capture_output=True)
    life = time.monotonic() - started
    chance = random.Random(0)
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(timeout=chance.uniform(0.3, 1.0) * life)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True)
    drop = ["device", "commit", "versions"]
    same_numbers(Store.existing(out).rows().drop(columns=drop), expected.drop(columns=drop))


def children(pid):
    """Process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition, seconds=200):
    """Wait until something is so, but not for ever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.slow
def test_processes_give_the_same_numbers(swept, tiny, tmp_path):
    """Two cohorts at a time, each in a process with a thread of its own: the same rows, bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = sweep(tiny, out=tmp_path / "alone", device="cpu", cohort_size=1)
    finally:
        torch.set_num_threads(before)
    script = f"""
if __name__ == "__main__":
    from disbench.bench import sweep, load_study
    from disbench.bench.study import Study
    study = Study.model_validate_json({tiny.model_dump_json()!r})
    sweep(study, out={str(tmp_path / "two")!r}, device="cpu", cohort_size=1, workers=2)
"""
    (tmp_path / "two_workers.py").write_text(script)
    # One core a worker, whatever this machine has.
    cores = {0, 1} & os.sched_getaffinity(0)
    subprocess.run(
        [sys.executable, tmp_path / "two_workers.py"],
        check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores), timeout=300,
    )  # fmt: skip
    rows = Store.existing(tmp_path / "two").rows()
    same_numbers(rows.drop(columns="device"), alone.drop(columns="device"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc to find the workers")
def test_a_dying_worker_costs_its_cohort_only_and_no_worker_outlives_its_parent(tiny_file, tmp_path):
    """Kill a worker, and the three after it: their run is a failed row, the others done. Kill the parent: all go."""
    command = [DISBENCH, "sweep", str(tiny_file), "--workers", "2", "--set", "steps=2000", "--out"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def working(pid):
        """Children that train: the resource tracker is a child too, and writes nothing."""
        return [c for c in children(pid) if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]

    with subprocess.Popen([*command, str(tmp_path / "worker")], **quiet) as process:
        wait_until(lambda: list(tmp_path.glob("worker/cohorts/*.parquet")))
        time.sleep(0.5)  # whoever wrote it has taken the next one
        victim, other = working(process.pid)
        known = {victim, other}
        os.kill(victim, signal.SIGKILL)
        for _ in range(Deaths.most):
            wait_until(lambda: set(working(process.pid)) - known)
            (victim,) = set(working(process.pid)) - known
            known.add(victim)
            os.kill(victim, signal.SIGKILL)
        assert process.wait(timeout=300) == 1
    rows = Store.existing(tmp_path / "worker").rows()
    assert rows["status"].value_counts().to_dict() == {"done": 5, "failed": 1}
    assert rows.loc[rows["status"] == "failed", "error"].item() == (
        "its process died with exit code -9, 4 times without getting further"
    )

    with subprocess.Popen([*command, str(tmp_path / "parent")], **quiet) as process:
        wait_until(lambda: len(working(process.pid)) == 2)
        orphans = working(process.pid)
        process.kill()
        process.wait()
    wait_until(lambda: not any(Path(f"/proc/{orphan}").exists() for orphan in orphans))


@pytest.mark.slow
def test_control_c_says_how_to_go_on(tiny_file, tmp_path):
    """One line, no traceback, exit 130; finished models stay."""
    out = tmp_path / "out"
    command = [DISBENCH, "sweep", str(tiny_file), "--out", str(out), "--set", "steps=1500"]
    # A shell that started the tests in the background lets them ignore Ctrl-C; people's terminals do not.
    attentive = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, **attentive) as process:
        while process.poll() is None and not list(out.glob("cohorts/*.parquet")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("stopped; finished models are kept")
    assert f"disbench sweep {tiny_file} --out {out} --set steps=1500" in last
    assert len(Store.existing(out).rows()) >= 1


@pytest.mark.parametrize("cohort_size", [1, 4])
def test_a_failing_run_is_a_row_and_its_neighbours_go_on(cohort_size, tiny, tmp_path, monkeypatch):
    """An exception in one run's scoring fails that run, in whatever company; a later sweep mends it."""
    real = work_module.scores

    def failing(run, encoded, *rest):
        if run.strength == 4.0 and run.seed == 1:
            raise RuntimeError("no such luck\nand more")
        return real(run, encoded, *rest)

    monkeypatch.setattr(work_module, "scores", failing)
    rows = sweep(tiny, out=tmp_path, device="cpu", cohort_size=cohort_size)
    assert rows["status"].value_counts().to_dict() == {"done": 5, "failed": 1}
    assert rows.loc[rows["status"] == "failed", "error"].tolist() == ["RuntimeError: no such luck"]
    monkeypatch.setattr(work_module, "scores", real)
    assert set(sweep(tiny, out=tmp_path, device="cpu")["status"]) == {"done"}


@pytest.mark.parametrize("cohort_size", [1, 4])
def test_a_failed_scoring_takes_no_earlier_score_away(cohort_size, swept, tiny, tmp_path, monkeypatch):
    """Ask for one more metric, and let it fail: what was there stays, and the next sweep starts from it."""
    rows = sweep(tiny, out=tmp_path, device="cpu", cohort_size=cohort_size)
    real = work_module.scores

    def failing(run, encoded, *rest):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(work_module, "train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(work_module, "scores", failing)
    one_more = {"evaluation.metrics": [*tiny.evaluation.metrics, "modularity"]}
    after = sweep(tiny, out=tmp_path, device="cpu", cohort_size=cohort_size, overrides=one_more)
    same_numbers(after, rows)
    monkeypatch.setattr(work_module, "scores", real)
    same_numbers(sweep(tiny, out=tmp_path, device="cpu", cohort_size=cohort_size), rows)
    regrouped = sweep(tiny, out=tmp_path, device="cpu", cohort_size=3, overrides=one_more)
    assert regrouped.loc[regrouped["objective"] == "beta_vae", "modularity"].notna().all()


def test_a_kill_while_a_large_cohort_is_scored_keeps_what_was_scored(tiny, tmp_path, monkeypatch):
    """Two of four models have their rows when the process ends; the next sweep scores the others alone."""
    undisturbed = sweep(tiny, out=tmp_path / "undisturbed", device="cpu", cohort_size=4)
    real, scored = work_module.scores, []

    def interrupted(run, *rest):
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(run.run_id)
        return real(run, *rest)

    def counted(run, *rest):
        scored.append(run.run_id)
        return real(run, *rest)

    monkeypatch.setattr(work_module, "SAVED_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(work_module, "scores", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(tiny, out=tmp_path / "killed", device="cpu", cohort_size=4)
    kept = list(Store(tmp_path / "killed").rows()["run_id"])
    assert kept == scored
    assert len(kept) == 2
    scored.clear()
    monkeypatch.setattr(work_module, "scores", counted)
    rows = sweep(tiny, out=tmp_path / "killed", device="cpu", cohort_size=4)
    assert sorted([*kept, *scored]) == sorted(rows["run_id"])
    same_numbers(rows.drop(columns="cohort_id"), undisturbed.drop(columns="cohort_id"))


def test_a_cohort_that_is_begun_again_scores_the_rest(swept, tiny, tmp_path, monkeypatch):
    """The same cohort, by the same place, after the death of its process: how all of its models ended is known."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    store = Store(folder)
    runs = tuple(run for run in tiny.runs() if run.objective == "beta_vae")
    held = {path: set(pd.read_parquet(path)["run_id"]) for path in store.cohorts.glob("*.parquet")}
    path, gone = next((path, ids) for path, ids in held.items() if ids & {run.run_id for run in runs})
    path.unlink()
    real, scored = work_module.scores, []

    def counted(run, *rest):
        scored.append(run.run_id)
        return real(run, *rest)

    monkeypatch.setattr(work_module, "train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(work_module, "scores", counted)
    end = work_module.finish(Cohort(runs), load("digits"), store, "tiny", lambda images: None)
    assert set(scored) == gone & {run.run_id for run in runs}
    assert end.statuses == {run.run_id: "done" for run in runs}
    assert end.error is None
    same_numbers(store.rows().drop(columns="cohort_id"), swept[1].drop(columns="cohort_id"))


def test_rows_of_an_older_recipe_are_not_taken_for_seeds(swept, tiny, tmp_path, monkeypatch):
    """They stay in their files, and in no table."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    monkeypatch.setattr(run_module, "RECIPE", run_module.RECIPE + 1)
    fresh = load_study(tiny, {"seeds": 2})
    assert len(Store.existing(folder).rows()) == 0
    assert len(sweep(fresh, out=folder, device="cpu")) == 6


def test_a_diverged_model_is_a_row(tiny, tmp_path):
    """Status diverged, no scores, neighbours done; it is not trained again."""
    strengths = {"arms.0.strengths": [1, 1e38]}
    rows = sweep(tiny, out=tmp_path, device="cpu", cohort_size=4, overrides=strengths)
    diverged = rows["strength"] == 1e38
    assert rows.loc[diverged, "status"].eq("diverged").all()
    assert rows.loc[~diverged, "status"].eq("done").all()
    assert rows.loc[diverged, "elbo_nats"].isna().all()
    same_numbers(sweep(tiny, out=tmp_path, device="cpu", overrides=strengths), rows)


def test_folders_that_cannot_be_used(swept, tiny, tmp_path):
    """Another study's, one that differs in what is not its grid, a file, and one that cannot be written."""
    folder, _ = swept
    with pytest.raises(BadInput, match="belongs to study 'tiny'; give another --out"):
        sweep("quick", out=folder, device="cpu")
    with pytest.raises(BadInput, match=r"arms\.0\.steps = 20, not 21"):
        sweep(tiny, out=folder, device="cpu", overrides={"steps": 21})
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        sweep(tiny, out=file, device="cpu")
    with pytest.raises(BadInput, match="cannot be written"):
        sweep(tiny, out="/proc/nowhere", device="cpu")


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"half", b"bit"])
def test_damaged_rows_are_named_and_computed_anew(damage, swept, tiny, tmp_path, capsys):
    """A broken Parquet file: which, and what it means; readers leave it, and the next sweep sets it aside."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    victim = sorted((folder / "cohorts").iterdir())[2]
    content = victim.read_bytes()
    place = content.index(b"small_patch")  # a value, not what says how many there are
    flipped = content[:place] + b"t" + content[place + 1 :]
    changed = {b"half": content[: len(content) // 2], b"bit": flipped}
    victim.write_bytes(changed.get(damage, damage))
    store = Store.existing(folder)
    assert len(store.rows()) == len(store.rows()) == 5
    said = capsys.readouterr().err
    assert f"{victim} is damaged: " in said
    assert "its runs count as missing; sweep again, and only they are computed anew" in said
    assert said.count("\n") == 1
    assert victim.exists()
    same_numbers(sweep(tiny, out=folder, device="cpu", cohort_size=1), swept[1])
    aside = folder / "damaged" / f"cohorts-{victim.name}"
    assert f"set aside as {aside}" in capsys.readouterr().err
    assert aside.exists()
    assert not victim.exists()


def test_damaged_weights_are_named_and_trained_anew(swept, tiny, tmp_path, capsys):
    """A truncated file, and a bit that is another: no figure shows such a model, and further scores train it again."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    row = swept[1].iloc[0].to_dict()
    victim = folder / "weights" / f"{row['cohort_id']}.safetensors"
    content = victim.read_bytes()
    for damage, words in (
        (content[:100], "has no weights of model .*, or they are damaged"),
        (content[:-1] + bytes([content[-1] ^ 1]), "is damaged: the checksum of model .* is another"),
    ):
        victim.write_bytes(damage)
        with pytest.raises(BadInput, match=words):
            Store.existing(folder).model(row)
    more = sweep(tiny, out=folder, device="cpu", overrides={"evaluation.metrics": ["mutual_information"]})
    assert more.loc[more["objective"] == "beta_vae", "mutual_information"].notna().all()
    assert more["mig"].equals(swept[1]["mig"])
    victim.unlink()
    with pytest.raises(BadInput, match="has no weights of model"):
        Store.existing(folder).model(row)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"on": "moon"}, "unknown executor 'moon'"),
        ({"device": "tpu"}, "unknown device 'tpu'.* known: auto, cpu, cuda"),
        ({"device": "cpu:1"}, "unknown device 'cpu:1'"),
        ({"device": "cuda:99"}, "device cuda:99 is not there"),
        ({"cohort_size": 0}, "cohort size must be at least 1"),
    ],
)
def test_bad_arguments(arguments, words, tiny, tmp_path):
    """Refused before anything is written."""
    with pytest.raises(BadInput, match=words):
        sweep(tiny, **{"out": tmp_path / "out", "device": "cpu", **arguments})
    assert not (tmp_path / "out").exists()


def test_auto_is_the_best_device_here():
    """CUDA where there is one."""
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_study_files_and_objects_are_the_same(tiny, tiny_file):
    """A study is what it says, wherever it came from."""
    assert load_study(tiny_file) == tiny


def test_a_data_set_whose_file_is_not_here(tiny, tmp_path, monkeypatch):
    """One line that says how to get it; nothing is downloaded by surprise."""
    monkeypatch.setenv("DISBENCH_DATA", str(tmp_path / "nothing"))
    with pytest.raises(BadInput, match="disbench datasets fetch mnist"):
        sweep(
            tiny,
            out=tmp_path / "out",
            device="cpu",
            overrides={"data_set": "mnist", "architecture": "chen_mlp"},
        )


def test_a_data_set_of_ones_own(tiny, tmp_path):
    """By its path, in a study; when the file changes, its runs are other runs."""
    chance = np.random.default_rng(0)
    path = tmp_path / "mine.npz"

    def write():
        images = chance.integers(0, 256, size=(300, 8, 8), dtype=np.uint8)
        np.savez(path, images=images, factors=chance.integers(0, 3, size=(300, 2)))

    def mine():
        return load_study(tiny, {"data_set": str(path), "arms.1.condition": "factor_1"})

    write()
    rows = sweep(mine(), out=tmp_path / "out", device="cpu")
    assert set(rows["status"]) == {"done"}
    assert rows.loc[rows["objective"] == "cvae", "mig"].notna().all()  # factor_0 is left to be scored on
    before = [run.run_id for run in mine().runs()]
    write()
    assert not set(before) & {run.run_id for run in mine().runs()}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error")])
def test_a_full_disk_is_one_line_and_no_failed_runs(error, tiny, tmp_path, monkeypatch):
    """Weights cannot be written: the sweep stops and says so, and goes on when there is room again."""
    real = safetensors.torch.save_file

    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(BadInput, match=r"safetensors cannot be written: .*what is finished is kept"):
        sweep(tiny, out=tmp_path, device="cpu")
    assert not [path for path in tmp_path.glob("*/*") if path.parent.name != "history"]
    monkeypatch.setattr(safetensors.torch, "save_file", real)
    assert set(sweep(tiny, out=tmp_path, device="cpu")["status"]) == {"done"}


def hungry(limit):
    """A `train` of a device on which no more than `limit` models fit."""

    def train(cohort, data, **keywords):
        if len(cohort.runs) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return train_cohort(cohort, data, **keywords)

    return train


def test_too_large_a_cohort_is_halved_until_it_fits(swept, tiny, tmp_path, monkeypatch):
    """Cohorts of four where two fit: the same rows, and no failure; images are counted once."""
    _, expected = swept
    monkeypatch.setattr(work_module, "train", hungry(2))
    rows = sweep(tiny, out=tmp_path, device="cpu", cohort_size=4)
    assert set(rows["status"]) == {"done"}
    assert rows["mig"].to_numpy() == pytest.approx(expected["mig"].to_numpy(), abs=0.05, nan_ok=True)
    assert rows["kl_nats"].to_numpy() == pytest.approx(expected["kl_nats"].to_numpy(), rel=1e-3)
    assert sorted(rows.groupby("cohort_id").size()) == [2, 2, 2]
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_model_that_fits_nowhere_fails_alone(tiny, tmp_path, monkeypatch):
    """Halving ends at one: failed rows that say why."""
    monkeypatch.setattr(work_module, "train", hungry(0))
    rows = sweep(tiny, out=tmp_path, device="cpu", cohort_size=4)
    assert set(rows["status"]) == {"failed"}
    assert rows["error"].str.startswith("OutOfMemoryError: CUDA out of memory").all()


class Place:
    """A place with one device, where trials find two models a cohort."""

    def __init__(self, device):
        self.device, self.asked = torch.device(device), []

    def devices(self):
        return [self.device]

    def plan(self, run, wanted):
        self.asked.append(wanted)
        return Plan(2, "matmul")


def test_plans_found_by_trial_are_kept(tiny, tmp_path):
    """A resumed sweep groups as the first one did, whatever memory is free then; a size by hand asks no trial."""
    store, gpu = Store.claimed(tmp_path, tiny), Place("cuda")
    family = [run for run in tiny.runs() if run.objective == "beta_vae"]
    for _ in range(2):
        assert planner(store, gpu)(family) == Plan(2, "matmul")
    assert planner(store, gpu, 3)(family) == Plan(3, "matmul")
    assert planner(store, gpu, None, "native")(family) == Plan(2, "native")
    longer = [replace(run, steps=1000, strength=3.0) for run in family]
    assert planner(store, gpu)(longer) == Plan(2, "matmul")
    assert gpu.asked == [len(family)]
    other = [run for run in tiny.runs() if run.objective == "cvae"]
    planner(store, gpu)(other)
    assert gpu.asked == [len(family), len(other)]
    assert planner(store, Place("cpu"))(family).size == 1


def test_a_training_is_recorded(swept, tiny):
    """A history for each model, joined with what it is of; the figures' and `disbench history`'s source."""
    folder, rows = swept
    history = Store(folder).history()
    assert set(history["run_id"]) == set(rows["run_id"])
    table = history_table(rows, history)
    assert len(table) == len(history) == 6 * 2  # the first step and the last, the twentieth
    assert list(table.columns[:6]) == ["data_set", "condition", "objective", "variant", "strength", "seed"]
    latents = table[["kl_0_nats", "kl_1_nats", "kl_2_nats"]].sum(axis=1)
    assert latents.to_numpy() == pytest.approx(table["kl_nats"].to_numpy(), rel=1e-5)


def test_a_model_is_scored_on_both_sides_of_its_split(tiny, tmp_path, monkeypatch):
    """Trained on the first eight digits alone; the other two are scored apart, and the whole together."""
    seen = []
    real = FactoredImages.images

    def watched(data, indices):
        seen.append(data.factors(indices))
        return real(data, indices)

    def train(cohort, data, **keywords):
        assert data.name == "digits, not held out"
        monkeypatch.setattr(FactoredImages, "images", watched)
        try:
            return train_cohort(cohort, data, **keywords)
        finally:
            monkeypatch.setattr(FactoredImages, "images", real)

    monkeypatch.setattr(work_module, "train", train)
    changes = {
        "arms": [{**arm.model_dump(), "hold_out": {"extrapolation": {"digit": 0.8}}} for arm in tiny.arms]
    }
    rows = sweep(parse_study({**tiny.model_dump(), **changes}, "split"), out=tmp_path, device="cpu")
    assert set(rows["status"]) == {"done"}
    assert torch.cat(seen).unique().tolist() == list(range(8))
    both = rows[["elbo_kept_nats", "elbo_held_out_nats"]]
    assert both.notna().all(axis=None)
    assert (rows["elbo_nats"] <= both.max(axis=1)).all()
    assert (rows["elbo_nats"] >= both.min(axis=1)).all()
    shares = (rows["elbo_nats"] - both["elbo_kept_nats"]) / (
        both["elbo_held_out_nats"] - both["elbo_kept_nats"]
    )
    assert shares.between(0.1, 0.3).all()  # two of ten digits among 300 images


def test_official_pixels_are_other_runs(tmp_path, monkeypatch):
    """Rendered or official, the user's picture or ours: never one table line."""
    monkeypatch.setenv("DISBENCH_DATA", str(tmp_path))
    monkeypatch.delenv("DISBENCH_SCREAM", raising=False)
    assert content_digest("dsprites") is None
    assert content_digest("scream_dsprites") is None
    (tmp_path / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz").write_bytes(b"official")
    assert content_digest("dsprites") == "official"
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"one")
    monkeypatch.setenv("DISBENCH_SCREAM", str(picture))
    assert content_digest("scream_dsprites") not in (None, content_digest("dsprites"))
