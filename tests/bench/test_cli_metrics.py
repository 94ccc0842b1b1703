"""`disbench metrics`: the list, one metric, limits, seconds."""

from __future__ import annotations

import json

import pytest
from command_line import run

from disbench.bench.speed.scoring import as_markdown, codes_like_a_vae
from disbench.metrics import METRICS, mig


def test_list(capsys):
    """A line each; all that is declared as JSON."""
    status, out, _ = run(capsys, "metrics")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(METRICS)
    assert run(capsys, "metrics", "list")[1] == out
    found = {row["name"]: row for row in json.loads(run(capsys, "metrics", "list", "--json")[1])}
    assert found["mig"]["columns"]["mig"]["direction"] == "higher"
    assert found["mig_exact"]["whole_data_set"]
    assert found["kl_decomposition"]["columns"]["kl_nats"]["unit"] == "nats"


@pytest.mark.parametrize("name", METRICS)
def test_show(capsys, name):
    """Columns, signature, and the docstring with its paper."""
    status, out, _ = run(capsys, "metrics", "show", name)
    assert status == 0
    for score in METRICS[name].scores:
        assert score.column in out
    assert "Reference:" in out


def test_show_finds_a_metric_by_its_column(capsys):
    """`dci_completeness` is dci's."""
    assert run(capsys, "metrics", "show", "dci_completeness")[1] == run(capsys, "metrics", "show", "dci")[1]


def test_speed(capsys, tmp_path):
    """Seconds of what was asked for, JSON alone on standard output, and files with their provenance."""
    command = ("metrics", "speed", "--metrics", "mig,dci", "--rows", 150, "--json", "--out", tmp_path / "out")
    status, out, err = run(capsys, *command)
    document = json.loads(out)
    assert status == 0
    assert set(document["seconds"]) == {"mig", "dci"}
    assert all(value > 0 for value in document["seconds"].values())
    assert document["provenance"]["versions"]["torch"]
    assert "mig: " in err
    assert json.loads((tmp_path / "out" / "scoring.json").read_text()) == document
    assert (tmp_path / "out" / "scoring.md").read_text() == as_markdown(document) + "\n"


def test_a_table_against_the_reference():
    """Slowest first, sums with and without trees, and how many times the reference's seconds."""
    document = {
        "rows": 15_000,
        "latents": 10,
        "train": 10_000,
        "seconds": {"mig": 0.5, "dci": 4.0},
        "trees": ["dci"],
        "reference_seconds": {"dci": 400.0},
        "reference_seconds_here": {},
        "provenance": {"device": "a machine"},
    }
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in as_markdown(document).splitlines()[4:]
    ]
    assert rows == [
        ["`dci`", "4.00", "400 s (100 x)"],
        ["`mig`", "0.50", ""],
        ["all", "4.50", ""],
        ["all but trees", "0.50", ""],
    ]


def test_the_codes_that_are_timed_know_their_factors():
    """As a trained model's do: half of the codes follow one factor each, the others none."""
    arrays = codes_like_a_vae(5_000, 10)
    assert 0.3 < mig(arrays["codes"], arrays["factors"]) < 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["metrics", "show", "mgi"], "unknown metric 'mgi'; did you mean 'mig'?"),
        (["metrics", "speed", "--metrics", "mgi"], "unknown metric 'mgi'"),
        (["metrics", "speed", "--rows", "3"], "--rows should be at least 100, got 3"),
        (["metrics", "speed", "--latents", "0"], "--latents should be at least 1, got 0"),
        (["metrics", "sing"], "invalid choice: 'sing'"),
    ],
)
def test_bad_input(capsys, arguments, words):
    """One line, exit 2."""
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert words in err
    assert out == ""
