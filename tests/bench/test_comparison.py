"""Best of n seeds of one method against another: by hand, intervals, spellings, and what cannot be compared."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import models

from disbench.bench import BadInput
from disbench.bench.analysis.comparison import Method, comparison

ROWS = models(
    {
        ("beta_vae", 1): [1, 3, 5],
        ("beta_vae", 4): [0, 0, 1],
        ("beta_tcvae", 4): [2, 4, 6],
        ("vae", 1): [3, 3, 3],
    }
)


def test_by_hand():
    """1, 3, 5 against 2, 4, 6, as in the tests of order statistics; beta-VAE is taken at its best strength."""
    found = comparison(ROWS, "beta_vae", "beta_tcvae=4", resamples=0).table
    assert found["n"].tolist() == [1, 2, 3]
    assert found["chance"].tolist() == pytest.approx([3 / 9, 5 / 9, 2 / 3])
    assert found["chance_of_bests"].tolist() == pytest.approx([3 / 9, 2 / 9, 0])
    assert set(found["a"]) == {"β-VAE, β = 1"}
    assert set(found["b"]) == {"β-TCVAE, β = 4"}
    assert found[["low", "high"]].isna().all(axis=None)
    assert len(comparison(ROWS, "beta_vae", "beta_tcvae", most=2, resamples=0).table) == 2


def test_ties_and_directions():
    """Against models that are all at 3 one is below, one above, one a tie; where lower is better, just as many win."""
    found = comparison(ROWS, "beta_vae=1", "vae", resamples=0).table
    assert found["chance"].tolist() == pytest.approx([1 / 2, (0.5 + 1 + 1) / 3, 1])
    assert set(found["b"]) == {"VAE"}
    lower = ROWS.assign(reconstruction_nats=-ROWS["mig"])
    turned = comparison(lower, "beta_vae=1", "vae", ["reconstruction_nats"], resamples=0).table
    assert turned["chance"].tolist() == pytest.approx(found["chance"].tolist())


def test_more_models_of_a_than_of_b():
    """The best of four of B is unknown where B has three."""
    rows = models({("beta_vae", 1): [1, 2, 3, 4], ("vae", 1): [0, 1, 2]})
    found = comparison(rows, "beta_vae", "vae", resamples=20).table
    assert found["chance_of_bests"].isna().tolist() == [False, False, False, True]
    assert found["bests_low"].isna().tolist() == [False, False, False, True]
    assert found["chance"].iloc[3] == 1


def test_intervals_hold_the_truth():
    """Normal scores one standard deviation apart: one beats the other in 76 % of pairs, in most of 40 intervals."""
    inside = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        rows = models({("beta_vae", 1): random.normal(1, size=15), ("vae", 1): random.normal(size=15)})
        line = comparison(rows, "beta_vae", "vae", most=1, resamples=100).table.iloc[0]
        inside += line["low"] <= 0.7602 <= line["high"]
        assert line["low"] <= line["chance"] <= line["high"]
    assert inside >= 33


def test_the_choice_of_the_best_strength_is_part_of_the_interval():
    """Two strengths that are alike: which is the best changes from resample to resample, and widens the interval."""
    random = np.random.default_rng(0)
    scores = {("beta_vae", s): random.normal(size=8) for s in (1, 2, 4)} | {("vae", 1): random.normal(size=8)}
    chosen, named = (comparison(models(scores), a, "vae", most=1).table for a in ("beta_vae", "beta_vae=1"))
    again = comparison(models(scores), "beta_vae", "vae", most=1).table
    pd.testing.assert_frame_equal(chosen, again)
    assert (chosen["low"] > named["low"]).all()  # the best of three resampled strengths is rarely a bad one


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("beta_vae", Method("beta_vae")),
        ("beta_vae=4", Method("beta_vae", None, 4)),
        ("beta_tcvae(estimator mss)=1e1", Method("beta_tcvae", "estimator mss", 10)),
        (" beta_tcvae (latents 10, steps 5) ", Method("beta_tcvae", "latents 10, steps 5")),
    ],
)
def test_methods_are_read(text, method):
    """Objective, variant in brackets, strength."""
    assert Method.of(text) == method


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("beta_va", "unknown objective 'beta_va'; did you mean 'beta_vae'"),
        ("beta_vae=high", "a strength is a number, got 'high'"),
        ("", "a method is written OBJECTIVE or OBJECTIVE=STRENGTH"),
        ("beta_vae=", "a method is written"),
    ],
)
def test_methods_that_are_none(text, words):
    """One line that says what is wrong."""
    with pytest.raises(BadInput, match=words):
        Method.of(text)


def test_variants_must_be_named():
    """Two arms of one objective are two methods."""
    estimators = [json.dumps({"options": {"estimator": ("mws", "mss")[seed % 2]}}) for seed in range(12)]
    rows = ROWS.assign(objective="beta_tcvae", strength=4.0, seed=range(12), configuration=estimators)
    with pytest.raises(BadInput, match=r"has 2 variants; name one: 'beta_tcvae\(estimator mws\)'"):
        comparison(rows, "beta_tcvae", "beta_tcvae")
    found = comparison(rows, "beta_tcvae(estimator mws)", "beta_tcvae(estimator mss)=4", resamples=0).table
    assert found["a"].iloc[0] == "β-TCVAE (estimator mws), β = 4"
    assert found["a_models"].iloc[0] == 6
    with pytest.raises(BadInput, match="unknown variant of beta_tcvae 'estimator msw'"):
        comparison(rows, "beta_tcvae(estimator msw)", "beta_tcvae(estimator mss)")


def test_what_cannot_be_compared_is_said():
    """Absent methods and strengths; two seeds; scores without a better side; n of none."""
    found = comparison(ROWS, "beta_vae=16", "factor_vae")
    assert found.table.empty
    assert found.left_out == {
        "dsprites": "has beta_vae at 1, 4, not at 16; has no finished model of factor_vae",
    }
    two = comparison(ROWS[ROWS["seed"] < 2], "beta_vae", "beta_tcvae")
    assert two.left_out == {"dsprites: mig": "beta_vae and beta_tcvae: no strength with 3 models"}
    alike = comparison(ROWS.assign(mig=1.0), "beta_vae", "beta_tcvae")
    assert alike.left_out == {"dsprites: mig": "the same for all 9 models"}
    with pytest.raises(BadInput, match="most must be at least 1, got 0"):
        comparison(ROWS, "beta_vae", "vae", most=0)
    with pytest.raises(BadInput, match="total_correlation_nats has no better side"):
        comparison(ROWS, "beta_vae", "vae", ["total_correlation_nats"])
