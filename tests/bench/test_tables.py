"""Tables: means and spreads by hand, empty cells, variants apart, every format readable."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from disbench.bench.evaluation import SCORES
from disbench.bench.tables import as_csv, as_json, as_latex, as_markdown, cell, cells, scores_named, summary


def row(strength, seed, mig, *, status="done", objective="beta_vae", **configuration):
    """A row with what tables read."""
    settings = {"objective": objective, "options": {}, "steps": 10, **configuration}
    return {
        "status": status, "data_set": "dsprites", "condition": None, "objective": objective, "strength": strength,
        "seed": seed, "configuration": json.dumps(settings), "mig": mig, "elbo_nats": -100.0 * strength,
    }  # fmt: skip


ROWS = pd.DataFrame(
    [row(1.0, 0, 0.1), row(1.0, 1, 0.3), row(4.0, 0, 0.5), row(4.0, 1, None, status="diverged")]
)


def test_mean_and_spread_by_hand():
    """Two seeds: mean 0.2, standard deviation with ddof 1 0.1414; one seed: no spread; a diverged one counts apart."""
    table = summary(ROWS, ["mig"]).set_index("strength")
    assert table.loc[1.0, "mig"] == pytest.approx(0.2)
    assert table.loc[1.0, "mig_std"] == pytest.approx(0.02**0.5)
    assert table.loc[4.0, "mig"] == pytest.approx(0.5)
    assert pd.isna(table.loc[4.0, "mig_std"])
    assert table["models"].tolist() == [2, 1]
    assert table["diverged"].tolist() == [0, 1]


def test_variants_of_an_objective_are_not_averaged():
    """Two estimators of one objective are two lines, and say which is which."""
    rows = pd.DataFrame(
        [row(4.0, 0, 0.1, options={"estimator": "mws"}), row(4.0, 0, 0.9, options={"estimator": "mss"})]
    )
    table = summary(rows, ["mig"])
    assert table["mig"].tolist() == [0.1, 0.9]
    assert cells(table)["objective"].tolist() == ["β-VAE (estimator mws)", "β-VAE (estimator mss)"]


def test_a_score_nobody_has_is_no_column_and_a_missing_one_a_dash():
    """Not defined is not zero; a model that is not finished has an empty cell."""
    rows = pd.DataFrame([row(1.0, 0, None), row(4.0, 0, 0.5)])
    shown = cells(summary(rows, ["mig"]))
    assert shown["MIG ↑"].tolist() == ["–", "0.500"]
    nobody = cells(summary(pd.DataFrame([row(1.0, 0, None)]), ["mig", "elbo_nats"]))
    assert "MIG ↑" not in nobody
    assert "ELBO ↑" in nobody
    unfinished = pd.DataFrame([row(1.0, 0, None) | {"status": "failed"}, row(4.0, 0, 0.5)])
    assert cells(summary(unfinished, ["mig"]))["MIG ↑"].tolist() == ["", "0.500"]
    text = as_markdown(summary(rows, ["mig"]))
    assert "–: not defined for these codes, or not asked for." in text
    assert "& -- " in as_latex(summary(rows, ["mig"]))


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (0.12345, 0.01, "0.123 ± 0.010"),
        (12.345, float("nan"), "12.35"),
        (-123.45, 2.0, "-123.5 ± 2.0"),
        (float("nan"), float("nan"), ""),
        (-0.0002, 0.0001, "0.000 ± 0.000"),
        (-0.0, float("nan"), "0.000"),
    ],
)
def test_cells_keep_a_sensible_precision(mean, spread, text):
    """Three significant places or so, the same for mean and spread; zero without a sign."""
    assert cell(mean, spread) == text


def test_formats_hold_the_same_numbers():
    """CSV and JSON at full precision, Markdown and LaTeX for reading."""
    table = summary(ROWS, ["mig"])
    assert pd.read_csv(io.StringIO(as_csv(table)))["mig"].tolist() == pytest.approx([0.2, 0.5])
    lines = json.loads(as_json(table))
    assert lines[0]["mig_std"] == pytest.approx(0.02**0.5)
    assert lines[1]["mig_std"] is None
    assert "| β-VAE" in as_markdown(table)
    assert "0.200 ± 0.141" in as_markdown(table)
    assert r"$0.200 \pm 0.141$" in as_latex(table)
    assert r"$\beta$-VAE & $\beta$ = 1" in as_latex(table)


def test_no_rows_make_a_table_that_says_so():
    """A folder in which nothing is finished yet."""
    assert as_markdown(summary(ROWS.iloc[:0], ["mig"])) == "no models yet\n"


def test_scores_are_chosen_by_name():
    """Only numbers can be columns."""
    assert scores_named(["mig", " kl_nats"]) == ["mig", "kl_nats"]
    with pytest.raises(ValueError, match="unknown score 'mutual_information'"):
        scores_named(["mutual_information"])


def test_every_column_is_explained():
    """docs/numbers.md has a line for each score that a row can hold."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "numbers.md").read_text()
    assert [name for name in SCORES if f"| `{name}` |" not in page] == []
