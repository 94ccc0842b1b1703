"""`disbench agreement`, `udr` and `collapse` as people and programs read them."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from command_line import run

from disbench.bench import agreement, study_udr


def refused(capsys, *arguments):
    """The one line of a command that must exit with 2 and print nothing else."""
    status, out, err = run(capsys, *arguments)
    assert status == 2, (out, err)
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def test_agreement_for_people(capsys, swept):
    """A matrix with numbered columns, the number of models, what brackets mean, what was left out."""
    status, out, err = run(capsys, "agreement", swept[0])
    assert (status, err) == (0, "")
    assert "### digits, 4 models" in out
    first = next(line for line in out.splitlines() if line.startswith("| 1 "))
    assert first.startswith("| 1 ELBO ↑")
    assert "In brackets: " in out
    assert "left out: digits given digit: all scores: only 2 models have it" in out
    assert "no model has it" not in out
    value = agreement(swept[1], ["elbo_nats", "reconstruction_nats"])[0].correlation[0, 1]
    assert f"{value:.2f}" in first


def test_agreement_for_programs(capsys, swept):
    """CSV has a line a pair, of all scores; JSON also what was left out; nothing else on standard output."""
    status, out, err = run(capsys, "agreement", swept[0], "--format", "csv")
    assert status == 0
    pairs = pd.read_csv(io.StringIO(out))
    expected = agreement(swept[1])[0].pairs()
    pd.testing.assert_frame_equal(pairs, expected, check_dtype=False)
    assert "left out: digits given digit: all scores" in err
    status, out, err = run(capsys, "agreement", swept[0], "--format", "json", "--scores", "mig,kl_nats")
    (first, second) = json.loads(out)
    assert (status, err) == (0, "")
    assert first["pairs"][0]["score"] == "mig"
    assert first["pairs"][0]["models"] == 4
    assert second["left_out"]["kl_nats"] == "only 2 models have it"


def test_agreement_within_families_needs_seeds(capsys, swept):
    """Two seeds a family are too few; the line says how many models there are and who was compared."""
    line = refused(capsys, "agreement", swept[0], "--within", "family")
    assert "no group of 3 finished models" in line
    assert "(6 finished models; --within family)" in line


def test_udr_for_people_and_programs(capsys, swept):
    """By family with the best seed; by model as CSV; everything as JSON."""
    status, out, _ = run(capsys, "udr", swept[0], "--images", 300)
    assert status == 0
    assert "| β-VAE       | β = 4      |        2 |" in out
    assert "UDR ↑" in out
    assert "300 images" in out
    _, out, _ = run(capsys, "udr", swept[0], "--images", 300, "--format", "csv")
    expected = study_udr(swept[0], images=300).models["udr"]
    np.testing.assert_allclose(pd.read_csv(io.StringIO(out))["udr"], expected)
    _, out, _ = run(capsys, "udr", swept[0], "--images", 300, "--format", "json", "--correlation", "spearman")
    values = json.loads(out)
    assert values["correlation"] == "spearman"
    assert len(values["models"]) == 6
    assert values["left_out"] == {}


def test_collapse_for_people_and_programs(capsys, swept):
    """By family; by model as CSV; with curves and lists as JSON."""
    status, out, _ = run(capsys, "collapse", swept[0], "--images", 300)
    assert status == 0
    unconditional, conditional = out.split("### digits given digit")
    assert "within classes |" not in unconditional
    assert "within classes |" in conditional
    assert "| CVAE        | β = 1      |        2 |" in conditional
    _, out, _ = run(capsys, "collapse", swept[0], "--images", 300, "--format", "csv")
    assert len(pd.read_csv(io.StringIO(out))) == 6
    _, out, _ = run(capsys, "collapse", swept[0], "--images", 300, "--format", "json", "--epsilon", 0.5)
    first = json.loads(out)["models"][0]
    assert first["active_units_given_condition"] is None
    assert first["diagnosis"]["epsilon"] == 0.5
    assert len(first["diagnosis"]["kl_per_dimension_nats"]) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["agreement", "nowhere"], "nowhere holds no study"),
        (["udr", "nowhere"], "nowhere holds no study"),
        (["collapse", "nowhere"], "nowhere holds no study"),
        (["agreement", "DIR", "--format", "latex"], "unknown format 'latex'; known: md, csv, json"),
        (["udr", "DIR", "--format", "pdf"], "unknown format 'pdf'"),
        (["agreement", "DIR", "--scores", "mig,sapp"], "unknown score 'sapp'; did you mean 'sap'"),
        (["agreement", "DIR", "--within", "seed"], "unknown group of models 'seed'; known: data_set"),
        (["udr", "DIR", "--correlation", "pearson"], "correlation must be lasso or spearman"),
        (["udr", "DIR", "--images", "1"], "images must be at least 2, got 1"),
        (["udr", "DIR", "--images", "many"], "invalid int value: 'many'"),
        (["collapse", "DIR", "--epsilon", "-1"], "epsilon: expected nats above 0, got -1"),
        (["collapse", "DIR", "--delta", "0.7"], "delta: expected a share"),
        (["collapse", "NO WEIGHTS"], "2 of 2 without weights"),
        (["udr", "NO WEIGHTS"], "2 of 2 without weights"),
        (["agreement", "NOTHING"], "(0 finished models; --within data_set)"),
        (["udr", "NOTHING"], "has no finished model; `disbench status` says what there is"),
        (["collapse", "NOTHING"], "has no finished model"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys, swept, tmp_path, monkeypatch, arguments, words):
    """Folders without a study, without weights, without a finished model; unknown names; numbers out of range."""
    folder, _ = swept
    shutil.copytree(
        folder, tmp_path / "bare", ignore=shutil.ignore_patterns("weights", "figures", "report.html")
    )
    shutil.copytree(folder, tmp_path / "nothing", ignore=shutil.ignore_patterns("*.parquet", "figures"))
    monkeypatch.chdir(tmp_path)
    places = {"DIR": folder, "NO WEIGHTS": "bare", "NOTHING": "nothing"}
    assert words in refused(capsys, *(places.get(argument, argument) for argument in arguments))
