"""Recommended strengths: by hand, against scipy, how often the set holds the truth, edges, too few seeds."""

import numpy as np
import pandas as pd
import pytest
from made_up import models
from scipy.stats import ttest_ind, ttest_rel

from disbench.bench import BadInput
from disbench.bench.analysis.recommendation import p_of_no_better, recommendation, strengths

CLEAR = {
    ("beta_vae", 1): [1.0, 1.1, 1.2],
    ("beta_vae", 4): [3.0, 3.1, 3.3],
    ("beta_vae", 16): [2.9, 3.1, 3.2],
}


def test_by_hand():
    """4 is the best, 16 cannot be told from it with three seeds, 1 can."""
    found = recommendation(models(CLEAR))
    table = found.table.set_index("strength")
    assert table["mean"].tolist() == pytest.approx([1.1, 9.4 / 3, 9.2 / 3])
    assert table["std"].iloc[0] == pytest.approx(0.1)
    assert table["best"].tolist() == [False, True, False]
    assert table["may_be_best"].tolist() == [False, True, True]
    assert table["models"].tolist() == [3, 3, 3]
    # Differences by seed to 16 are 0.1, 0, 0.1: t = 2 with two degrees of freedom.
    assert table["p_value"].iloc[2] == pytest.approx(ttest_rel([3.0, 3.1, 3.3], [2.9, 3.1, 3.2]).pvalue / 2)
    assert np.isnan(table["p_value"].iloc[1])
    assert found.left_out == {}


def test_resamples_are_of_seeds():
    """4 is best by the luck of its first seed, wherever that is drawn at all: in all but (4 / 5)^5 of the resamples."""
    five = {
        ("beta_vae", 1): [0.0] * 5,
        ("beta_vae", 4): [9.0, 0.1, 0.1, 0.1, 0.1],
        ("beta_vae", 16): [1.0] * 5,
    }
    table = recommendation(models(five)).table
    without_first = (4 / 5) ** 5
    assert table["best_share"].tolist() == pytest.approx([0, 1 - without_first, without_first], abs=0.04)
    assert (table["low"] == 4).all()
    assert (table["high"] == 16).all()
    random = np.random.default_rng(0)
    alike = strengths(random.normal(size=(4, 12)), np.array([1.0, 2, 4, 8]), 1000, 0.95, 0)
    assert alike["best_share"].sum() == pytest.approx(1)
    assert alike["low"].iloc[0] < alike["high"].iloc[0]


def test_few_seeds_have_no_interval():
    """Three that agree would give one of no width, "100 %", beside a set that says that they tell little."""
    few = recommendation(models(CLEAR)).table
    assert few[["best_share", "low", "high"]].isna().all(axis=None)
    assert few["may_be_best"].sum() == 2


def test_p_values_are_those_of_scipy():
    """Paired where three seeds have both, else Welch's."""
    random = np.random.default_rng(0)
    a, b = random.normal(1, size=6), random.normal(size=6)
    assert p_of_no_better(a, b) == pytest.approx(ttest_rel(a, b, alternative="greater").pvalue)
    a[3:], b[:3] = np.nan, np.nan
    expected = ttest_ind(a[:3], b[3:], equal_var=False, alternative="greater").pvalue
    assert p_of_no_better(a, b) == pytest.approx(expected)
    same = np.array([1.0, 2, 3])
    assert p_of_no_better(same, same) == 1
    assert p_of_no_better(same + 1, same) == 0


def test_the_set_holds_the_best_strength():
    """Four strengths, one better by half a standard deviation, five seeds: in the set in 95 % of studies or more."""
    truth, held, sizes = np.array([0, 0, 0.5, 0]), 0, []
    for seed in range(300):
        values = np.random.default_rng(seed).normal(size=(4, 5)) + truth[:, None]
        found = strengths(values, np.arange(4.0), 0, 0.95, 0)
        held += found["may_be_best"].iloc[2]
        sizes.append(found["may_be_best"].sum())
    assert held >= 0.95 * 300
    assert np.mean(sizes) > 3  # five seeds can rule out little


def test_many_seeds_rule_out_what_is_worse():
    """With 50 seeds a difference of one standard deviation is seen."""
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 50)) + np.array([0, 1, 0])[:, None]
    assert strengths(values, np.arange(3.0), 200, 0.95, 0)["may_be_best"].tolist() == [False, True, False]


def test_edges_of_the_grid():
    """The best at an end may lie beyond it; a score of which lower is better turns the order round."""
    rising = models({("beta_vae", s): [s, s + 0.1, s + 0.2] for s in (1, 4, 16)})
    table = recommendation(rising).table
    assert table["edge"].tolist() == ["", "", "highest"]
    falling = recommendation(rising.assign(reconstruction_nats=rising["mig"]), ["reconstruction_nats"]).table
    assert falling["edge"].tolist() == ["lowest", "", ""]
    assert falling["mean"].iloc[0] == pytest.approx(1.1)
    assert recommendation(models(CLEAR)).table["edge"].tolist() == ["", "", ""]


def test_diverged_models_are_counted():
    """Means are over those that finished; how many did not stands beside them."""
    scores = CLEAR | {("beta_vae", 64): [9.0, None, 9.1, 9.2]}
    table = recommendation(models(scores)).table.set_index("strength")
    assert table["diverged"].tolist() == [0, 0, 0, 1]
    assert table["models"].tolist() == [3, 3, 3, 3]
    assert table["best"].tolist() == [False, False, False, True]


def test_too_few_seeds_have_no_recommendation():
    """Strengths of two models are left out; nothing is recommended of one strength, or of none to choose."""
    rows = models(CLEAR | {("beta_tcvae", 4): [1, 2, 3], ("vae", 1): [1, 2, 3]})
    few = recommendation(rows[~((rows["strength"] == 16) & (rows["seed"] == 2))])
    assert few.table["strength"].tolist() == [1, 4]
    assert few.left_out == {
        "dsprites, β-VAE: mig": "fewer than 3 models at 16",
        "dsprites, β-TCVAE: mig": "needs two strengths of 3 models, has 1",
        "dsprites, VAE": "it has no strength to choose",
    }
    two = recommendation(rows[rows["seed"] < 2])
    assert two.table.empty
    assert "needs two strengths of 3 models, has 0" in two.left_out["dsprites, β-VAE: mig"]
    assert (
        recommendation(rows.assign(mig=1.0)).left_out["dsprites, β-VAE: mig"] == "the same for all 9 models"
    )
    with pytest.raises(BadInput, match="kl_nats has no better side, so no model is best by it"):
        recommendation(rows, ["kl_nats"])


def test_the_seed_decides_what_is_drawn():
    """Same seed, same shares."""
    random = np.random.default_rng(0)
    rows = models({("beta_vae", s): random.normal(size=6) for s in (1, 2, 4)})
    first, again, other = (recommendation(rows, seed=seed).table for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert first["best_share"].tolist() != other["best_share"].tolist()
