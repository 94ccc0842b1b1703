"""The command line as people type it: what it prints, and one line and exit 2 for what it cannot use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run

DISBENCH = str(Path(sys.executable).with_name("disbench"))


def refused(capsys, *arguments):
    """The one line of a command that must exit with 2 and print nothing else."""
    status, out, err = run(capsys, *arguments)
    assert status == 2, (out, err)
    assert out == ""
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


@pytest.fixture
def codes_file(tmp_path):
    """300 rows of perfect codes for two factors, with a posterior."""
    chance = np.random.default_rng(0)
    factors = chance.integers(0, 5, size=(300, 2))
    codes = factors.astype(np.float32)
    path = tmp_path / "codes.npz"
    np.savez(path, codes=codes, factors=factors, mean=codes, logvar=np.full_like(codes, -6))
    return path


def test_version_and_help(capsys):
    """Both exit 0; help lists every command."""
    assert run(capsys, "--version")[0] == 0
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for command in ("sweep", "status", "table", "plot", "report", "evaluate", "datasets", "studies"):
        assert f"    {command}" in out


def test_sweep_prints_the_table_and_status_counts(capsys, tiny_file, tmp_path):
    """The main path, from a study file to a table and a status."""
    out_folder = tmp_path / "out"
    status, out, err = run(
        capsys, "sweep", tiny_file, "--out", out_folder, "--seeds", 1, "--set", "steps=5", "--workers", 1
    )
    assert status == 0, err
    assert "### digits" in out
    assert "### digits given digit" in out
    assert "β = 4" in out
    status, out, _ = run(capsys, "status", out_folder)
    assert (status, out) == (0, "tiny: 3 models: 3 done, 0 diverged, 0 failed, 0 missing\n")
    status, out, _ = run(capsys, "status", out_folder, "--json")
    assert json.loads(out)["done"] == 3


@pytest.mark.parametrize("form", ["md", "csv", "latex", "json"])
def test_table_in_every_format(capsys, swept, form):
    """The numbers of the rows, in the shape asked for."""
    folder, rows = swept
    status, out, _ = run(capsys, "table", folder, "--format", form)
    assert status == 0
    mean = rows.loc[(rows["objective"] == "beta_vae") & (rows["strength"] == 4), "elbo_nats"].mean()
    if form == "json":
        line = next(r for r in json.loads(out) if r["objective"] == "beta_vae" and r["strength"] == 4)
        assert line["elbo_nats"] == pytest.approx(mean)
        assert line["models"] == 2
    elif form == "csv":
        import io

        frame = pd.read_csv(io.StringIO(out))
        assert frame.loc[frame["strength"] == 4, "elbo_nats"].iloc[0] == pytest.approx(mean)
    else:
        assert f"{mean:.1f}" in out
        assert ("toprule" in out) == (form == "latex")


def test_table_of_chosen_scores(capsys, swept):
    """Only the columns named."""
    _, out, _ = run(capsys, "table", swept[0], "--scores", "mig,kl_nats")
    assert "MIG" in out
    assert "ELBO" not in out


def test_failures_exit_with_1_and_are_listed(capsys, tiny_file, tmp_path, monkeypatch):
    """The sweep goes on, and says at the end what failed."""
    from disbench.bench import work as work_module

    def failing(run, encoded, *rest):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(work_module, "scores", failing)
    status, _, err = run(
        capsys, "sweep", tiny_file, "--out", tmp_path / "out", "--seeds", 1, "--quiet", "--workers", 1
    )
    assert status == 1
    assert "failed: beta_vae 4 seed 0: RuntimeError: out of luck" in err
    _, out, _ = run(capsys, "status", tmp_path / "out")
    assert "3 failed" in out
    assert "RuntimeError: out of luck" in out


def test_evaluate_prints_json_alone(capsys, codes_file):
    """Perfect codes score nearly 1 (chance leaves some nats between factors), and JSON is all there is."""
    status, out, _ = run(
        capsys, "evaluate", codes_file, "--train", 200, "--json", "--metrics", "mig,kl_decomposition"
    )
    values = json.loads(out)
    assert status == 0
    assert values["mig"] == pytest.approx(1, abs=0.05)
    assert values["kl_nats"] > 0


def test_evaluate_for_people(capsys, codes_file):
    """A line a score, with interval, direction and meaning, under what it takes."""
    status, out, _ = run(capsys, "evaluate", codes_file, "--metrics", "mig")
    assert status == 0
    section, line, _, footnote = out.splitlines()
    assert section == "Factors in codes"
    name, value, arrow, low, high = line.split()[:5]
    assert (name, arrow) == ("mig", "↑")
    assert float(value) == pytest.approx(1, abs=0.05)
    assert float(low.strip("[,")) <= float(value) <= float(high.strip("]"))
    assert "95% intervals from 10 random halves" in footnote


def test_evaluate_prints_intervals_and_settings_as_json(capsys, codes_file):
    """Where draws are asked for; the values stay where they were."""
    _, plain, _ = run(capsys, "evaluate", codes_file, "--metrics", "mig,dcimig", "--json")
    _, out, _ = run(capsys, "evaluate", codes_file, "--metrics", "mig,dcimig", "--json", "--draws", 5)
    values = json.loads(out)
    assert json.loads(plain) == {name: values[name] for name in ("mig", "dcimig")}
    low, high = values["intervals"]["mig"]
    assert low <= values["mig"] <= high
    assert set(values["settings"]) == {"mig", "dcimig"}
    settings = values["settings"]["mig"]
    assert (settings["estimator"], settings["bins"], settings["draws"], settings["seed"]) == ("mig", 20, 5, 0)


def test_evaluate_with_options(capsys, codes_file):
    """Of any metric, as its documentation lists them."""
    command = ("evaluate", codes_file, "--metrics", "mig", "--json")
    plain, coarse = (
        json.loads(run(capsys, *command, *extra)[1])["mig"] for extra in ((), ("--set", "mig.bins=2"))
    )
    assert coarse < plain
    status, _, err = run(capsys, *command, "--set", "mig=2")
    assert status == 2
    assert "--set takes METRIC.OPTION=VALUE, got 'mig'" in err


def test_evaluate_posteriors_alone(capsys, tmp_path):
    """Without factors: what codes and posteriors say by themselves."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "bare.npz", mean=random.standard_normal((60, 2)), logvar=np.zeros((60, 2)))
    values = json.loads(run(capsys, "evaluate", tmp_path / "bare.npz", "--json")[1])
    assert {"kl_nats", "active_units", "gaussian_total_correlation"} <= set(values)
    assert "mig" not in values


def test_evaluate_leaves_out_what_cannot_be_had(capsys, tmp_path):
    """A factor that is another for every row has no nearest neighbours of one class; all other scores are there."""
    random = np.random.default_rng(0)
    factors = np.column_stack([np.arange(90), random.integers(0, 3, size=90)])
    np.savez(tmp_path / "unique.npz", codes=random.standard_normal((90, 2)), factors=factors)
    cheap = ("--set", "dci.rounds=1", "--set", "downstream.rounds=1", "--set", "dci_es.trees=1")
    status, out, err = run(capsys, "evaluate", tmp_path / "unique.npz", "--json", *cheap)
    assert status == 0
    assert "mig" in json.loads(out)
    assert "mutual_information_ksg" not in json.loads(out)
    assert "not scored: mutual_information_ksg: factors: column 0 has no class of two rows" in err


def test_evaluate_of_a_whole_data_set(capsys, codes_file):
    """Exact scores are there when the rows are said to be all."""
    _, out, _ = run(capsys, "evaluate", codes_file, "--metrics", "mig,mig_exact", "--json", "--whole")
    assert set(json.loads(out)) == {"mig", "mig_exact"}
    status, _, err = run(capsys, "evaluate", codes_file, "--metrics", "mig_exact", "--json")
    assert status == 2
    assert "is of a whole data set" in err


def test_evaluate_copied_codes(capsys, tmp_path):
    """Their total correlation is infinite: shown as such to people, null in JSON, which knows no infinity."""
    random = np.random.default_rng(0)
    codes = np.repeat(random.standard_normal((90, 1)), 2, axis=1)
    np.savez(tmp_path / "copies.npz", codes=codes, factors=random.integers(0, 3, size=(90, 1)))
    name = "gaussian_total_correlation"
    _, out, _ = run(capsys, "evaluate", tmp_path / "copies.npz", "--metrics", name, "--json")
    assert json.loads(out) == {name: None}
    _, out, _ = run(capsys, "evaluate", tmp_path / "copies.npz", "--metrics", name)
    assert " inf " in out


def test_evaluate_needs_no_posterior(capsys, tmp_path, codes_file):
    """Without mean and logvar, what needs them is left out, not guessed."""
    with np.load(codes_file) as file:
        np.savez(tmp_path / "bare.npz", codes=file["codes"], factors=file["factors"])
    _, out, _ = run(capsys, "evaluate", tmp_path / "bare.npz", "--json")
    assert "mig" in json.loads(out)
    assert "kl_nats" not in json.loads(out)


def test_listings(capsys, tmp_path):
    """Studies and data sets, and one of each."""
    assert "quick" in run(capsys, "studies")[1]
    assert run(capsys, "studies")[1] == run(capsys, "studies", "list")[1]
    assert 'name = "quick"' in run(capsys, "studies", "show", "quick")[1]
    assert "737,280" in run(capsys, "datasets")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweeep", "quick"], "invalid choice: 'sweeep'"),
        ([], "required: COMMAND"),
        (["sweep", "quikc"], "unknown study 'quikc'; did you mean 'quick'?"),
        (["sweep", "absent.toml"], "study file absent.toml does not exist"),
        (["sweep", "quick", "--on", "moon"], "unknown executor 'moon'; known: local"),
        (["sweep", "quick", "--device", "tpu"], "unknown device 'tpu'"),
        (["sweep", "quick", "--seeds", "many"], "--seeds: invalid int value: 'many'"),
        (["sweep", "quick", "--seeds", "0"], "seeds"),
        (["sweep", "quick", "--workers", "0"], "workers must be at least 1, got 0"),
        (["sweep", "quick", "--cohort", "0"], "cohort size must be at least 1"),
        (["sweep", "quick", "--set", "steps"], "--set takes KEY=VALUE, got 'steps'"),
        (["sweep", "quick", "--set", "stepz=3"], "unknown key 'stepz'; did you mean 'steps'?"),
        (["sweep", "quick", "--set", "steps=soon"], "steps should be of type integer, got 'soon'"),
        (["sweep", "quick", "--set", "data_set=cars"], "unknown data set 'cars'"),
        (["sweep", "quick", "--set", "strengths=[]"], "strengths is empty"),
        (["sweep", "quick", "--set", "arms.2.condition=colour"], "unknown factor of dsprites 'colour'"),
        (["status", "nowhere"], "nowhere holds no study"),
        (["table", "nowhere"], "nowhere holds no study"),
        (["plot", "nowhere"], "nowhere holds no study"),
        (["report", "nowhere"], "nowhere holds no study"),
        (["studies", "show", "quikc"], "unknown study 'quikc'"),
        (["datasets", "show", "dsprite"], "unknown data set 'dsprite', did you mean 'dsprites'"),
        (["evaluate", "nowhere.npz"], "nowhere.npz does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys, arguments, words, tmp_path, monkeypatch):
    """What, where, and what would be right."""
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)


def test_bad_tables(capsys, swept):
    """Formats and scores that are not there."""
    assert "unknown format 'pdf'; known: md, csv" in refused(capsys, "table", swept[0], "--format", "pdf")
    assert "unknown score 'migg'" in refused(capsys, "table", swept[0], "--scores", "migg")


def test_damaged_study_file(capsys, swept, tmp_path):
    """A study.json that is none."""
    (tmp_path / "study.json").write_text("{")
    assert "study.json is damaged" in refused(capsys, "status", tmp_path)


CODES = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
FACTORS = np.random.default_rng(2).integers(0, 3, size=(60, 2))


@pytest.mark.parametrize(
    ("arrays", "arguments", "words"),
    [
        ({"factors": FACTORS}, [], "no array 'codes' (or 'mean'); it has: factors"),
        ({"codes": CODES}, ["--metrics", "mig"], "needs arrays that are not there: factors"),
        ({"codes": CODES, "factors": FACTORS}, ["--set", "mig.bin=3"], "did you mean 'bins'"),
        ({"codes": CODES, "factors": FACTORS}, ["--draws", "2"], "draws: expected 0, or at least 3"),
        (
            {"codes": CODES * np.float64(1e200), "factors": FACTORS},
            [],
            "codes: values are within -1e100 .. 1e100",
        ),
        ({"factors": FACTORS}, [], "no array 'codes'"),
        ({"codes": np.where(CODES > 2, np.nan, CODES), "factors": FACTORS}, [], "codes"),
        ({"codes": np.full_like(CODES, np.inf), "factors": FACTORS}, [], "codes"),
        ({"codes": CODES[:, 0], "factors": FACTORS}, [], "codes"),
        ({"codes": CODES[:50], "factors": FACTORS}, [], "rows"),
        ({"codes": CODES, "factors": FACTORS + 0.5}, [], "factors"),
        ({"codes": CODES, "factors": FACTORS}, ["--train", "60"], "train"),
        ({"codes": CODES, "factors": FACTORS}, ["--train", "-1"], "train"),
        ({"codes": CODES[:1], "factors": FACTORS[:1]}, [], "rows"),
        ({"codes": CODES[:0], "factors": FACTORS[:0]}, [], "N, D >= 1"),
        ({"codes": CODES, "factors": FACTORS}, ["--metrics", "migg"], "unknown metric 'migg'"),
        ({"codes": CODES, "factors": FACTORS}, ["--metrics", "kl_decomposition"], "logvar"),
        ({"codes": CODES, "factors": FACTORS, "mean": CODES, "logvar": CODES[:, :2]}, [], "logvar"),
        ({"codes": np.array([None, "x"]), "factors": FACTORS}, [], "codes must be an array of real numbers"),
        (
            {"codes": np.array(["a", "b"]), "factors": FACTORS},
            [],
            "codes must be an array of real numbers, got <U1",
        ),
        ({"codes": np.float32(1), "factors": FACTORS}, [], "codes: expected shape [N, D], got []"),
        ({"codes": CODES, "factors": FACTORS * 1e300}, [], "below 2^53"),
        (
            {"codes": CODES, "factors": FACTORS, "mean": CODES, "logvar": CODES + 1e4},
            [],
            "within -700 .. 700",
        ),
    ],
)
def test_bad_arrays(capsys, tmp_path, arrays, arguments, words):
    """NaN, wrong shapes, missing arrays, too few rows: the array and its rule."""
    path = tmp_path / "file.npz"  # named for none of its arrays, so that the words are the message's own
    np.savez(path, **arrays)
    line = refused(capsys, "evaluate", path, *arguments)
    assert words in line
    assert str(path) in line


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip", b"hello"])
def test_files_that_are_no_npz(capsys, tmp_path, content):
    """Truncated or something else altogether."""
    path = tmp_path / "codes.npz"
    path.write_bytes(content)
    assert "is no .npz file" in refused(capsys, "evaluate", path)


def test_a_closed_pipe_is_no_error(swept):
    """`disbench table DIR | head -1`, without a traceback."""
    command = f"'{DISBENCH}' table '{swept[0]}' --format csv | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=os.environ)
    assert "Traceback" not in done.stderr
