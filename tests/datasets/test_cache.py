"""The cache: built once, whole or not at all, and clear about what hinders it."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

from disbench.datasets.cache import ABANDONED_SECONDS, cached_table
from disbench.datasets.dsprites import open_dsprites
from disbench.datasets.factors import FactorGrid

SHAPE = (300, 8)
BYTES = bytes(range(240)) * 10


class Builder:
    """Makes the bytes in three pieces, and counts how often it was asked to."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls = 0
        self.seconds = seconds

    def __call__(self) -> Generator[bytes, None, None]:
        self.calls += 1
        for start in range(0, 2400, 800):
            time.sleep(self.seconds / 3)
            yield BYTES[start : start + 800]


@pytest.fixture
def folder(own_folders: tuple[Path, Path]) -> Path:
    return own_folders[0]


def only_table(folder: Path) -> Path:
    (path,) = folder.glob("*.bin")
    assert not list(folder.glob("*.part"))
    return path


def test_a_table_is_built_once_and_mapped_after(folder: Path) -> None:
    builder = Builder()
    for _ in range(3):
        table = cached_table("numbers", "version 1", SHAPE, builder)
        assert table.shape == SHAPE
        assert table.dtype == torch.uint8
        assert bytes(table.flatten().tolist()) == BYTES
    assert builder.calls == 1
    assert only_table(folder).name.startswith("numbers-")


def test_the_mapping_is_read_only(folder: Path) -> None:
    """No memory is set aside for pages that might be written, so that a table may be larger than memory."""
    table = cached_table("numbers", "version 1", SHAPE, Builder())
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list its mappings")
    name = only_table(folder).name
    assert [line.split()[1] for line in maps.read_text().splitlines() if name in line] == ["r--s"]
    assert len(table) == SHAPE[0]


def test_other_contents_are_another_table(folder: Path) -> None:
    builder = Builder()
    cached_table("numbers", "version 1", SHAPE, builder)
    cached_table("numbers", "version 2", SHAPE, builder)
    assert builder.calls == 2
    assert len(list(folder.glob("*.bin"))) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: whole[:1200],
        lambda whole: whole[:-1],
        lambda whole: whole + b"more",
        lambda whole: b"",
        lambda whole: b"a foreign file" * 1000,
        lambda whole: whole[:-32] + bytes(32),
    ],
    ids=["cut", "cut by a byte", "longer", "empty", "foreign", "another footer"],
)
def test_a_spoilt_table_is_built_again(folder: Path, spoil: object) -> None:
    builder = Builder()
    cached_table("numbers", "version 1", SHAPE, builder)
    path = only_table(folder)
    path.write_bytes(spoil(path.read_bytes()))
    assert bytes(cached_table("numbers", "version 1", SHAPE, builder).flatten().tolist()) == BYTES
    assert builder.calls == 2


def test_whoever_comes_second_waits_for_the_first(folder: Path) -> None:
    builder = Builder(seconds=0.3)
    tables: list[torch.Tensor] = []
    threads = [
        threading.Thread(target=lambda: tables.append(cached_table("numbers", "version 1", SHAPE, builder)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builder.calls == 1
    assert [bytes(table.flatten().tolist()) for table in tables] == [BYTES] * 4


def test_nothing_depends_on_the_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builders that do not wait for each other: both build, both get the right bytes, one file stays."""
    monkeypatch.setattr("disbench.datasets.cache.PATIENCE_SECONDS", 0.0)
    builder = Builder(seconds=0.3)
    tables: list[torch.Tensor] = []
    threads = [
        threading.Thread(target=lambda: tables.append(cached_table("numbers", "version 1", SHAPE, builder)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builder.calls == 2
    assert [bytes(table.flatten().tolist()) for table in tables] == [BYTES] * 2
    only_table(folder)


def test_two_processes_may_build_the_same_grid(folder: Path, small_grid: FactorGrid, tmp_path: Path) -> None:
    """Without a terminal, without standard input, both at once."""
    program = """
import hashlib, numpy as np
from disbench.datasets.dsprites import GRID, open_dsprites
from disbench.datasets.factors import FactorGrid
some = {"shape": [0, 1, 2], "scale": [0, 5], "orientation": [0, 13, 39], "posX": [0, 17, 31], "posY": [9]}
grid = FactorGrid({name: GRID.values[name][np.array(some[name])] for name in GRID.names}, GRID.constants)
print(hashlib.sha256(open_dsprites(grid=grid).images(range(54)).numpy()).hexdigest())
"""
    command = [sys.executable, "-c", program]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert answers[0] == answers[1]
    before = only_table(folder).stat().st_mtime_ns
    open_dsprites(grid=small_grid)
    assert only_table(folder).stat().st_mtime_ns == before  # and a third finds it


def test_progress_is_told(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    for _ in range(2):  # the second time there is nothing to tell
        cached_table("numbers", "version 1", SHAPE, Builder(), lambda done, total: told.append((done, total)))
    assert told == [(100, 300), (200, 300), (300, 300)]


def test_a_maker_that_fails_leaves_nothing_behind(folder: Path) -> None:
    def fails() -> Generator[bytes, None, None]:
        yield BYTES[:800]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        cached_table("numbers", "version 1", SHAPE, fails)
    assert not [path for path in folder.iterdir() if path.suffix not in (".lock", ".sha256")]


def test_a_maker_of_too_few_bytes_is_found_out(folder: Path) -> None:
    def short() -> Generator[bytes, None, None]:
        yield b"short"

    with pytest.raises(ValueError, match="should have 2400 bytes, its maker gave 5"):
        cached_table("numbers", "version 1", SHAPE, short)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_full_or_forbidden_disk_is_one_clear_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        cached_table("numbers", "version 1", SHAPE, Builder())
    assert str(folder) in str(caught.value)
    assert "DISBENCH_CACHE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [path for path in folder.iterdir() if path.suffix not in (".lock", ".sha256")]


def test_a_folder_that_cannot_be_made_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match=r"cannot write to the cache folder .*set DISBENCH_CACHE") as caught:
        cached_table("numbers", "version 1", SHAPE, Builder())
    assert "\n" not in str(caught.value)


def test_parts_of_killed_builders_are_removed_in_time(folder: Path) -> None:
    builder = Builder()
    cached_table("numbers", "version 1", SHAPE, builder)
    table = only_table(folder)
    old, young = (table.with_name(f"{table.name}.{age}.part") for age in ("old", "young"))
    for part in (old, young):
        part.write_bytes(b"half")
    long_ago = time.time() - 2 * ABANDONED_SECONDS
    os.utime(old, (long_ago, long_ago))
    table.unlink()
    another = table.with_name("other-0.bin.old.part")  # of a table that nobody asks for any more
    another.write_bytes(b"half")
    os.utime(another, (long_ago, long_ago))
    cached_table("numbers", "version 1", SHAPE, builder)
    assert not old.exists()
    assert not another.exists()
    assert young.exists()


def test_without_the_variable_the_users_own_folders_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from disbench.datasets.folders import cache_folder, data_folder

    monkeypatch.delenv("DISBENCH_CACHE", raising=False)
    monkeypatch.delenv("DISBENCH_DATA", raising=False)
    assert "disbench" in str(cache_folder())
    assert "disbench" in str(data_folder())
