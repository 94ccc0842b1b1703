"""Joining files loses nothing, at whatever moment it dies and whoever else does it at the same time."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from disbench.bench import BadInput, atomic_file, sweep
from disbench.bench.cli import main
from disbench.bench.store import Store, compaction, listing, reading
from disbench.bench.study_loading import parse_study

KINDS = ("cohorts", "history", "weights")


@pytest.fixture(scope="module")
def made_up(tiny, fill, tmp_path_factory) -> Path:
    """Twelve models in twelve files of each kind; not to be changed."""
    study = parse_study({**tiny.model_dump(), "seeds": 4}, "tiny")
    return fill(tmp_path_factory.mktemp("made_up") / "out", study, points=3).folder


@pytest.fixture
def copy(made_up, tmp_path) -> Store:
    """A copy of it."""
    return Store(shutil.copytree(made_up, tmp_path / "copy"))


def contents(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, torch.Tensor]]]:
    """Everything that a reader sees: rows, histories in one order, weights by run."""
    store = Store.existing(folder)
    history = store.history().sort_values(["run_id", "step"]).reset_index(drop=True)
    return store.rows(), history, {run_id: store.parameters_of(run_id) for run_id in sorted(store.trained())}


def same(left: Path, right: Path) -> None:
    """Assert that readers see the same in two folders, to the last bit."""
    (rows, history, weights), (rows2, history2, weights2) = contents(left), contents(right)
    pd.testing.assert_frame_equal(rows, rows2, check_exact=True)
    pd.testing.assert_frame_equal(history, history2, check_exact=True)
    assert weights.keys() == weights2.keys()
    for run_id, tensors in weights.items():
        assert tensors.keys() == weights2[run_id].keys()
        assert all(torch.equal(value, weights2[run_id][name]) for name, value in tensors.items())


def counted(folder: Path) -> dict[str, int]:
    """How many files of each kind there are."""
    return {kind: len(list((folder / kind).iterdir())) for kind in KINDS}


def test_files_become_few_and_say_the_same(copy, made_up, capsys):
    """Twelve files of each kind become one, by the command line; once more changes nothing."""
    assert main(["compact", str(copy.folder)]) == 0
    assert "cohorts: 12 files, now 1" in capsys.readouterr().out
    assert counted(copy.folder) == {"cohorts": 1, "history": 1, "weights": 1}
    same(copy.folder, made_up)
    before = {path: path.stat().st_mtime_ns for path in copy.folder.rglob("*")}
    assert main(["compact", str(copy.folder)]) == 0
    assert "cohorts: 1 file, now 1" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in copy.folder.rglob("*")} == before


def test_any_number_of_files_still_reads_as_one_table(copy):
    """One pandas call on the folder, without this package, after joining as before."""
    before = pd.read_parquet(copy.cohorts).sort_values("run_id").reset_index(drop=True)
    copy.compact()
    after = pd.read_parquet(copy.cohorts).sort_values("run_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(before, after)


def test_models_of_different_shapes_are_not_stacked(swept, tmp_path):
    """Conditional models have other decoders: two files of weights, each of one shape; the models come back."""
    folder = shutil.copytree(swept[0], tmp_path / "out")
    Store(folder).compact()
    same(folder, swept[0])
    assert counted(folder)["weights"] == 2
    for row in swept[1].to_dict("records"):
        run, model = Store(folder).model(row)
        assert run.run_id == row["run_id"]
        assert model.encode(torch.zeros(1, 1, 8, 8), torch.zeros(1, 10 if run.condition else 0))[0].shape == (
            1,
            3,
        )


def test_joined_files_are_bounded(copy, made_up, monkeypatch):
    """A file is not joined beyond its limit, and one that has half of it already is left alone."""
    size = max(path.stat().st_size for path in copy.cohorts.iterdir())
    monkeypatch.setitem(compaction.LARGE_BYTES, "cohorts", 4 * size)
    copy.compact()
    assert 3 <= counted(copy.folder)["cohorts"] <= 4
    same(copy.folder, made_up)


class PowerCut(BaseException):
    """Nothing may catch this."""


@pytest.mark.parametrize("moment", range(0, 42, 3))
def test_a_death_at_any_moment_loses_nothing(moment, copy, made_up, monkeypatch):
    """Die before the n-th file is put in place or removed: readers see what they saw, and the next one finishes."""
    moments = iter(range(1000))

    def dying(real):
        def act(*arguments, **keywords):
            if next(moments) == moment:
                raise PowerCut
            return real(*arguments, **keywords)

        return act

    monkeypatch.setattr(atomic_file, "put_in_place", dying(atomic_file.put_in_place))
    monkeypatch.setattr(Path, "unlink", dying(Path.unlink))
    with pytest.raises(PowerCut):
        copy.compact()
    monkeypatch.undo()
    same(copy.folder, made_up)
    copy.compact()
    same(copy.folder, made_up)
    assert counted(copy.folder) == {"cohorts": 1, "history": 1, "weights": 1}


def test_a_full_disk_is_one_line_and_changes_nothing(copy, made_up, monkeypatch, capsys):
    """Nothing is removed before its successor is whole; during a sweep it is no more than a warning."""

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_file, "flush", full)
    assert main(["compact", str(copy.folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "No space left on device" in error
    monkeypatch.setattr(compaction, "MANY", 2)
    copy.tidy()
    assert "could not be joined" in capsys.readouterr().err
    monkeypatch.undo()
    same(copy.folder, made_up)
    assert counted(copy.folder) == dict.fromkeys(KINDS, 12)


def test_a_reader_in_the_middle_of_it_sees_everything(copy, made_up, monkeypatch):
    """Files are joined between the listing of the folder and the reading of what was listed."""
    real, done = reading.listed, []

    def and_then_joined(folder, suffix):
        paths = real(folder, suffix)
        if not done:
            done.append(Store(folder.parent).compact())
        return paths

    monkeypatch.setattr(reading, "listed", and_then_joined)
    rows = copy.rows()
    assert done
    pd.testing.assert_frame_equal(rows, Store(made_up).rows())


def test_a_listing_in_the_middle_of_it_misses_nothing(tmp_path, monkeypatch):
    """The joined file comes where the listing has been, the small one goes before it gets there: it is listed again."""
    seen = iter([["a"], ["c"], ["c"]])  # b was joined into a0; the first listing saw neither
    monkeypatch.setattr(listing, "names", lambda folder, suffix: next(seen))
    assert listing.listed(tmp_path, "") == [tmp_path / "c"]


def test_failures_that_were_mended_are_dropped_and_nothing_else(copy, made_up):
    """Equal rows once, and the last failure of a run that only failed."""
    row = pq.read_table(next(copy.cohorts.iterdir())).to_pylist()[0]
    schema = pq.read_schema(next(copy.cohorts.iterdir()))
    failed = {
        **dict.fromkeys(schema.names),
        **{k: row[k] for k in ("study", "run_id", "configuration", "metrics")},
    }
    failed |= {"status": "failed", "error": "out of luck", "finished_at": "2030-01-01T00:00:00+00:00"}
    strange = {**failed, "run_id": "of another recipe"}
    older = {**strange, "finished_at": "2020-01-01T00:00:00+00:00"}
    pq.write_table(
        pa.Table.from_pylist([failed, row, strange, older], schema=schema), copy.cohorts / "x.parquet"
    )
    copy.compact()
    (path,) = copy.cohorts.iterdir()
    kept = pd.read_parquet(path)
    assert len(kept) == 12 + 1
    assert kept.loc[kept["status"] == "failed", "finished_at"].to_list() == ["2030-01-01T00:00:00+00:00"]
    pd.testing.assert_frame_equal(copy.rows(), Store(made_up).rows())


def test_columns_of_other_versions_are_kept(copy, made_up):
    """Files with a score of the future are joined with each other."""
    for number, path in enumerate(sorted(copy.cohorts.iterdir())[:3]):
        table = pq.read_table(path)
        pq.write_table(table.append_column("score of the future", pa.array([float(number)])), path)
    copy.compact()
    assert counted(copy.folder)["cohorts"] == 2
    future = [f for f in map(pd.read_parquet, copy.cohorts.iterdir()) if "score of the future" in f]
    assert sorted(future[0]["score of the future"]) == [0.0, 1.0, 2.0]
    pd.testing.assert_frame_equal(copy.rows(), Store(made_up).rows())


def test_a_damaged_file_is_left_where_it_is(copy, made_up, capsys):
    """Named, not joined, and the others are."""
    victims = [next((copy.folder / kind).iterdir()) for kind in KINDS]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:50])
    copy.compact()
    said = capsys.readouterr().err
    for victim in victims:
        assert f"{victim} is damaged" in said
        assert victim.exists()
    assert counted(copy.folder) == dict.fromkeys(KINDS, 2)
    assert len(copy.rows()) == 11


def test_a_sweep_joins_files_when_there_are_many(tiny, swept, tmp_path, monkeypatch):
    """Without being asked; the table is the same, and a later sweep does nothing."""
    monkeypatch.setattr(compaction, "MANY", 2)
    rows = sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1)
    provenance = ["train_seconds", "evaluate_seconds", "finished_at"]
    pd.testing.assert_frame_equal(rows.drop(columns=provenance), swept[1].drop(columns=provenance))
    assert max(counted(tmp_path / "out").values()) <= 4
    before = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    pd.testing.assert_frame_equal(sweep(tiny, out=tmp_path / "out", device="cpu"), rows)
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == before


def test_one_sweep_at_a_time_joins_files(copy, monkeypatch):
    """While a fresh marker lies there it is another's work; an old one, or one from the future, is nobody's."""
    monkeypatch.setattr(compaction, "MANY", 2)
    markers = [copy.folder / kind / compaction.MARKER for kind in KINDS]
    for marker in markers:
        marker.touch()
    copy.tidy()
    assert counted(copy.folder) == dict.fromkeys(KINDS, 13)
    for marker, age in zip(markers, (2 * compaction.MARKER_SECONDS, -1e6, 1e9), strict=True):
        os.utime(marker, (time.time() - age,) * 2)
    copy.tidy()
    assert counted(copy.folder) == dict.fromkeys(KINDS, 1)


def test_another_clock_can_be_wrong(copy, monkeypatch):
    """The age of a marker is told by the file system: this machine's clock may be a year ahead."""
    monkeypatch.setattr(compaction, "MANY", 2)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    (copy.cohorts / compaction.MARKER).touch()
    copy.tidy()
    assert counted(copy.folder)["cohorts"] == 13


JOINER = """
import sys
from pathlib import Path
from disbench.bench.store import Store
folder, begun = map(Path, sys.argv[1:])
Store(folder).compact()
begun.touch()
while begun.exists():
    Store(folder).compact()
Store(folder).compact()
"""


@pytest.mark.slow
def test_processes_that_join_the_same_files_lose_none(made_up, tmp_path):
    """Two processes join again and again while files come in one by one; a reader never misses one that was there."""
    folder = tmp_path / "out"
    shutil.copytree(made_up, folder, ignore=lambda at, names: names if Path(at).name in KINDS else [])
    begun = [folder / f"begun {number}" for number in range(2)]
    joiners = [subprocess.Popen([sys.executable, "-c", JOINER, str(folder), str(path)]) for path in begun]
    while not all(path.exists() for path in begun):
        assert not any(joiner.poll() for joiner in joiners)
        time.sleep(0.05)
    written = set()
    for kind in KINDS:
        for path in sorted((made_up / kind).iterdir()):
            temporary = folder / kind / f".{path.name}.tmp"
            shutil.copy(path, temporary)
            temporary.rename(folder / kind / path.name)
            if kind == "cohorts":
                written |= set(pd.read_parquet(path)["run_id"])
                assert set(Store(folder).rows(["run_id"])["run_id"]) == written
    for path in begun:
        path.unlink()
    assert [joiner.wait(timeout=60) for joiner in joiners] == [0, 0]
    same(folder, made_up)
    Store(folder).compact()  # what both have joined at the same moment is there twice
    same(folder, made_up)
    assert counted(folder) == dict.fromkeys(KINDS, 1)


def test_a_folder_without_a_study(tmp_path):
    """One line."""
    with pytest.raises(BadInput, match="holds no study"):
        Store.existing(tmp_path)
    assert main(["compact", str(tmp_path)]) == 2
