"""Files of rows and histories are sealed: no changed bit of them is believed, or reaches a library that dies of it."""

import random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from disbench.bench.store import parquet_files
from disbench.bench.store.faults import DamagedFile
from disbench.bench.store.parquet_files import read_table, save_table
from disbench.bench.store.sealing import MARK, objection

FIELDS = pa.schema({"run_id": pa.string(), "mig": pa.float64()})
TABLE = pa.table({"run_id": [f"run {n}" for n in range(50)], "mig": [n / 7 for n in range(50)]}, FIELDS)


@pytest.fixture
def path(tmp_path):
    """A sealed file."""
    save_table(TABLE, tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_a_sealed_file_is_an_ordinary_one(path):
    """Any reader of Parquet reads it: the seal lies where nothing points at."""
    assert read_table(path, FIELDS).equals(TABLE)
    pd.testing.assert_frame_equal(pd.read_parquet(path), TABLE.to_pandas())
    assert path.read_bytes().count(MARK) == 1


@pytest.mark.parametrize("small", [True, False])
def test_no_changed_bit_is_believed(small, path, monkeypatch):
    """One bit anywhere: the file is damaged, or (in the mark of the seal itself) what it holds is as it was.

    A large file's seal is of its footer; its pages have checksums of their own, and so are looked at by Arrow. Seed 0
    changes 400 bits of it; without the seal some of them end the process.
    """
    content, chance = path.read_bytes(), random.Random(0)
    if not small:
        monkeypatch.setattr(parquet_files, "SMALL_BYTES", 0)
    begin = 0 if small else content.index(MARK)
    damaged = 0
    for _ in range(400):
        place = chance.randrange(begin, len(content))
        path.write_bytes(
            content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
        )
        try:
            assert read_table(path, FIELDS).equals(TABLE)
        except DamagedFile:
            damaged += 1
    assert damaged >= 350


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut(part, path):
    """Anywhere: damaged."""
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DamagedFile):
        read_table(path, FIELDS)


def test_files_without_a_seal_are_read(tmp_path):
    """Another's, or an older version's; what has no footer at all has nothing to say either."""
    path = tmp_path / "plain.parquet"
    pq.write_table(TABLE, path)
    assert read_table(path, FIELDS).equals(TABLE)
    for content in (b"", b"PAR1", b"\xff" * 8):
        path.write_bytes(content)
        with path.open("rb") as stream:
            assert objection(stream, len(content), pages=True) is None
