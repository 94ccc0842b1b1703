"""Shares of variance by hand, by regression, by chance alone, and where there are too few seeds."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import models

from disbench.bench import BadInput
from disbench.bench.analysis.variance import adjusted, explained, variance_shares

BY_HAND = models(
    {
        ("beta_vae", 1): [1, 2, 3],
        ("beta_vae", 4): [3, 4, 5],
        ("beta_tcvae", 1): [5, 6, 7],
        ("beta_tcvae", 4): [7, 8, 9],
    }
)
"""Within settings 4 x 2 = 8; settings 2, 4, 6, 8 about 5: 3 (9 + 1 + 1 + 9) = 60; objectives 3, 7: 6 (4 + 4) = 48."""


def test_by_hand():
    """48 and 60 of 68; what is left is the seeds'. Labels explain 1/11 and 3/11 by themselves."""
    (line,) = variance_shares(BY_HAND).table.itertuples()
    assert (line.subject, line.score, line.models, line.objectives, line.settings) == (
        "dsprites",
        "mig",
        12,
        2,
        4,
    )
    assert line.objective == pytest.approx(48 / 68)
    assert line.setting == pytest.approx(60 / 68)
    assert line.seed == pytest.approx(8 / 68)
    assert line.objective_chance == pytest.approx(1 / 11)
    assert line.setting_chance == pytest.approx(3 / 11)
    assert line.objective_adjusted == pytest.approx(1 - 20 / 68 * 11 / 10)
    assert line.setting_adjusted == pytest.approx(1 - 8 / 68 * 11 / 8)
    assert line.seed_adjusted == pytest.approx(8 / 68 * 11 / 8)


def test_settings_dealt_to_objectives_by_hand():
    """Three ways to pair 2, 4, 6, 8 explain 48, 12 and 0 of 68: 20 on average, and as much as 48 in one of three."""
    (line,) = variance_shares(BY_HAND, permutations=4000).table.itertuples()
    assert line.objective_dealt == pytest.approx(20 / 68, abs=0.02)
    assert line.objective_p_value == pytest.approx(1 / 3, abs=0.04)
    assert line.setting_p_value < 0.002


def test_the_share_is_that_of_a_regression():
    """R² of least squares on indicators, groups of several sizes."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, size=40)
    values = random.normal(size=40) + labels
    indicators = np.eye(4)[labels]
    left = values - indicators @ np.linalg.lstsq(indicators, values, rcond=None)[0]
    assert explained(values, labels) == pytest.approx(
        1 - left @ left / np.square(values - values.mean()).sum()
    )


def test_chance_is_what_labels_without_meaning_explain():
    """(G - 1) / (N - 1) for any values, here skewed ones; the adjusted share is then 0."""
    random = np.random.default_rng(0)
    values, labels = random.exponential(size=20) ** 2, np.repeat(np.arange(5), 4)
    shares = [explained(random.permutation(values), labels) for _ in range(4000)]
    assert np.mean(shares) == pytest.approx(4 / 19, abs=0.005)
    assert adjusted(4 / 19, 20, 5) == pytest.approx(0)
    assert adjusted(1, 20, 5) == 1
    assert np.isnan(adjusted(1, 5, 5))


def test_scores_that_are_all_seed():
    """Raw shares look like something, adjusted ones are about 0, and settings dealt at random do as well."""
    random = np.random.default_rng(0)
    noise = {(o, s): random.normal(size=3) for o in ("beta_vae", "beta_tcvae") for s in (1, 2, 4, 8, 16, 32)}
    lines = [variance_shares(models({k: random.permutation(36)[:3] for k in noise})).table for _ in range(10)]
    found = pd.concat(lines)
    assert found["setting"].mean() == pytest.approx(11 / 35, abs=0.06)
    assert found["setting_adjusted"].mean() == pytest.approx(0, abs=0.1)
    assert 0.3 < found["setting_p_value"].mean() < 0.7
    assert 0.3 < found["objective_p_value"].mean() < 0.7


def test_units_and_directions_change_nothing():
    """Shares of a score in other units, and turned round, are the same."""
    first, second = (
        variance_shares(rows).table for rows in (BY_HAND, BY_HAND.assign(mig=1e6 - 1e-3 * BY_HAND["mig"]))
    )
    pd.testing.assert_frame_equal(first, second, rtol=1e-6)


def test_one_objective_has_strengths_alone():
    """Nothing is said of objectives; a variant counts as an objective of its own."""
    alone = BY_HAND[BY_HAND["objective"] == "beta_vae"]
    (line,) = variance_shares(alone).table.itertuples()
    assert np.isnan(
        [line.objective, line.objective_adjusted, line.objective_dealt, line.objective_p_value]
    ).all()
    assert line.setting == pytest.approx(6 / 10)  # 3 (1 + 1) of 3 (1 + 1) + 4
    options = [json.dumps({"options": {"estimator": kind}}) for kind in ("mws", "mss") for _ in range(6)]
    varied = BY_HAND.assign(objective="beta_tcvae", configuration=options)
    (line,) = variance_shares(varied).table.itertuples()
    assert line.objectives == 2
    assert line.objective == pytest.approx(48 / 68)


def test_too_few_seeds_have_no_number():
    """Settings of two models are left out and said; with fewer than two others there is no share at all."""
    rows = BY_HAND[~((BY_HAND["strength"] == 4) & (BY_HAND["seed"] == 2))]
    found = variance_shares(rows)
    assert found.table["settings"].tolist() == [2]
    assert found.left_out == {"dsprites: mig": "2 settings of fewer than 3 models"}
    two = variance_shares(BY_HAND[BY_HAND["seed"] < 2])
    assert two.table.empty
    assert "needs two settings of 3 models or more, has 0" in two.left_out["dsprites: mig"]


def test_what_has_no_variance_is_said():
    """Constant scores, scores nobody has, names nobody knows."""
    found = variance_shares(BY_HAND.assign(active_units=10.0), ["active_units", "sap"])
    assert found.table.empty
    assert found.left_out["dsprites: active_units"] == "the same for all 12 models"
    assert "has 0" in found.left_out["dsprites: sap"]
    with pytest.raises(BadInput, match="unknown score 'migg'; did you mean 'mig'"):
        variance_shares(BY_HAND, ["migg"])


def test_the_seed_decides_what_is_drawn():
    """Same seed, same p-values."""
    random = np.random.default_rng(1)
    rows = models({(o, s): random.normal(size=3) for o in ("beta_vae", "beta_tcvae") for s in (1, 2, 3)})
    first, again, other = (variance_shares(rows, seed=seed).table for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert first["setting_p_value"].tolist() != other["setting_p_value"].tolist()
