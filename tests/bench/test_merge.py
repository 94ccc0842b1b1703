"""Results of several machines in one folder: everything, once, and nothing that contradicts itself."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from disbench.bench import BadInput, atomic_file, checkpoint, sweep
from disbench.bench.checkpoint import CohortCheckpoint
from disbench.bench.cli import main
from disbench.bench.cohort import train
from disbench.bench.run import Cohort, Plan
from disbench.bench.store import Store, merge, schema
from disbench.bench.store.parquet_files import save_table
from disbench.bench.study_loading import parse_study
from disbench.datasets import load

PROVENANCE = ["train_seconds", "evaluate_seconds", "finished_at"]


@pytest.fixture(scope="module")
def other(tiny, tmp_path_factory) -> Path:
    """Another machine's folder of the tiny study: seeds 1 and 2 where `swept` has 0 and 1, and strength 16 for 1."""
    folder = tmp_path_factory.mktemp("other") / "out"
    sweep(
        tiny,
        out=folder,
        device="cpu",
        cohort_size=1,
        overrides={"seeds": [1, 2], "arms.0.strengths": [4, 16]},
    )
    return folder


def rewrite(folder: Path, change) -> None:
    """Pass every row through a function; None leaves it out."""
    for path in (folder / "cohorts").glob("*.parquet"):
        table = pq.read_table(path)
        rows = [row for row in map(change, table.to_pylist()) if row is not None]
        path.unlink()
        if rows:
            save_table(type(table).from_pylist(rows, schema=schema()), path)


def files(folder: Path) -> dict[Path, bytes]:
    """Every file of a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_provenance(rows: pd.DataFrame) -> pd.DataFrame:
    """What two machines must agree on."""
    return rows.drop(columns=PROVENANCE)


def test_two_machines_make_one_table(swept, other, tiny, tmp_path, capsys):
    """The union of both grids, bit for bit what either had, with histories and models; sources stay as they are."""
    before = files(swept[0]), files(other)
    assert main(["merge", str(swept[0]), str(other), "--into", str(tmp_path / "out")]) == 0
    assert "out: 10 finished models" in capsys.readouterr().out
    assert (files(swept[0]), files(other)) == before
    store = Store.existing(tmp_path / "out")
    rows = store.rows()
    for folder in (swept[0], other):
        theirs = Store(folder).rows()
        ours = rows.set_index("run_id").loc[theirs["run_id"]].reset_index()[theirs.columns]
        pd.testing.assert_frame_equal(without_provenance(ours), without_provenance(theirs), check_exact=True)
    assert sorted(store.study().seed_list()) == [0, 1, 2]
    assert store.study().arms[0].strengths == [1, 4, 16]
    assert set(store.history()["run_id"]) == set(rows["run_id"]) == set(store.trained())
    for row in rows.to_dict("records"):
        home = Store(swept[0] if row["run_id"] in set(swept[1]["run_id"]) else other)
        ours, theirs = store.model(row)[1].state_dict(), home.model(row)[1].state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert len(rows) == 10
    assert main(["status", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 2  # three seeds of four settings less ten


def test_merging_again_adds_nothing(swept, other, tmp_path, capsys):
    """The same command, and one with a folder that is merged already: no file is written."""
    out = tmp_path / "out"
    merge([swept[0], other], out)
    before = files(out)
    assert main(["merge", str(swept[0]), str(other), str(swept[0]), "--into", str(out)]) == 0
    assert "all of them there before" in capsys.readouterr().out
    merge([other], out)
    assert files(out) == before


def test_a_sweep_goes_on_in_what_was_merged(swept, other, tiny, tmp_path):
    """What no machine had is trained, the rest is kept."""
    merge([swept[0], other], tmp_path / "out")
    study = Store(tmp_path / "out").study()
    rows = sweep(study, out=tmp_path / "out", device="cpu", cohort_size=1)
    assert len(rows) == 12
    assert set(rows["status"]) == {"done"}
    once = rows.set_index("run_id").loc[swept[1]["run_id"]].reset_index()[swept[1].columns]
    pd.testing.assert_frame_equal(without_provenance(once), without_provenance(swept[1]), check_exact=True)


def test_into_one_of_the_folders(swept, other, tmp_path):
    """A folder may take in another one; its own files stay as they are."""
    out = Path(shutil.copytree(swept[0], tmp_path / "out"))
    before = files(out)
    merge([out, other], out)
    after = files(out)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {Path("study.json"), Path("register.json")}
    assert len(Store(out).rows()) == 10


class PowerCut(BaseException):
    """Nothing may catch this."""


@pytest.mark.parametrize("moment", range(8))
def test_an_interrupted_merge_is_finished_by_the_same_command(moment, swept, other, tmp_path, monkeypatch):
    """Die before the n-th file is on the disk."""
    real, count = atomic_file.flush, iter(range(1000))

    def dying(path):
        if next(count) == moment:
            raise PowerCut
        real(path)

    monkeypatch.setattr(atomic_file, "flush", dying)
    with pytest.raises(PowerCut):
        merge([swept[0], other], tmp_path / "out")
    monkeypatch.undo()
    store = merge([swept[0], other], tmp_path / "out").store
    whole = merge([swept[0], other], tmp_path / "whole").store
    pd.testing.assert_frame_equal(without_provenance(store.rows()), without_provenance(whole.rows()))
    assert store.trained().keys() == whole.trained().keys()
    assert len(store.history()) == len(whole.history())


def test_a_conflict_names_both_sides_and_writes_nothing(swept, other, tmp_path, capsys):
    """The same run with another MIG: both files, the run, the column and both values; exit 2 and no folder."""
    changed = Path(shutil.copytree(other, tmp_path / "changed"))
    wanted = Store(other).rows().query("objective == 'beta_vae' and strength == 4 and seed == 1").iloc[0]
    rewrite(changed, lambda row: row | ({"mig": 0.75} if row["run_id"] == wanted["run_id"] else {}))
    sides = {
        folder: next(
            p for p in folder.glob("cohorts/*") if wanted["run_id"] in set(pd.read_parquet(p)["run_id"])
        )
        for folder in (swept[0], changed)
    }
    assert main(["merge", str(swept[0]), str(changed), "--into", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in (
        *sides.values(),
        "beta_vae 4 digits seed 1",
        wanted["run_id"],
        "mig is",
        wanted["mig"],
        0.75,
    ):
        assert str(word) in error
    assert not (tmp_path / "out").exists()


def test_what_differs_in_status_is_a_conflict_and_a_failure_is_none(swept, tmp_path):
    """Done here and diverged there: somebody must look. Failed there: here it is done."""
    diverged, failed = (Path(shutil.copytree(swept[0], tmp_path / name)) for name in ("diverged", "failed"))
    first = swept[1]["run_id"][0]
    rewrite(diverged, lambda row: row | ({"status": "diverged"} if row["run_id"] == first else {}))
    with pytest.raises(BadInput, match="status is done on .* and diverged on"):
        merge([swept[0], diverged], tmp_path / "out")
    rewrite(
        failed, lambda row: row | ({"status": "failed", "error": "no luck"} if row["run_id"] == first else {})
    )
    rows = merge([failed, swept[0]], tmp_path / "out").store.rows()
    assert set(rows["status"]) == {"done"}


def test_one_side_may_be_preferred(swept, tmp_path, capsys):
    """Then its numbers, its weights and its history count, and the other folder keeps its own."""
    changed = Path(shutil.copytree(swept[0], tmp_path / "changed"))
    first = swept[1]["run_id"][0]
    rewrite(changed, lambda row: row | ({"mig": 0.75} if row["run_id"] == first else {}))
    rows = merge([swept[0], changed], tmp_path / "theirs", prefer=changed).store.rows()
    assert rows["mig"][0] == 0.75
    rows = merge([swept[0], changed], tmp_path / "ours", prefer=swept[0]).store.rows()
    assert rows["mig"][0] == swept[1]["mig"][0]
    with pytest.raises(BadInput, match="keeps what it has: merge into a new folder"):
        merge([changed], tmp_path / "ours", prefer=changed)
    with pytest.raises(BadInput, match="nowhere is none of the folders"):
        merge([swept[0], changed], tmp_path / "ours", prefer=Path("nowhere"))
    assert (
        main(["merge", str(changed), "--into", str(tmp_path / "ours"), "--prefer", str(tmp_path / "ours")])
        == 0
    )
    assert Store(tmp_path / "ours").rows()["mig"][0] == swept[1]["mig"][0]


def test_scores_of_both_sides_come_together(swept, tiny, tmp_path):
    """One machine scored by MIG, one by active units: the same models, so each has both."""
    sides = [Path(shutil.copytree(swept[0], tmp_path / name)) for name in ("mig", "active_units")]
    for side in sides:
        gone = {"mig", "active_units"} - {side.name}
        rewrite(
            side,
            lambda row, gone=gone: (
                row | dict.fromkeys(gone) | {"metrics": [m for m in row["metrics"] if m not in gone]}
            ),
        )
    merged = merge(sides, tmp_path / "out")
    # In what order a row names its metrics is the sides', and says nothing.
    named = ["metrics", "configuration"]
    pd.testing.assert_frame_equal(
        without_provenance(merged.store.rows()).drop(columns=named),
        without_provenance(swept[1]).drop(columns=named),
    )
    for text in merged.store.rows()["configuration"]:
        assert set(json.loads(text)["evaluation"]["metrics"]) == set(tiny.evaluation.metrics)
    assert merged.store.finished(tiny.evaluation.metrics) == set(swept[1]["run_id"])
    before = files(tmp_path / "out")
    merge(sides, tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_other_studies_and_other_pixels_are_refused(swept, tiny, fill, tmp_path):
    """What differs is named, with both folders."""
    longer = fill(tmp_path / "longer", parse_study({**tiny.model_dump(), "name": "other"}, "other"))
    with pytest.raises(
        BadInput, match=f"{swept[0]} has name = 'tiny', {longer.folder} has 'other': not one study"
    ):
        merge([swept[0], longer.folder], tmp_path / "out")
    steps = fill(
        tmp_path / "steps",
        parse_study(
            {**tiny.model_dump(), "arms": [{**a, "steps": 21} for a in tiny.model_dump()["arms"]]}, ""
        ),
    )
    with pytest.raises(BadInput, match=r"has arms\.0\.steps = 20, .* has 21"):
        merge([swept[0], steps.folder], tmp_path / "out")
    official = Store(tmp_path / "official")
    shutil.copytree(swept[0], official.folder)
    register = official.register_file.read_text().replace(
        '"data_content": null', '"data_content": "official"'
    )
    official.register_file.write_text(register)
    with pytest.raises(BadInput, match="has digits as rendered, .*official as official: other pixels"):
        merge([swept[0], official.folder], tmp_path / "out")
    with pytest.raises(BadInput, match="nowhere holds no study"):
        merge([swept[0], Path("nowhere")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_from_elsewhere_needs_no_data_here(tiny, fill, tmp_path, monkeypatch):
    """Results on data of one's own, whose file is on another machine, are merged and shown here."""
    import numpy as np

    path = tmp_path / "mine.npz"
    np.savez(path, images=np.zeros((300, 8, 8), np.uint8), factors=np.arange(300) % 3)
    arms = [
        {**arm, "data_set": str(path), "condition": arm["condition"] and "factor_0"}
        for arm in tiny.model_dump()["arms"]
    ]
    study = parse_study({**tiny.model_dump(), "arms": arms}, "")
    fill(tmp_path / "there", study)
    path.unlink()
    merged = merge([tmp_path / "there"], tmp_path / "here")
    assert len(merged.store.rows()) == 6
    merged.store.register_file.unlink()  # of an older version: the rows say it too
    assert merged.store.register().run_ids == merged.store.rows()["run_id"].to_list()


def test_trainings_in_work_and_plans_travel(swept, tiny, tmp_path, monkeypatch):
    """A checkpoint goes along, the furthest of its cohort; damaged ones and those of trained models stay behind."""
    sides = [Path(shutil.copytree(swept[0], tmp_path / name)) for name in ("a", "b")]
    digits = load("digits")
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)  # keep every one, however long it took
    new = parse_study(
        {**tiny.model_dump(), "seeds": [7], "arms": [{**a, "steps": 200} for a in tiny.model_dump()["arms"]]},
        "",
    )
    cohort, done = Cohort((new.runs()[0],)), Cohort((tiny.runs()[0],))

    def keep(side, cohort, name=None):
        path = side / "checkpoints" / f"{name or cohort.cohort_id}.safetensors"
        train(cohort, digits, checkpoint=CohortCheckpoint(path, cohort, seconds=0))
        return path

    near, far = (keep(side, cohort) for side in sides)
    shutil.copy(near.with_suffix(".previous.safetensors"), near)
    keep(sides[0], done)
    (sides[1] / "checkpoints" / "0123456789abcdef.safetensors").write_bytes(b"damaged")
    Store(sides[0]).save_plan("0123", Plan(8, "matmul"))
    out = merge(sides, tmp_path / "out").store
    assert (out.checkpoints / far.name).read_bytes() == far.read_bytes()
    assert not (out.checkpoints / "0123456789abcdef.safetensors").exists()
    assert out.plan("0123") == Plan(8, "matmul")


def test_what_is_damaged_in_a_source_is_named_and_the_rest_merged(swept, tmp_path, capsys):
    """Nothing is set aside in a folder that is only read."""
    side = Path(shutil.copytree(swept[0], tmp_path / "side"))
    victims = [sorted((side / kind).iterdir())[0] for kind in ("cohorts", "history", "weights")]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:60])
    store = merge([side], tmp_path / "out").store
    said = capsys.readouterr().err
    for victim in victims:
        assert f"{victim} is damaged" in said
        assert victim.exists()
    assert len(store.rows()) == len(store.trained()) == store.history()["run_id"].nunique() == 5


def test_rows_of_another_recipe_travel(swept, tmp_path):
    """They are in no table, and nobody has decided that they are worthless."""
    side = Path(shutil.copytree(swept[0], tmp_path / "side"))
    first = swept[1]["run_id"][0]
    rewrite(side, lambda row: row | ({"run_id": "0123456789abcdef"} if row["run_id"] == first else {}))
    store = merge([side], tmp_path / "out").store
    assert len(store.rows()) == 5
    assert "0123456789abcdef" in set(pd.read_parquet(store.cohorts)["run_id"])


def test_the_second_and_the_third_may_disagree(swept, tmp_path):
    """On a score that the first does not have."""
    sides = [Path(shutil.copytree(swept[0], tmp_path / name)) for name in ("none", "one", "other")]
    first = swept[1]["run_id"][0]
    for side, value in zip(sides, (None, 0.25, 0.75), strict=True):
        rewrite(side, lambda row, value=value: row | ({"mig": value} if row["run_id"] == first else {}))
    with pytest.raises(
        BadInput, match=f"{sides[1]}/cohorts/.* and {sides[2]}/cohorts/.* mig is 0.25 .* and 0.75"
    ):
        merge(sides, tmp_path / "out")


def test_estimates_of_the_likelihood_come_along(swept, tiny, tmp_path):
    """One machine estimated log p(x) and did not score MIG: the row of both says by which settings it was estimated."""
    sides = [Path(shutil.copytree(swept[0], tmp_path / name)) for name in ("mig", "likelihood")]
    settings = {"samples": 64}

    def estimated(row):
        configuration = json.loads(row["configuration"])
        configuration["evaluation"]["likelihood"] = settings
        metrics = [name for name in row["metrics"] if name != "mig"]
        changed = {"mig": None, "iwae_nats": -30.0, "metrics": [*metrics, "likelihood"]}
        return row | changed | {"configuration": json.dumps(configuration, sort_keys=True)}

    rewrite(sides[1], estimated)
    store = merge(sides, tmp_path / "out").store
    assert store.rows()["iwae_nats"].eq(-30.0).all()
    assert store.rows()["mig"].equals(swept[1]["mig"])
    assert store.finished(tiny.evaluation.metrics, settings) == set(swept[1]["run_id"])
