"""Estimates of log p(x) in studies: what a table asks for, which columns it makes, and that nothing else changes."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from invented import invented
from readable import assert_readable, drawn

from disbench.bench import BadInput, sweep
from disbench.bench import work as work_module
from disbench.bench.evaluation import SCORES
from disbench.bench.figures import FIGURES
from disbench.bench.figures.style import look
from disbench.bench.likelihood import (
    MARGINAL_LIKELIHOOD_SCORES,
    LikelihoodSettings,
    as_columns,
    likelihood_of,
    scored_images,
)
from disbench.bench.report import as_toml
from disbench.bench.run_model import Conditioning
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study
from disbench.bench.tables import as_markdown, summary
from disbench.datasets import load
from disbench.metrics.likelihood import bernoulli_likelihood, elbo_terms

sweep_module = sys.modules["disbench.bench.sweep"]  # the function of that name hides it

SETTINGS = {
    "images": 6, "importance_samples": 30, "ais_steps": 8, "ais_chains": 2, "ais_leapfrogs": 1, "simulated_images": 3,
}  # fmt: skip
COLUMNS = [score.column for score in MARGINAL_LIKELIHOOD_SCORES]
ONE_SEED = {"seeds": 1, "arms.0.strengths": [1], "steps": 5}


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory) -> tuple[Store, pd.DataFrame]:
    """A beta-VAE and a CVAE, with log p(x) estimated."""
    out = tmp_path_factory.mktemp("likelihood") / "out"
    rows = sweep(tiny, out=out, device="cpu", overrides={**ONE_SEED, "evaluation.likelihood": SETTINGS})
    return Store.existing(out), rows


def test_every_declared_column_is_there_and_a_number(measured):
    """Of both models; curves have as many points as efforts; the list of metrics says that it was asked for."""
    _, rows = measured
    assert rows["status"].tolist() == ["done", "done"]
    for _, row in rows.iterrows():
        for name in COLUMNS:
            assert np.isfinite(np.asarray(row[name], dtype=float)).all(), name
        assert row["iwae_curve_samples"].tolist() == [1, 2, 5, 10, 20, 30]
        assert row["ais_curve_steps"].tolist() == [1, 2, 4, 8]
        for name in ("iwae_curve_nats", "iwae_curve_error_nats"):
            assert len(row[name]) == 6
        for name in (
            "ais_curve_nats",
            "ais_curve_error_nats",
            "bdmc_lower_curve_nats",
            "bdmc_upper_curve_nats",
        ):
            assert len(row[name]) == 4
        assert row["metrics"][-1] == "likelihood"
    assert set(COLUMNS) <= set(SCORES)


def test_the_bound_lies_over_the_elbo(measured):
    """It begins there and rises; what it gained is the inference gap, but for the sampling of the ELBO's KL."""
    _, rows = measured
    for _, row in rows.iterrows():
        curve = row["iwae_curve_nats"]
        assert curve[-1] == row["iwae_nats"]
        assert row["iwae_nats"] > curve[0] - 0.05
        assert row["inference_gap_nats"] == pytest.approx(row["iwae_nats"] - row["elbo_same_images_nats"])
        gained = row["iwae_nats"] - curve[0]
        assert row["inference_gap_nats"] == pytest.approx(
            gained, abs=4 * row["iwae_curve_error_nats"][0] + 1e-6
        )
        assert row["bdmc_gap_nats"] == pytest.approx(
            row["bdmc_upper_curve_nats"][-1] - row["bdmc_lower_curve_nats"][-1]
        )


def test_it_is_no_part_of_a_run(tiny):
    """Runs with and without are the same runs, as with a further metric; so a folder of one takes the other."""
    asked = parse_study({**tiny.model_dump(exclude={"cluster"}), "evaluation": {"likelihood": SETTINGS}}, "x")
    for without, with_it in zip(tiny.first_runs(), asked.first_runs(), strict=True):
        plan = replace(with_it.evaluation, samples=200, test_samples=100, metrics=())
        assert replace(with_it, evaluation=plan).run_id == without.run_id
        assert plan.scored_by == ("likelihood",)
        assert without.evaluation.scored_by == without.evaluation.metrics
    assert asked.settings()["evaluation"] == {
        "samples": 10_000,
        "test_samples": 5_000,
        "whole": False,
        "options": {},
    }


def test_trained_models_are_scored_without_being_trained(tiny, tmp_path, monkeypatch):
    """Asked for later, with other settings, and beside another metric: nothing trains, and no score is lost."""
    plain = sweep(tiny, out=tmp_path, device="cpu", overrides=ONE_SEED)
    assert plain["iwae_nats"].isna().all()
    monkeypatch.setattr(work_module, "train", lambda *_, **__: pytest.fail("trained again"))
    asked = {**ONE_SEED, "evaluation.likelihood": SETTINGS}
    first = sweep(tiny, out=tmp_path, device="cpu", overrides=asked)
    assert first["iwae_nats"].notna().all()
    pd.testing.assert_series_equal(first["elbo_nats"], plain["elbo_nats"])

    again = sweep(tiny, out=tmp_path, device="cpu", overrides=asked)
    assert again["finished_at"].tolist() == first["finished_at"].tolist(), "scored again for nothing"

    fewer = {**SETTINGS, "importance_samples": 25}
    other = sweep(tiny, out=tmp_path, device="cpu", overrides={**asked, "evaluation.likelihood": fewer})
    assert [curve[-1] for curve in other["iwae_curve_samples"]] == [25, 25]

    modular = {**ONE_SEED, "evaluation.metrics": [*tiny.evaluation.metrics, "gaussian_total_correlation"]}
    last = sweep(tiny, out=tmp_path, device="cpu", overrides=modular)
    assert last["gaussian_total_correlation"].notna().all()
    pd.testing.assert_series_equal(last["iwae_nats"], other["iwae_nats"])
    assert all(names[-1] == "likelihood" for names in last["metrics"])


def test_the_estimate_is_that_of_the_model(measured):
    """By hand for both: decoder told what each image is told, images drawn by the seed, the KL in closed form."""
    store, rows = measured
    data = load("digits")
    for _, row in rows.iterrows():
        run, model = store.model(row.to_dict())
        found = likelihood_of(run, model, data, LikelihoodSettings(**SETTINGS))
        assert found.importance.last.nats == pytest.approx(row["iwae_nats"], abs=1e-4)
        chosen = scored_images(run.seed, len(data), 6)
        images, factors = data.images(chosen), data.factors(chosen)
        told = Conditioning.of(run).evaluation(data)(chosen, factors)
        mean, logvar = model.encode(images, told)
        likelihood = bernoulli_likelihood(lambda z, n, m=model, y=told: m.decode(z, y[n]), images)
        rowwise = torch.arange(6)
        terms = elbo_terms(likelihood(mean, rowwise)[:, None], mean, logvar)
        assert found.elbo.kl_nats == pytest.approx(terms.kl_nats, rel=1e-5)
        # The likelihood of the posterior mean is near that of its samples, after five steps of training.
        assert found.elbo.reconstruction_nats == pytest.approx(terms.reconstruction_nats, abs=2)


def test_what_is_left_out_has_no_columns(measured):
    """Without steps no annealing, without simulated images no sandwich."""
    store, rows = measured
    run, model = store.model(rows.iloc[0].to_dict())
    for changes, missing in ({"ais_steps": 0}, ("ais", "bdmc")), ({"simulated_images": 0}, ("bdmc",)):
        found = as_columns(
            likelihood_of(run, model, load("digits"), LikelihoodSettings(**SETTINGS | changes))
        )
        assert {name.split("_")[0] for name in set(COLUMNS) - set(found)} == set(missing)
    with_posterior = LikelihoodSettings(**SETTINGS | {"ais_start": "posterior"})
    assert as_columns(likelihood_of(run, model, load("digits"), with_posterior)).keys() == set(COLUMNS)


def test_images_are_drawn_once_each():
    """The first of a larger draw, other images for other seeds, all of a small data set."""
    assert torch.equal(scored_images(3, 1797, 20), scored_images(3, 1797, 50)[:20])
    assert scored_images(3, 1797, 400).unique().numel() == 400
    assert not torch.equal(scored_images(3, 1797, 20), scored_images(4, 1797, 20))
    assert scored_images(0, 10, 100).sort().values.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"image": 5}, "unknown key 'evaluation.likelihood.image'; did you mean 'images'? known: images, import"),
        ({"images": 1}, "evaluation.likelihood.images should be greater than or equal to 2, got 1"),
        ({"importance_samples": 24}, "importance_samples should be greater than or equal to 25, got 24"),
        ({"ais_steps": -1}, "evaluation.likelihood.ais_steps should be greater than or equal to 0, got -1"),
        ({"ais_chains": 1}, "evaluation.likelihood.ais_chains should be greater than or equal to 2, got 1"),
        ({"ais_start": "middle"}, "evaluation.likelihood.ais_start should be 'prior' or 'posterior', got 'middle'"),
        ({"images": "many"}, "evaluation.likelihood.images should be of type integer, got 'many'"),
        (True, "evaluation.likelihood should be"),
    ],
)  # fmt: skip
def test_bad_settings_get_one_clear_line(given, words, tiny):
    document = {**tiny.model_dump(exclude={"cluster"}), "evaluation": {"likelihood": given}}
    with pytest.raises(BadInput) as caught:
        parse_study(document, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_study_file_says_it_again(tiny):
    """The report's configuration is the study."""
    import tomllib

    document = {**tiny.model_dump(exclude={"cluster"}), "evaluation": {"likelihood": SETTINGS}}
    study = parse_study(document, "mine.toml")
    assert parse_study(tomllib.loads(as_toml(study)), "again.toml") == study
    assert "likelihood" not in as_toml(tiny)


def test_tables_show_both_estimates_where_they_are(measured, swept):
    """Beside the ELBO of the same images; a study that did not ask has no such column."""
    headings = [cell.strip() for cell in as_markdown(summary(measured[1])).splitlines()[2].split("|")]
    assert headings[4:8] == ["ELBO ↑", "ELBO, same images ↑", "IWAE ↑", "AIS ↑"]
    assert "IWAE" not in as_markdown(summary(swept[1]))


def with_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose log p(x) nobody estimated: a bound that rises to -90 less the strength, annealing from below."""
    samples, steps = np.array([1.0, 10.0, 100.0]), np.array([25.0, 50.0, 100.0, 200.0])
    records = rows.to_dict("records")
    for row in records:
        top = -90.0 - row["strength"]
        row |= {
            "iwae_curve_samples": samples,
            "iwae_curve_nats": top - 8 / samples,
            "iwae_curve_error_nats": 0.1 + 0 * samples,
            "iwae_nats": top - 0.08,
            "ais_curve_steps": steps,
            "ais_curve_nats": top - (200 / steps) ** 2,
            "ais_curve_error_nats": 0.2 + 0 * steps,
            "ais_nats": top - 1,
            "bdmc_lower_curve_nats": top - 400 / steps,
            "bdmc_upper_curve_nats": top + 200 / steps,
        }
    return pd.DataFrame(records)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(invented(strengths=[1.0, 16.0]), id="usual"),
        pytest.param(invented(["vae"], data_sets=["digits"], seeds=1), id="one model"),
        pytest.param(invented(["beta_vae"], np.geomspace(0.001, 1e6, 10)), id="many strengths"),
    ],
)
def test_the_figure_is_readable(rows, tmp_path):
    assert_readable(drawn("likelihood", with_curves(rows), Store(tmp_path)))


def test_the_figure_shows_the_first_seed(tmp_path):
    """Lines are the curves; the circle is annealing's last; the third panel is the distance between the bounds."""
    rows = with_curves(invented(["beta_vae"], [4.0], data_sets=["digits"]))
    bound, annealing, gap = drawn("likelihood", rows, Store(tmp_path)).axes
    line, circle = bound.lines
    np.testing.assert_allclose(line.get_ydata(), [-102, -94.8, -94.08])
    np.testing.assert_allclose(circle.get_data(), [[100], [-95]])
    np.testing.assert_allclose(annealing.lines[0].get_ydata(), [-158, -110, -98, -95])
    np.testing.assert_allclose(gap.lines[0].get_ydata(), [24, 12, 6, 3])
    assert bound.get_ylim() == annealing.get_ylim()
    assert -110 < bound.get_ylim()[0] < -102, "the first of annealing's points do not press the rest together"


def test_the_figure_leaves_out_what_is_not_there(tmp_path):
    """The bound alone; a gap that sampling turned negative; rows of models without any of it."""
    rows = with_curves(invented(["beta_vae"], [1.0, 4.0], 1, data_sets=["digits"]))
    alone = rows.assign(**dict.fromkeys([name for name in COLUMNS if name.startswith(("ais", "bdmc"))]))
    figure = drawn("likelihood", alone, Store(tmp_path))
    assert_readable(figure)
    assert [text.get_text() for axes in figure.axes[1:] for text in axes.texts] == ["not asked for"] * 2
    closed = rows.assign(bdmc_upper_curve_nats=rows["bdmc_lower_curve_nats"].map(lambda curve: curve - 0.1))
    assert (drawn("likelihood", closed, Store(tmp_path)).axes[2].lines[0].get_ydata() > 0).all()
    with look():
        assert FIGURES["likelihood"].draw(invented(), Store(tmp_path)) is None


def test_the_figure_of_trained_models(measured):
    store, rows = measured
    assert_readable(drawn("likelihood", rows, store))
