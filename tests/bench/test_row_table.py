"""`disbench table --rows`: a line a model, from which anybody can make the table again."""

import io
import json

import pandas as pd
import pytest
from command_line import run
from synthetic_store import fill

from disbench.bench import load_study

CHANGES = {"arms.0.strengths": [4], "arms.1.strengths": [1, 4], "seeds": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`quick`, smaller, as if it had been swept."""
    return fill(tmp_path_factory.mktemp("rows") / "out", load_study("quick", CHANGES)).folder


def test_means_are_made_again_from_the_lines(folder, capsys):
    """As CSV, the default: seeds and configurations are there, and the table's means and deviations come out."""
    status, out, err = run(capsys, "table", folder, "--rows")
    assert (status, err) == (0, "")
    lines = pd.read_csv(io.StringIO(out))
    assert len(lines) == len(load_study("quick", CHANGES).runs())
    assert json.loads(lines.configuration[0])["seed"] == lines.seed[0]
    table = pd.read_csv(io.StringIO(run(capsys, "table", folder, "--format", "csv")[1]))
    some = lines[(lines.objective == "beta_vae") & (lines.strength == 4)].mig
    printed = table[(table.objective == "beta_vae") & (table.strength == 4)]
    assert printed.mig.item() == pytest.approx(some.sum() / 2)
    assert printed.mig_std.item() == pytest.approx(abs(some.diff().iloc[1]) / 2**0.5)


def test_matrices_stay_out(folder, capsys):
    """No field of a table holds one; JSON is as CSV."""
    lines = json.loads(run(capsys, "table", folder, "--rows", "--format", "json")[1])
    assert "mig" in lines[0]
    assert not any(isinstance(value, list) for line in lines for value in line.values())


@pytest.mark.parametrize("beside", [("--published",), ("--scores", "mig"), ("--format", "latex")])
def test_what_rows_cannot_go_with(folder, capsys, beside):
    """One line each."""
    status, out, err = run(capsys, "table", folder, "--rows", *beside)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--rows" in err
