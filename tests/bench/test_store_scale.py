"""What makes 12,600 models a matter of seconds, counted and not timed: files, columns, imports, work per row."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import disbench.bench
from disbench.bench import BadInput, load_study, sweep
from disbench.bench.cli import main
from disbench.bench.history import COLUMNS
from disbench.bench.legend import Legend
from disbench.bench.run import Run
from disbench.bench.store import HISTORY_FIELDS, Store, row_files
from disbench.bench.store.register import Register
from disbench.bench.store.times import later
from disbench.bench.study_loading import parse_study, shipped_studies
from disbench.bench.tables import summary

WATCHED = """
import os, sys
folder, counts = os.path.realpath(sys.argv[1]), {"opened": 0}

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        counts["opened"] += os.path.realpath(arguments[0]).startswith(folder + os.sep)

sys.addaudithook(watch)
from disbench.bench.cli import main
status = main([*sys.argv[2:], folder])
heavy = [name for name in ("torch", "sklearn", "scipy", "lightgbm", "matplotlib", "pydantic") if name in sys.modules]
print(status, counts["opened"], ",".join(heavy) or "none", file=sys.stderr)
"""


def watched(folder: Path, *command: str) -> tuple[str, int, str]:
    """What a command prints, how many files of the folder it opens, and which slow packages it imports."""
    arguments = [sys.executable, "-c", WATCHED, str(folder), *command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    status, opened, heavy = done.stderr.split()[-3:]
    assert status == "0"
    return done.stdout, int(opened), heavy


@pytest.mark.slow
def test_a_store_of_2520_models(fill, tmp_path):
    """Status and table open a few files of it and no library that trains; all models are in them.

    The unsupervised study with 10 of its 50 seeds; all 12,600 models by hand: docs/results_folder.md.
    """
    study = load_study("unsupervised", {"seeds": 10})
    store = fill(tmp_path / "out", study, cohort_size=10, points=2)
    out, opened, heavy = watched(store.folder, "status")
    assert out == "unsupervised: 2520 models: 2520 done, 0 diverged, 0 failed, 0 missing\n"
    assert (opened < 500, heavy) == (True, "none")
    out, opened, heavy = watched(store.folder, "table", "--format", "json")
    assert (opened < 500, heavy) == (True, "none")
    lines = json.loads(out)
    assert [line["models"] for line in lines] == [10] * 252
    store.compact()
    assert watched(store.folder, "table", "--format", "json")[0] == out
    assert watched(store.folder, "status")[1] < 10


def test_what_commands_open_and_import(swept):
    """Study, register and rows; no history, no weights, no library that trains; in every format."""
    rows = len(list((swept[0] / "cohorts").iterdir()))
    for command in (["status"], ["table"], ["table", "--format", "csv"], ["table", "--scores", "mig"]):
        _, opened, heavy = watched(swept[0], *command)
        assert (opened, heavy) == (rows + 4, "none"), command  # the register binds itself to the study file


def test_columns_are_read_where_they_are_wanted(swept, monkeypatch):
    """Three scores of a table need no matrix; no column is lost on the way."""
    asked = []
    real = row_files.read_table

    def watching(path, fields, **keywords):
        asked.append(set(fields.names))
        return real(path, fields, **keywords)

    monkeypatch.setattr(row_files, "read_table", watching)
    few = Store(swept[0]).rows(["mig", "seed"])
    assert list(few.columns) == ["seed", "mig"]
    assert asked
    assert not set.union(*asked) & {
        "mutual_information",
        "versions",
        "kl_per_dimension_nats",
        "dci_importance",
    }
    pd.testing.assert_frame_equal(few, swept[1][["seed", "mig"]])


def test_every_name_of_the_package_is_somewhere():
    """Imported when asked for, whatever was imported before; `sweep` is the function, not the module."""
    for name in disbench.bench.HOMES:
        assert getattr(disbench.bench, name).__name__ == name
    assert set(disbench.bench.HOMES) <= set(dir(disbench.bench))
    script = "import disbench.bench.sweep; from disbench.bench import sweep; assert callable(sweep), sweep"
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'sweeep'"):
        disbench.bench.sweeep  # noqa: B018


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_the_register_has_the_ids_of_the_runs(name):
    """Worked out by text, in a hundredth of the time, and equal to each run's own hash."""
    study = load_study(name)
    register, runs = Register.of(study), study.runs()
    assert register.run_ids == [run.run_id for run in runs]
    for run in runs[:: max(1, len(runs) // 50)]:
        found = register.identified(json.dumps(run.configuration))
        assert found is not None
        assert (found.run_id, found.strength, found.seed) == (run.run_id, run.strength, run.seed)
        assert Run.from_configuration(json.loads(json.dumps(run.configuration))) == run


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_the_register_of_every_study_is_taken_as_it_is_written(name):
    """What it and the study file say of an arm is compared; what a sweep writes must pass."""
    study = load_study(name)
    content = study.model_dump_json().encode()
    assert Register.of_json(Register.of(study).as_json(content).encode(), content) is not None


def test_a_register_says_what_the_code_says(tiny):
    """Through JSON and back: ids, columns and titles."""
    register, content = Register.of(tiny), tiny.model_dump_json().encode()
    again = Register.of_json(register.as_json(content).encode(), content)
    assert again is not None
    assert again.run_ids == register.run_ids
    assert again.legend == Legend.of_code()
    assert list(again.legend.columns) == list(Legend.of_code().columns)


@pytest.mark.parametrize("damage", ["gone", "half", "other version", "other study", "nonsense"])
def test_a_register_that_does_not_fit_is_worked_out(damage, swept, tmp_path):
    """Without one, or with one of other code, the answers are the same; reading does not write it."""
    import shutil

    store = Store(shutil.copytree(swept[0], tmp_path / "out"))
    text = store.register_file.read_text()
    if damage == "gone":
        store.register_file.unlink()
    elif damage == "other study":
        store.study_file.write_text(store.study_file.read_text().replace("two objectives", "two other"))
    else:
        other = json.dumps(json.loads(text) | {"disbench": "0.0.1", "seeds": [5]})
        store.register_file.write_text(
            {"half": text[:500], "other version": other, "nonsense": "[1]"}[damage]
        )
    before = sorted(path.name for path in store.folder.iterdir())
    pd.testing.assert_frame_equal(store.rows(), swept[1])
    assert sorted(path.name for path in store.folder.iterdir()) == before


def test_a_damaged_study_file_is_written_again(swept, tiny, tmp_path):
    """As the message says: deleted, the sweep that began the folder writes it, and finds everything done."""
    import shutil

    store = Store(shutil.copytree(swept[0], tmp_path / "out"))
    store.study_file.write_text("{")
    with pytest.raises(BadInput, match="study.json is damaged .*; delete it and repeat the `disbench sweep`"):
        sweep(tiny, out=store.folder, device="cpu")
    store.study_file.unlink()
    pd.testing.assert_frame_equal(sweep(tiny, out=store.folder, device="cpu"), swept[1])


def test_grids_beyond_the_study_are_shown_last(swept, tiny, tmp_path):
    """A smaller grid in the same folder: what it does not ask for stays in the table and is not counted as its own."""
    import shutil

    folder = shutil.copytree(swept[0], tmp_path / "out")
    rows = sweep(tiny, out=folder, device="cpu", overrides={"seeds": 1})
    assert rows["seed"].to_list() == [0, 0, 0, 1, 1, 1]
    assert set(rows["run_id"]) == set(swept[1]["run_id"])


def test_columns_of_history_are_those_recorded():
    """Written out in the store, which does without PyTorch."""
    assert [*HISTORY_FIELDS] == ["run_id", "step", "images", "elbo_nats", *COLUMNS, "kl_per_dimension_nats"]


def test_summary_is_each_groups_mean_and_spread(tiny, fill, tmp_path):
    """All groups at once give what each gives by itself."""
    study = parse_study({**tiny.model_dump(), "seeds": 5}, "tiny")
    rows = fill(tmp_path / "out", study, cohort_size=5).rows()
    rows.loc[[0, 6], "status"] = "diverged"
    rows.loc[7, "mig"] = float("nan")
    table = summary(rows)
    for line in table.to_dict("records"):
        members = rows[(rows["objective"] == line["objective"]) & (rows["strength"] == line["strength"])]
        done = members[members["status"] == "done"]
        assert (line["models"], line["diverged"]) == (len(done), len(members) - len(done))
        for name in ("mig", "elbo_nats", "kl_nats"):
            assert line[name] == pytest.approx(done[name].mean(), rel=1e-12)
            assert line[f"{name}_std"] == pytest.approx(done[name].std(ddof=1), rel=1e-12)


def test_many_files_are_worth_a_word(swept, capsys, monkeypatch):
    """Whoever reads a folder of thousands of files is told how that becomes fast."""
    monkeypatch.setattr(row_files, "TOO_MANY", 5)
    assert main(["status", str(swept[0])]) == 0
    assert "6 files; `disbench compact` joins them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("moment", "than", "stamp"),
    [
        ("2026-01-01T00:00:00+00:00", None, "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:01+00:00", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00"),
        ("1970-01-01T00:00:00+00:00", "2038-01-19T03:14:07+00:00", "2038-01-19T03:14:08+00:00"),
        ("2026-01-01T00:00:00+00:00", "soon", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "2026-01-01T00:00:00+00:00"),
    ],
)
def test_a_moment_later(moment, than, stamp):
    """Now, or the second after what is there already."""
    assert later(moment, than) == stamp
