"""A results folder from anywhere: nothing in it is run, followed out of it, or believed; what is wrong is a line.

Every case goes through commands that read a folder. Allowed are exit 0, with what is wrong left out and said, and
exit 2 with one line. A traceback, a hang or a file outside the folder is a failure.
"""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from disbench.bench import BadInput
from disbench.bench.cli import main
from disbench.bench.figures import FIGURES
from disbench.bench.store import Store, parquet_files
from disbench.bench.store.register import Register, edition
from disbench.bench.sweep import with_earlier_metrics

COMMANDS = (["status"], ["table"], ["compact"])
"""What every case goes through, unless it says more."""

TRAVERSALS = FIGURES["traversals"]

READERS = (["status", "--json"], ["table", "--format", "latex"], ["history"], ["report"], *COMMANDS[:2])


@pytest.fixture(scope="module")
def made_up(tiny, fill, tmp_path_factory) -> Path:
    """Six models, one file each; not to be changed."""
    return fill(tmp_path_factory.mktemp("made_up") / "out", tiny, points=3).folder


@pytest.fixture
def store(made_up, tmp_path, monkeypatch) -> Store:
    """A copy of it to be tampered with, and few figures, to save time."""
    for name in set(FIGURES) - {"kl_per_dimension", "mutual_information"}:
        monkeypatch.delitem(FIGURES, name)
    return Store(shutil.copytree(made_up, tmp_path / "around" / "out"))


@pytest.fixture
def outcome(store, capfd, tmp_path):
    """Runs every command on the folder; what they printed on standard error, exit statuses and standard output."""

    def run(*commands: list[str]) -> tuple[str, set[int], str]:
        said, statuses, printed = "", set(), ""
        for command in commands or COMMANDS:
            status = main([command[0], str(store.folder), *command[1:]])
            out, errors = capfd.readouterr()
            assert status in (0, 2), command
            lines = errors.splitlines()
            refusals = [line for line in lines if line.startswith("disbench: error: ")]
            assert len(refusals) == (status == 2), errors
            assert all(line.startswith("disbench: ") for line in lines), errors
            assert "\x1b" not in out + errors
            said, printed = said + errors, printed + out
            statuses.add(status)
        assert [path.name for path in store.folder.parent.iterdir()] == ["out"]
        assert not (tmp_path / "executed").exists()
        return said, statuses, printed

    return run


class Payload:
    """Pickled, it leaves a file behind when somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def change_rows(store: Store, change, count: int = 1) -> None:
    """Pass the rows of the first files through a function, keeping their schema."""
    for path in sorted(store.cohorts.iterdir())[:count]:
        table = pq.read_table(path)
        pq.write_table(
            pa.Table.from_pylist([change(row) for row in table.to_pylist()], schema=table.schema), path
        )


def change_configuration(**changes):
    """A change of a row's configuration, and of the columns that repeat it."""

    def change(row):
        return (
            row
            | {k: v for k, v in changes.items() if k in row}
            | {"configuration": json.dumps(json.loads(row["configuration"]) | changes, sort_keys=True)}
        )

    return change


def change_evaluation(**changes):
    """A change of what a row's configuration says of its scores; most of that is in no run's id."""

    def change(row):
        told = json.loads(row["configuration"])
        return row | {"configuration": json.dumps(told | {"evaluation": told["evaluation"] | changes})}

    return change


# Study files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b"{", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[]", "is damaged"),
        (b"null", "is damaged"),
        (b"\"__import__('os')\"", "is damaged"),
        (b"1" * 10_000, "is damaged"),
    ],
)
def test_study_files_that_are_none(content, words, store, outcome):
    """Not JSON, or JSON of something else, or of nothing that a reader should follow."""
    store.study_file.write_bytes(content)
    said, statuses, _ = outcome(*READERS)
    assert statuses == {2}
    assert words in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "../../escaped"}, "name should match pattern"),
        ({"name": "a b\x1b[2J"}, "name should match pattern"),
        ({"seeds": 10**9}, "should be less than or equal to 100000"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [-1]}, "seeds"),
        ({"seeds": [0] * 5}, "has 0 twice"),
        ({"arms": []}, "arms should have at least 1 item"),
        ({"arms": [{"objective": "__import__('os').system('true')", "data_set": "digits"}]}, "unknown objective"),
        ({"arms": [{"objective": "vae", "data_set": "digits", "architecture": "os.system"}]}, "unknown architecture"),
        ({"arms": [{"objective": "beta_vae", "data_set": "digits", "strengths": list(range(101))}] * 100,
          "seeds": 100_000}, "asks for 1,010,000,000 models"),
        ({"arms": [{"objective": "beta_vae", "data_set": "digits", "strengths": ["NaN"]}]}, "strengths"),
        ({"arms": [{"objective": "factor_vae", "data_set": "digits", "strengths": [1],
                    "options": {"helper_learning_rate": "x"}}]}, "should be a number above 0"),
        ({"unknown\nkey": 1}, "unknown key"),
    ],
)  # fmt: skip
def test_study_files_that_ask_for_what_cannot_be(changes, words, store, outcome):
    """Names are looked up in tables and numbers have bounds; nothing is evaluated, however it is written."""
    store.study_file.write_text(json.dumps(json.loads(store.study_file.read_text()) | changes))
    said, statuses, _ = outcome(*READERS)
    assert statuses == {2}
    assert words in said


@pytest.mark.parametrize("register", ["kept", "gone"])
@pytest.mark.parametrize(
    "data_set", ["/", "/dev", "/proc", "/etc/passwd", "../../..", "{}/private.npz", "~/x.npz"]
)
def test_data_sets_of_a_hostile_study_are_not_looked_at(register, data_set, store, outcome, tmp_path):
    """A path in a study file is a name: status, table and history read no file of it, and walk through no disk."""
    (tmp_path / "private.npz").write_bytes(b"none of a stranger's business, and no data set")
    arms = [
        {**arm, "data_set": data_set.format(tmp_path)}
        for arm in json.loads(store.study_file.read_text())["arms"]
    ]
    store.study_file.write_text(json.dumps(json.loads(store.study_file.read_text()) | {"arms": arms}))
    if register == "gone":
        store.register_file.unlink()
    said, statuses, printed = outcome(["status"], ["table"], ["history"])
    assert statuses == {0}
    assert "tiny: 6 models: 0 done, 0 diverged, 0 failed, 6 missing" in printed
    assert "6 rows are of no run of this study" in said


def test_a_pipe_is_not_waited_for(store, outcome):
    """Opening one would hang until somebody writes into it."""
    store.study_file.unlink()
    os.mkfifo(store.study_file)
    assert outcome(*READERS)[1] == {2}
    store.study_file.unlink()
    shutil.copy(next(store.cohorts.iterdir()), store.study_file)
    assert outcome(["status"])[1] == {2}


def test_pipes_folders_and_links_among_the_files(store, outcome):
    """Pipes and folders are passed over; a link to a file elsewhere shows nothing of it, and nothing is done to it."""
    elsewhere = store.folder / "elsewhere"
    elsewhere.write_bytes(b"a secret\n" * 100)
    for folder, suffix in (
        (store.cohorts, ".parquet"),
        (store.histories, ".parquet"),
        (store.weights, ".safetensors"),
    ):
        os.mkfifo(folder / f"pipe{suffix}")
        (folder / f"folder{suffix}").mkdir()
        (folder / f"link{suffix}").symlink_to(elsewhere)
        (folder / f"dangling{suffix}").symlink_to("/nowhere")
        (folder / f"loop{suffix}").symlink_to(folder / f"loop{suffix}")
    said, statuses, printed = outcome(*READERS, ["compact"])
    assert statuses == {0}
    assert "link.parquet is damaged" in said
    assert "secret" not in said + printed
    assert elsewhere.read_bytes() == b"a secret\n" * 100


def test_names_that_are_no_text(store, outcome, tmp_path):
    """Bytes that are no UTF-8, or that a terminal obeys: shown by their codes, and what is in the file counts."""
    names = (b"\xff\xfe", b"a\n\x1b[2J<script>")
    for path, name in zip(sorted(store.cohorts.iterdir()), names, strict=False):
        path.rename(os.fsdecode(os.fsencode(store.cohorts) + b"/" + name + b".parquet"))
    for folder, suffix in ((store.cohorts, b".parquet"), (store.weights, b".safetensors")):
        Path(os.fsdecode(os.fsencode(folder) + b"/\xfe\x1b" + suffix)).write_bytes(b"none")
    said, statuses, printed = outcome(*READERS, ["plot"])
    assert statuses == {0}
    assert r"cohorts/\udcfe\x1b.parquet is damaged" in said
    assert "6 models: 6 done" in printed
    page = (store.folder / "report.html").read_text()
    assert r"cohorts/\udcff\udcfe.parquet" in page
    assert "2J<script>" not in page
    into = tmp_path / "merged"
    assert main(["merge", str(store.folder), "--into", str(into)]) == 0
    assert len(Store(into).rows()) == 6


@pytest.mark.parametrize("name", ["cohorts", "weights", "history", "checkpoints", "damaged", "slurm"])
def test_nothing_is_moved_or_removed_through_a_link_out_of_the_folder(name, store, tiny, tmp_path):
    """A stranger's link to somebody's models: what a sweep would set aside or join there is not ours."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "model.safetensors").write_bytes(b"not of disbench")
    shutil.rmtree(store.folder / name, ignore_errors=True)
    (store.folder / name).symlink_to(theirs)
    with pytest.raises(BadInput, match=f"{name} is a link out of"):
        Store.claimed(store.folder, tiny)
    assert [path.name for path in theirs.iterdir()] == ["model.safetensors"]


def test_no_picture_is_written_through_a_link_out_of_the_folder(store, outcome, tmp_path):
    """Nor are files joined through one."""
    theirs = tmp_path / "around" / "out" / "cohorts"
    for name in ("figures", "samples"):
        (store.folder / name).symlink_to(tmp_path)
    said, statuses, _ = outcome(["plot"], ["sample"])
    assert statuses == {2}
    assert "samples is a link out of" in said
    (store.folder / "figures").unlink()
    (store.folder / "figures").symlink_to(theirs)  # within the folder it is the owner's choice
    assert outcome(["plot"])[1] == {0}


def test_links_within_the_folder_are_followed(store, tiny):
    """Whose folders lie on another disk makes the results folder itself the link."""
    linked = store.folder.with_name("linked")
    linked.symlink_to(store.folder)
    assert len(Store.claimed(linked, tiny).rows()) == 6


# Registers


PICKLED = {"columns": {"mig": {"kind": "pickle", "direction": None, "unit": ""}}, "objectives": {}}


def first_arm(**changes):
    """A change of a register's first arm, the others gone."""
    return lambda told: told | {"arms": [told["arms"][0] | changes]}


def arms(**changes):
    """A change of what a register says of every arm."""
    return lambda told: (
        told | {"arms": [arm | {"configuration": arm["configuration"] | changes} for arm in told["arms"]]}
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda told: [],
        lambda told: told | {"seeds": list(range(400_000))},
        lambda told: told | {"seeds": ["x"]},
        first_arm(configuration=[]),
        first_arm(configuration={"evaluation": {}, "data_set": "\0seed"}),
        first_arm(strengths=[float("inf")]),
        arms(objective="nonesuch"),
        arms(objective=["vae"]),
        arms(data_set="/etc/passwd"),
        arms(data_set=5),
        arms(condition="\x1b[2J"),
        arms(latents="x"),
        arms(latents=10**30),
        arms(latents=None),
        arms(options=[1]),
        arms(hold_out=5),
        first_arm(strengths=["\0strength"]),
        lambda told: told | {"legend": PICKLED},
        lambda told: told | {"legend": 5},
        lambda told: {key: value for key, value in told.items() if key != "legend"},
    ],
)
def test_registers_that_are_none(change, store, outcome):
    """Then it is worked out from the study file."""
    store.register_file.write_text(json.dumps(change(json.loads(store.register_file.read_text()))))
    _, statuses, printed = outcome(["status"], ["table"])
    assert statuses == {0}
    assert "6 models: 6 done" in printed


@pytest.mark.parametrize(
    "changes", [{"objective": "nonesuch"}, {"architecture": "os.system"}, {"data_set": "x\x1b[2J.npz"}]
)
def test_a_register_and_a_study_that_agree_on_nonsense(changes, store, outcome):
    """Whoever forges one can forge the other: then the study file is refused, with one line."""
    told = json.loads(store.study_file.read_text())
    store.study_file.write_text(json.dumps(told | {"arms": [arm | changes for arm in told["arms"]]}))
    register = json.loads(store.register_file.read_text()) | edition(store.study_file.read_bytes())
    register["legend"]["objectives"]["nonesuch"] = {"title": "x", "strength": None}
    store.register_file.write_text(json.dumps(arms(**changes)(register)))
    assert outcome(["report"], ["plot"], ["agreement"], ["selection"], ["collapse"], ["sample"])[1] == {2}


def test_titles_that_would_be_markup(store, outcome):
    """A register may call an objective whatever it likes: in Markdown, LaTeX and a terminal it is text in one cell."""
    told = json.loads(store.register_file.read_text())
    hostile = "\x1b[2J a | b \n\n# \\input{/etc/passwd} $x$ & <script>"
    told["legend"]["objectives"]["beta_vae"] = {"title": hostile, "strength": "\\write18{id} ^~#"}
    store.register_file.write_text(json.dumps(told))
    _, statuses, printed = outcome(["table"], ["table", "--format", "latex"])
    assert statuses == {0}
    assert r"\x1b[2J a \| b # " in printed
    # The cell is wrapped, after slashes too.
    assert r"\textbackslash{}input\{/" in printed
    assert r"passwd\}" in printed
    assert r"\$x\$" in printed
    assert r"\textless{}script\textgreater{}" in printed
    assert r"\textbackslash{}write18\{id\} &" in printed
    assert r"\textasciicircum{}\textasciitilde{}\# = 1 &" in printed
    assert "\n# " not in printed


# Rows


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row | {"configuration": "[" * 100_000}, "of no run of this study"),
        (lambda row: row | {"configuration": None}, "of no run of this study"),
        (lambda row: row | {"configuration": "null"}, "of no run of this study"),
        (lambda row: row | {"configuration": '{"evaluation": 5}'}, "of no run of this study"),
        (change_evaluation(metrics=5), "of no run of this study"),
        (change_evaluation(metrics=["mig", None]), "of no run of this study"),
        (change_evaluation(likelihood=[1]), "of no run of this study"),
        (change_configuration(data_set="../../../etc"), "of no run of this study"),
        (change_configuration(data_set="=cmd|' /C calc'!A0"), "of no run of this study"),
        (change_configuration(latents=10**9), "of no run of this study"),
        (lambda row: change_configuration(strength="many")(row) | {"strength": 1.0}, "of no run of this study"),
        (lambda row: change_configuration(seed=True)(row) | {"seed": 1}, "of no run of this study"),
        (change_configuration(seed=7), "contradict their own configuration"),
        (lambda row: row | {"run_id": "../../../tmp/x"}, "contradict their own configuration"),
        (lambda row: row | {"run_id": None}, "contradict their own configuration"),
        (lambda row: row | {"objective": "<script>alert(1)</script>"}, "contradict their own configuration"),
        (lambda row: row | {"condition": "<b>"}, "contradict their own configuration"),
        (lambda row: row | {"data_set": None}, "contradict their own configuration"),
        (lambda row: row | {"strength": float("nan")}, "contradict their own configuration"),
        (lambda row: row | {"seed": None}, "contradict their own configuration"),
        (lambda row: row | {"status": "won"}, "contradict their own configuration"),
        (lambda row: row | {"status": None}, "contradict their own configuration"),
        (lambda row: row | {"metrics": ["mig", None]}, "contradict their own configuration"),
    ],
)  # fmt: skip
def test_rows_that_are_none_of_the_studys(change, words, store, outcome):
    """A row counts if the study asks for its run, at whatever strength and seed, and it is what it says."""
    change_rows(store, change)
    said, statuses, printed = outcome()
    assert statuses == {0}
    assert words in said
    assert "6 models: 5 done" in printed


@pytest.mark.parametrize(
    "values",
    [
        {"kl_per_dimension_nats": [1.0] * 7},
        {"kl_per_dimension_nats": []},
        {"mutual_information": [[1.0], [1.0, 2.0], []]},
        {"mutual_information": [[1.0], None, [1.0]]},
        {"mutual_information": [[1.0]] * 2},
    ],
)
def test_scores_of_another_shape(values, store, outcome):
    """A list has a value for each latent and a matrix rows of one length, or no figure could be drawn of the rest."""
    change_rows(store, lambda row: row | values)
    said, statuses, _ = outcome(["report"], ["table"])
    assert statuses == {0}
    assert "contradict their own configuration" in said


@pytest.mark.parametrize(
    "values",
    [
        {"kl_per_dimension_nats": [float("inf"), float("nan"), -1.0]},
        {"kl_per_dimension_nats": [None, 1.0, 0.0]},
        {"mutual_information": [[1.0] * 7] * 3},
        {"mutual_information": [[float("inf")]] * 3},
        {"mutual_information": [[]] * 3},
    ],
)
def test_scores_that_no_figure_can_show(values, store, outcome):
    """The page is made without them, or with what can be drawn."""
    change_rows(store, lambda row: row | values, count=6)
    assert outcome(["report"], ["table"])[1] == {0}


def test_texts_of_rows_are_text_everywhere(store, outcome):
    """Errors, devices, versions and the like are anybody's: no markup, no escape sequence, no second line."""
    hostile = (
        "<script>alert(1)</script>\x1b[2J\x07\r\nsecond line \u202e '\"><img src=x onerror=y>" + "x" * 10_000
    )
    texts = dict.fromkeys(("study", "data_source", "device", "commit", "finished_at", "cohort_id"), hostile)
    change_rows(store, lambda row: row | texts | {"versions": json.dumps({hostile: hostile})}, count=3)
    change_rows(store, lambda row: row | {"status": "failed", "error": hostile})
    _, statuses, printed = outcome(*READERS)
    assert statuses == {0}
    assert r"failed: " in printed
    assert r"\x1b[2J" in printed
    page = (store.folder / "report.html").read_text()
    assert page.count("<script") == 1, "the page's own"
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("versions", ["[1]", "[" * 100_000, "{", '{"a": {"b": []}}', "5"])
def test_versions_that_are_none(versions, store, outcome):
    """The page says the others."""
    change_rows(store, lambda row: row | {"versions": versions})
    assert outcome(["report"])[1] == {0}


def test_values_that_no_metric_gives(store, outcome):
    """Infinite, huge and missing numbers, and a row without metrics: shown for what they are."""
    values = {
        "mig": float("inf"),
        "elbo_nats": 1e308,
        "kl_nats": float("-inf"),
        "metrics": None,
        "train_seconds": float("nan"),
        "evaluate_seconds": float("inf"),
    }
    change_rows(store, lambda row: row | values)
    _, statuses, printed = outcome(*READERS)
    assert statuses == {0}
    assert "6 models: 6 done" in printed
    assert len(with_earlier_metrics(store.study().runs(), store.rows())) == 6
    assert len(store.finished()) == 6
    assert len(store.finished(["mig"])) == 5


def unpickled_extension(store: Store, path: Path, marker: Path) -> None:
    """A column with the metadata of an Arrow extension type whose parameters are a pickle."""
    table = pq.read_table(path)
    place = table.schema.get_field_index("mig")
    told = {"name": "arrow.py_extension_type", "metadata": pickle.dumps(Payload(marker))}
    field = pa.field("mig", pa.float64(), metadata={f"ARROW:extension:{k}": v for k, v in told.items()})
    pq.write_table(pa.table(table.columns, schema=table.schema.set(place, field)), path)


def pandas_metadata(store: Store, path: Path, marker: Path) -> None:
    """What pandas believes of a file's columns, from a stranger."""
    table = pq.read_table(path)
    column = {
        "name": "mig",
        "field_name": "mig",
        "pandas_type": "object",
        "numpy_type": "__import__",
        "metadata": {},
    }
    index = {"kind": "range", "start": 0, "stop": 10**12, "step": 1, "name": None}
    told = {"index_columns": [index], "columns": [column], "column_indexes": [{}]}
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(told)}), path)


@pytest.mark.parametrize("tamper", [unpickled_extension, pandas_metadata])
def test_metadata_of_other_libraries_is_dropped(tamper, store, outcome, tmp_path):
    """The numbers are read, or the file is left out; what somebody wrote beside them does nothing."""
    tamper(store, sorted(store.cohorts.iterdir())[0], tmp_path / "executed")
    tamper_history = sorted(store.histories.iterdir())[0]
    table = pq.read_table(tamper_history)
    pq.write_table(
        table.replace_schema_metadata({"pandas": pickle.dumps(Payload(tmp_path / "executed"))}),
        tamper_history,
    )
    _, statuses, printed = outcome(*READERS, ["compact"])
    assert statuses == {0}
    assert "6 models: 6 done" in printed or "6 models: 5 done" in printed


@pytest.mark.parametrize(
    "name", ["run_id", "configuration", "mig", "kl_per_dimension_nats", "metrics", "strength"]
)
@pytest.mark.parametrize(
    "values",
    [
        pa.array([b"bytes"], pa.binary()),
        pa.array([True]),
        pa.array([["nested", "text"]], pa.list_(pa.string())),
        pa.array([{"a": 1}], pa.struct([("a", pa.int64())])),
        pa.array([0], pa.timestamp("ns")),
        pa.array(["text"]),
    ],
    ids=str,
)
def test_columns_of_other_types(name, values, store, outcome):
    """The file is none of ours, and said to be; texts and lists stand only where texts and lists belong."""
    path = sorted(store.cohorts.iterdir())[0]
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, values), path)
    said, statuses, _ = outcome(["status"], ["table"], ["compact"])
    assert statuses == {0}
    assert (
        "is no file of disbench" in said
        or "rows are of no run" in said
        or "contradict" in said
        or name == "metrics"
    )


def test_columns_missing_or_twice(store, outcome):
    """Somebody else's Parquet files."""
    paths = sorted(store.cohorts.iterdir())
    table = pq.read_table(paths[0])
    pq.write_table(
        pa.table([*table.columns, table.column("mig")], names=[*table.column_names, "mig"]), paths[0]
    )
    pq.write_table(pa.table({"mine": [1, 2, 3]}), paths[1])
    pq.write_table(pa.table({"mine": [1, 2, 3]}), sorted(store.histories.iterdir())[0])
    said, statuses, printed = outcome(*READERS)
    assert statuses == {0}
    assert "it has two columns of one name" in said
    assert "it has no column 'study'" in said
    assert "it has no column 'run_id'" in said
    assert "6 models: 4 done" in printed
    assert paths[0].exists()


def test_other_libraries_ways_to_write_the_same(store, outcome, made_up):
    """Large strings, dictionaries, whole numbers and columns of nulls are rows all the same."""
    path = sorted(store.cohorts.iterdir())[0]
    frame = pd.read_parquet(path)
    frame["strength"] = frame["strength"].astype(int)
    frame["objective"] = frame["objective"].astype("category")
    frame["error"] = None
    frame.to_parquet(path)
    assert outcome(["status"])[2].startswith("tiny: 6 models: 6 done")
    pd.testing.assert_frame_equal(store.rows(), Store(made_up).rows())


@pytest.mark.parametrize("kind", ["cohorts", "history"])
def test_a_file_that_claims_to_be_larger_than_any_result(kind, store, outcome, monkeypatch):
    """Nulls take no room on a disk, and as much as numbers in memory: there is a limit."""
    monkeypatch.setattr(parquet_files, "MOST_VALUES", 999_999)
    path = sorted((store.folder / kind).iterdir())[0]
    schema = pq.read_schema(path)
    pq.write_table(pa.table([pa.nulls(100_000, field.type) for field in schema], schema=schema), path)
    assert path.stat().st_size < 900_000
    said, statuses, _ = outcome(["history"])
    assert statuses == {0}
    assert f"{path} is damaged: it claims 100,000 rows" in said


# Histories


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"kl_per_dimension_nats": [1.0] * (1 + row["step"] % 5)},
        lambda row: row | {"kl_per_dimension_nats": None},
        lambda row: row | {"step": None},
        lambda row: row | {"run_id": None},
        lambda row: row | {"run_id": "../../x"},
        lambda row: row | {"elbo_nats": float("nan"), "images": -1, "step": -5},
    ],
)
def test_histories_that_are_none(change, store, outcome):
    """What is not whole is left out, and figures are drawn of the rest."""
    path = sorted(store.histories.iterdir())[0]
    table = pq.read_table(path)
    pq.write_table(
        pa.Table.from_pylist([change(row) for row in table.to_pylist()], schema=table.schema), path
    )
    assert outcome(["history"], ["report"], ["compact"])[1] == {0}


# Weights


def with_header(header: bytes, rest: bytes = b"") -> bytes:
    """A safetensors file of this header."""
    return len(header).to_bytes(8, "little") + header + rest


def one_tensor(run_ids: str, **tensor) -> bytes:
    """A safetensors file with one tensor of four bytes."""
    about = {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]} | tensor
    return with_header(json.dumps({"__metadata__": {"run_ids": run_ids}, "w": about}).encode(), b"\0" * 4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        pickle.dumps({"w": np.zeros(3)}),
        b"\xff" * 100,
        (2**60).to_bytes(8, "little") + b"{}",
        with_header(b"{}"),
        with_header(b"[]"),
        with_header(b"[" * 100_000),
        with_header(b'{"__metadata__": {"run_ids": "' + b"[" * 100_000 + b'"}}'),
        one_tensor("5"),
        one_tensor('{"a": 1}'),
        one_tensor("[[]]"),
        one_tensor('["a", "b"]'),
        one_tensor('["a"]', data_offsets=[0, 400]),
        one_tensor('["a"]', data_offsets=[-4, 0]),
        one_tensor('["a"]', data_offsets=[4, 8]),
        one_tensor('["a"]', data_offsets=["0", "4"]),
        one_tensor('["a"]', data_offsets=[]),
        one_tensor('["a"]', shape=[1, 2**62]),
        one_tensor('["a"]', shape=[1, -1, -1]),
        one_tensor('["a"]', shape=[]),
        one_tensor('["a"]', dtype="O"),
        one_tensor('["a"]', dtype=["F32"]),
    ],
)
def test_weights_that_are_none(content, store, outcome):
    """Nothing is loaded of a file whose header does not account for each of its bytes."""
    victim = store.weights / f"{store.rows()['cohort_id'][0]}.safetensors"
    victim.write_bytes(content)
    said, statuses, printed = outcome(["status"], ["compact"])
    assert statuses == {0}
    assert f"{victim} is damaged" in said
    assert "6 models: 6 done" in printed
    assert len(store.trained()) == 5


@pytest.mark.parametrize(
    "tensors", [{"os.system": np.zeros((1, 3), np.float32)}, {}, {"w": np.zeros((1, 0), np.float32)}]
)
def test_weights_of_something_else(tensors, store, outcome, monkeypatch):
    """A file in order whose tensors are no model's: the figure that needs the model is not drawn."""
    row = store.rows().iloc[0]
    save_file(
        tensors, store.weights / f"{row['cohort_id']}.safetensors", {"run_ids": json.dumps([row["run_id"]])}
    )
    monkeypatch.setitem(FIGURES, "traversals", TRAVERSALS)
    assert outcome(["plot"], ["compact"])[1] == {0}


def test_weights_of_other_programs_stay_where_they_are(store, tiny, outcome):
    """A file in order that names no models of ours is left out, and not set aside as if it were damaged."""
    for metadata in (None, {"format": "pt"}):
        save_file({"w": np.zeros(3, np.float32)}, store.weights / "other.safetensors", metadata)
        said, statuses, _ = outcome(["compact"])
        assert statuses == {0}
        assert "other.safetensors is no file of disbench" in said
        claimed = Store.claimed(store.folder, tiny)
        assert len(claimed.trained()) == 6
        assert (store.weights / "other.safetensors").exists()


# The rest of the folder


@pytest.mark.parametrize(
    "plan",
    ["{", "[]", '{"size": -1}', '{"size": "x"}', '{"size": 1, "lowering": "os.system"}', "[" * 100_000],
)
def test_plans_that_are_none(plan, store):
    """As if no trial had been made."""
    (store.plans / "0123.json").write_text(plan)
    assert store.plan("0123") is None


def test_figures_of_strangers(store, outcome):
    """A saved figure is taken for one if it is a PNG that shows this state; a bomb or a script is drawn anew."""
    figures = store.folder / "figures"
    figures.mkdir()
    (figures / "kl_per_dimension.png").write_bytes(b"<svg onload=alert(1)>")
    from PIL import Image

    Image.new("1", (20_000, 20_000)).save(figures / "training.png")
    assert outcome(["report"])[1] == {0}
    assert "onload" not in (store.folder / "report.html").read_text()


def test_merging_with_a_stranger(store, made_up, tmp_path, capfd):
    """One line, or what is wrong left out; nothing is written outside the new folder."""
    change_rows(
        store, lambda row: row | {"run_id": "../../../escaped", "cohort_id": "../../../escaped"}, count=2
    )
    (store.checkpoints / "x.safetensors").write_bytes(pickle.dumps(Payload(tmp_path / "executed")))
    save_file(
        {"w": np.zeros((1, 1), np.float32)},
        store.weights / "x.safetensors",
        {"run_ids": '["../../../escaped"]'},
    )
    assert main(["merge", str(store.folder), str(made_up), "--into", str(tmp_path / "into" / "out")]) == 0
    assert "7 finished models" not in capfd.readouterr().out
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["out"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["around", "into"]
    names = [path.name for path in (tmp_path / "into" / "out").rglob("*") if path.is_file()]
    assert all(name in ("study.json", "register.json") or name.startswith("joined-") for name in names)


def test_the_register_is_bound_to_its_study(tiny):
    """One of another study file is not used, whatever it says."""
    content = tiny.model_dump_json().encode()
    text = Register.of(tiny).as_json(content).encode()
    assert Register.of_json(text, content) is not None
    assert Register.of_json(text, content + b" ") is None
