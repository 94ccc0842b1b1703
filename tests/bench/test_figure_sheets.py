"""Figures of many settings: a page for each data set instead of one of three metres."""

import pandas as pd
import pytest

from disbench.bench.figures import FIGURES, save_figures
from disbench.bench.figures.sheets import TOGETHER, sheets
from disbench.bench.store import Store


def settings(data_sets: int, strengths: int) -> pd.DataFrame:
    """The columns that say how many settings there are, of two seeds each."""
    return pd.DataFrame(
        [
            {
                "data_set": f"data{d}",
                "condition": None,
                "objective": "beta_vae",
                "strength": float(s),
                "seed": seed,
            }
            for d in range(data_sets)
            for s in range(strengths)
            for seed in range(2)
        ]
    )


@pytest.mark.parametrize(("data_sets", "strengths"), [(1, TOGETHER + 1), (2, TOGETHER // 2), (0, 0)])
def test_few_settings_or_one_data_set_are_one_figure(data_sets, strengths):
    """Seeds do not count: they share a place."""
    rows = settings(data_sets, strengths) if data_sets else settings(1, 1)[:0]
    for parts in sheets(rows).values():
        assert [(part.stem, part.data_set) for part in parts] == [("", "")]
        assert parts[0].rows is rows


def test_many_settings_are_a_figure_each_data_set():
    """Every row is in one of them, and names that are paths make names of files."""
    rows = settings(3, TOGETHER // 2).replace({"data_set": {"data2": "mine/my data.npz"}})
    (whole,), parts = sheets(rows)[False], sheets(rows)[True]
    assert whole.rows is rows
    assert [part.stem for part in parts] == ["-1-data0", "-2-data1", "-3-mine_my_data.npz"]
    assert [part.data_set for part in parts] == ["data0", "data1", "mine/my data.npz"]
    pd.testing.assert_frame_equal(pd.concat([part.rows for part in parts]), rows)


def test_earlier_sheets_are_removed(swept, tmp_path, monkeypatch):
    """A folder that is drawn as one again keeps no page of one data set, and no other program's file is touched."""
    import shutil

    store = Store(shutil.copytree(swept[0], tmp_path / "out"))
    monkeypatch.setattr("disbench.bench.figures.FIGURES", {"scores": FIGURES["scores"]})
    folder = store.folder / "figures"
    folder.mkdir()
    for name in ("scores-1-dsprites.png", "scores-mine.png"):
        (folder / name).write_bytes(b"")
    save_figures(store)
    assert sorted(path.name for path in folder.iterdir()) == [
        "scores-mine.png", "scores.pdf", "scores.png", "scores.svg"
    ]  # fmt: skip
