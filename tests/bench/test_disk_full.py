"""A disk that is full, at each write: one line, nothing finished is lost, and the same command goes on."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from disbench.bench import BadInput, atomic_file, sweep
from disbench.bench.cli import main
from disbench.bench.store import Store, merge

DISBENCH = str(Path(sys.executable).with_name("disbench"))
PROVENANCE = ["train_seconds", "evaluate_seconds", "finished_at"]


def same_numbers(left: pd.DataFrame, right: pd.DataFrame, *more: str) -> None:
    """Assert that two tables have equal rows, to the last bit of every score."""
    drop = [*PROVENANCE, *more]
    pd.testing.assert_frame_equal(left.drop(columns=drop), right.drop(columns=drop), check_exact=True)


@pytest.mark.parametrize("moment", range(20))
def test_at_any_write_of_a_sweep(moment, swept, tiny_file, tiny, tmp_path, monkeypatch, capsys):
    """Study, register, histories, weights, rows: exit 2, one line that names the file; then the table is the same."""
    real, count = atomic_file.flush, iter(range(1000))

    def full(temporary):
        if next(count) >= moment:  # and it stays full
            temporary.write_bytes(temporary.read_bytes()[:10])
            raise OSError(28, "No space left on device")
        real(temporary)

    monkeypatch.setattr(atomic_file, "flush", full)
    command = [
        "sweep",
        str(tiny_file),
        "--out",
        str(tmp_path / "out"),
        "--workers",
        "1",
        "--cohort",
        "1",
        "--quiet",
    ]
    assert main(command) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "cannot be written: No space left on device; what is finished is kept" in errors
    assert not list((tmp_path / "out").rglob(".*"))
    if moment >= 2:
        done = Store.existing(tmp_path / "out").rows()
        assert len(done) == (moment - 2) // 3
        assert set(done["status"]) <= {"done"}
    monkeypatch.undo()
    same_numbers(sweep(tiny, out=tmp_path / "out", device="cpu", cohort_size=1), swept[1])


@pytest.fixture
def small_disk():
    """A disk of its own with room for a number of KiB; skipped where none can be mounted."""
    with contextlib.ExitStack() as stack:

        def mount(kibibytes: int) -> Path:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(place)]
            if (
                shutil.which("mount") is None
                or subprocess.run(command, capture_output=True, check=False).returncode
            ):
                pytest.skip("no small file system can be mounted here")
            stack.callback(subprocess.run, ["umount", str(place)], check=True)
            return place

        yield mount


@pytest.mark.slow
def test_a_real_one(small_disk, swept, tiny_file, tmp_path, monkeypatch):
    """Room for the study and a few models: the sweep stops, readers show what there is; with room it goes on."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    disk = small_disk(4000)
    command = [
        DISBENCH,
        "sweep",
        str(tiny_file),
        "--workers",
        "1",
        "--cohort",
        "1",
        "--quiet",
        "--out",
        str(disk / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr
    assert "what is finished is kept" in done.stderr
    finished = len(Store.existing(disk / "out").rows())
    assert 1 <= finished <= 5
    assert main(["status", str(disk / "out")]) == 0
    for command_there in (["compact"], ["report"]):
        assert main([*command_there, str(disk / "out")]) in (0, 2)
    assert len(Store.existing(disk / "out").rows()) == finished
    shutil.copytree(disk / "out", tmp_path / "out")
    assert (
        subprocess.run([*command[:-1], str(tmp_path / "out")], capture_output=True, check=False).returncode
        == 0
    )
    same_numbers(Store(tmp_path / "out").rows(), swept[1], "device", "commit", "versions")


def test_while_merging(swept, tmp_path, monkeypatch):
    """Nothing of the sources is touched, and the same command finishes it."""
    real, count = atomic_file.flush, iter(range(1000))

    def full(temporary):
        if next(count) == 3:
            raise OSError(122, "Disk quota exceeded")
        real(temporary)

    monkeypatch.setattr(atomic_file, "flush", full)
    with pytest.raises(BadInput, match="cannot be written: Disk quota exceeded; what is finished is kept"):
        merge([swept[0]], tmp_path / "out")
    monkeypatch.undo()
    same_numbers(merge([swept[0]], tmp_path / "out").store.rows(), swept[1])


def test_a_folder_that_may_only_be_read(swept, tiny, tmp_path, monkeypatch):
    """Status, table and merge read it; what would write there is refused in a line."""
    folder = Path(shutil.copytree(swept[0], tmp_path / "out"))
    (folder / "register.json").unlink()

    def refused(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    for name in ("touch", "mkdir", "unlink", "rename", "replace", "write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, refused)
    monkeypatch.setattr(os, "link", refused)
    for command in ("status", "table", "history"):
        assert main([command, str(folder)]) == 0
    with pytest.raises(BadInput, match="cannot be written: Permission denied"):
        sweep(tiny, out=folder, device="cpu")
    assert main(["compact", str(folder)]) == 2


def test_a_file_that_may_not_be_read(swept, tmp_path, monkeypatch, capsys):
    """Not damaged, and nothing is set aside: one line says which."""
    folder = Path(shutil.copytree(swept[0], tmp_path / "out"))
    victim = sorted((folder / "cohorts").iterdir())[0]
    real = Path.open

    def refused(path, *arguments, **keywords):
        if path == victim:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "open", refused)
    assert main(["table", str(folder)]) == 2
    assert capsys.readouterr().err == f"disbench: error: {victim} cannot be read: Permission denied\n"
    assert victim.exists()
