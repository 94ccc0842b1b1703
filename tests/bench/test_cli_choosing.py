"""`disbench variance`, `transfer`, `compare`, `selection` and `recommend` as people and programs read them."""

import io
import json

import pandas as pd
import pytest
from command_line import run

from disbench.bench.analysis.comparison import comparison
from disbench.bench.analysis.recommendation import recommendation
from disbench.bench.analysis.variance import variance_shares
from disbench.bench.study_loading import parse_study

STUDY = {
    "name": "choosing",
    "title": "two objectives on two data sets",
    "data_sets": ["dsprites", "digits"],
    "architecture": "small_patch",
    "latents": 3,
    "steps": 20,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "seeds": 3,
    "evaluation": {"samples": 200, "test_samples": 100},
    "arms": [
        {"objective": "beta_vae", "strengths": [1, 4]},
        {"objective": "dip_vae_i", "strengths": [1, 10]},
    ],
}


@pytest.fixture(scope="module")
def store(fill, tmp_path_factory):
    """Twelve made-up models on each of two data sets, with every score."""
    return fill(tmp_path_factory.mktemp("choosing") / "out", parse_study(STUDY, "choosing.toml"), points=1)


COMMANDS = {
    "variance": ["variance"],
    "settings": ["transfer"],
    "runs": ["transfer", "--of", "runs"],
    "across": ["transfer", "--across-scores", "--scores", "mig,sap"],
    "choices": ["transfer", "--of", "choices"],
    "compare": ["compare", "--a", "beta_vae", "--b", "dip_vae_i=10", "--scores", "mig"],
    "selection": ["selection", "--by", "elbo_nats,kl_nats", "--scores", "mig"],
    "recommend": ["recommend", "--scores", "mig,sap"],
}

WORDS = {
    "variance": [
        "### dsprites, 2 objectives, 4 settings",
        "| MIG ↑ ",
        "Adjusted: less what groups without meaning",
    ],
    "settings": [
        "### dsprites and digits, 4 settings",
        "digits itself |",
        "Itself: the order by half of the seeds",
    ],
    "runs": ["### dsprites and digits, 12 runs", "models of the same setting and seed"],
    "across": ["| dsprites, down; digits, across", "| SAP ↑ "],
    "choices": ["| other data set | same score ", "### judged on digits", "| dsprites, MIG ↑ "],
    "compare": [
        "chance that the best of n of A beats a random model of B",
        "| DIP-VAE-I, λ = 10 (3) |",
        "n = 3 |",
    ],
    "selection": [
        "### digits, 12 models",
        "| highest KL ",
        "| gain, best of 10 ",
        "| score of a random model |",
    ],
    "recommend": ["### dsprites, by MIG ↑", "| DIP-VAE-I ", "beyond the grid? try"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_for_people(capsys, store, name):
    """A table for each data set, and below it what its words mean."""
    status, out, err = run(capsys, *COMMANDS[name], store.folder)
    assert (status, err) == (0, "")
    for words in WORDS[name]:
        assert words in out, out
    assert "nan" not in out


@pytest.mark.parametrize("name", COMMANDS)
def test_for_programs(capsys, store, name):
    """CSV and JSON have the same lines; what was left out is on standard error or in its place."""
    status, out, _ = run(capsys, *COMMANDS[name], store.folder, "--format", "csv", "--scores", "mig,sap")
    assert status == 0
    table = pd.read_csv(io.StringIO(out))
    status, out, err = run(capsys, *COMMANDS[name], store.folder, "--format", "json", "--scores", "mig,sap")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert len(document["lines"]) == len(table) > 0
    assert list(document["lines"][0]) == list(table.columns)
    assert document["left_out"] == {}


def test_numbers_are_those_of_the_functions(capsys, store):
    """At full precision in CSV."""
    rows = store.rows()
    expected = {
        "variance": variance_shares(rows, ["mig"]).table["setting"],
        "compare": comparison(rows, "beta_vae", "dip_vae_i=10", ["mig"], resamples=0).table["chance"],
        "recommend": recommendation(rows, ["mig"], resamples=0).table["mean"],
    }
    for name, column in expected.items():
        _, out, _ = run(capsys, *COMMANDS[name], store.folder, "--format", "csv", "--scores", "mig")
        assert pd.read_csv(io.StringIO(out))[column.name].tolist() == pytest.approx(column.tolist())


def test_udr_picks_where_there_are_weights(capsys, swept):
    """From the weights of a real sweep, four models of two strengths."""
    arguments = ["--udr", "--scores", "elbo_nats", "--by", "udr,kl_nats", "--format", "csv"]
    status, out, _ = run(capsys, "selection", swept[0], *arguments)
    assert status == 0
    table = pd.read_csv(io.StringIO(out))
    assert set(table["by"]) == {"udr", "kl_nats"}
    assert (table[table["by"] == "udr"]["side"] == "highest").all()


def test_two_seeds_say_nothing(capsys, swept):
    """The sweep of two seeds: one line says what is missing, and no number is printed."""
    commands = (
        ["variance", "--scores", "elbo_nats"],
        ["recommend", "--scores", "elbo_nats"],
        ["compare", "--a", "beta_vae=1", "--b", "beta_vae=4", "--scores", "elbo_nats"],
        ["transfer", "--of", "choices", "--scores", "elbo_nats"],
    )
    for command in commands:
        status, out, err = run(capsys, *command, swept[0])
        assert (status, out) == (2, "")
        assert "nothing can be said: digits" in err
        assert "3" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["variance", "nowhere"], "nowhere holds no study"),
        (["variance", "DIR", "--format", "latex"], "unknown format 'latex'; known: md, csv, json"),
        (["variance", "DIR", "--scores", "migg"], "unknown score 'migg'; did you mean 'mig'"),
        (
            ["transfer", "DIR", "--of", "seeds"],
            "unknown kind of transfer 'seeds'; known: settings, runs, choices",
        ),
        (["compare", "DIR", "--a", "beta_vae"], "the following arguments are required: --b"),
        (["compare", "DIR", "--a", "beta", "--b", "vae"], "unknown objective 'beta'"),
        (["compare", "DIR", "--a", "beta_vae=x", "--b", "vae"], "a strength is a number, got 'x'"),
        (
            ["compare", "DIR", "--a", "beta_vae", "--b", "vae"],
            "has no finished model of vae (and 1 more like it)",
        ),
        (
            ["compare", "DIR", "--a", "beta_vae", "--b", "beta_vae", "--most", "0"],
            "most must be at least 1, got 0",
        ),
        (
            ["compare", "DIR", "--a", "beta_vae", "--b", "beta_vae", "--scores", "kl_nats"],
            "kl_nats has no better side",
        ),
        (
            ["selection", "DIR", "--of", "few"],
            "--of must be whole numbers between commas, such as 5,20, got 'few'",
        ),
        (["selection", "DIR", "--of", "1"], "2 models or more, got 1"),
        (["selection", "DIR", "--by", "udr"], "UDR is no column of rows"),
        (["selection", "DIR", "--within", "seed"], "unknown group of models 'seed'"),
        (["recommend", "DIR", "--scores", "active_units"], "active_units has no better side"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys, store, tmp_path, monkeypatch, arguments, words):
    """Folders, formats, scores, methods, numbers."""
    monkeypatch.chdir(tmp_path)
    places = [str(store.folder) if argument == "DIR" else argument for argument in arguments]
    status, out, err = run(capsys, *places)
    assert (status, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1, err
