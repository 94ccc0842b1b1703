"""Agreement of scores: correlations by hand and by scipy, directions, what is constant or missing, who is compared."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from invented import invented
from scipy.stats import spearmanr

from disbench.bench import BadInput, agreement
from disbench.bench.analysis.rank_correlation import rank_correlation


def models(count=5, **scores) -> pd.DataFrame:
    """Finished models of one family with these scores."""
    configuration = json.dumps({"options": {}})
    about = {
        "status": "done",
        "data_set": "dsprites",
        "condition": None,
        "objective": "beta_vae",
        "strength": 4.0,
    }
    return pd.DataFrame(
        [
            about
            | {"seed": seed, "configuration": configuration}
            | {name: v[seed] for name, v in scores.items()}
            for seed in range(count)
        ]
    )


ROWS = models(
    mig=[0.1, 0.2, 0.3, 0.4, 0.5],
    sap=[0.0, 0.2, 0.1, 0.4, 0.3],
    reconstruction_nats=[50, 40, 30, 20, 10],
    kl_nats=[9, 7, 5, 3, 1],
)


def test_correlations_by_hand():
    """1 - 6 sum d^2 / (n (n^2 - 1)): of mig and sap two swaps of neighbours, sum d^2 = 4, 1 - 24 / 120 = 0.8."""
    (found,) = agreement(ROWS)
    table = found.matrix()
    assert found.subject == "dsprites"
    assert table.loc["mig", "sap"] == pytest.approx(0.8)
    assert (found.models == 5).all()
    assert np.allclose(table, table.T)
    assert np.allclose(np.diag(table), 1)


def test_scores_of_which_lower_is_better_are_turned_round():
    """A falling reconstruction agrees with a rising MIG; the KL has no better side and keeps its sign."""
    (found,) = agreement(ROWS)
    assert found.matrix().loc["mig", "reconstruction_nats"] == pytest.approx(1)
    assert found.matrix().loc["mig", "kl_nats"] == pytest.approx(-1)
    assert found.matrix().loc["reconstruction_nats", "kl_nats"] == pytest.approx(-1)
    (plain,) = agreement(ROWS, oriented=False)
    assert plain.matrix().loc["mig", "reconstruction_nats"] == pytest.approx(-1)
    assert plain.matrix().loc["reconstruction_nats", "kl_nats"] == pytest.approx(1)


def test_monotone_changes_of_a_score_change_nothing():
    """Ranks are all that counts."""
    changed = ROWS.assign(mig=np.exp(30 * ROWS["mig"]))
    np.testing.assert_array_equal(agreement(changed)[0].correlation, agreement(ROWS)[0].correlation)


def test_what_orders_nothing_is_left_out_and_said():
    """Constant, rare and absent scores, each with its reason; those nobody has only if they are asked for."""
    rows = ROWS.assign(
        active_units=10.0,
        irs=[0.1, np.nan, np.inf, np.nan, 0.3],
        modularity=[0.1] + [np.nan] * 4,
        explicitness=np.nan,
    )
    (found,) = agreement(rows)
    assert found.left_out == {
        "active_units": "the same for all 5 models",
        "irs": "only 2 models have it",
        "modularity": "only 1 model has it",
    }
    assert set(found.scores) == {"mig", "sap", "reconstruction_nats", "kl_nats"}
    assert agreement(rows, ["mig", "explicitness"])[0].left_out == {"explicitness": "no model has it"}


def test_pairs_use_the_models_that_have_both():
    """Against scipy, pair by pair, with gaps of three kinds."""
    random = np.random.default_rng(0)
    table = random.normal(size=(30, 4))
    table[:, 1] += table[:, 0]
    table[::3, 1] = np.nan
    table[::4, 2] = np.inf
    table[:, 3] = np.round(table[:, 3])  # ties
    found = rank_correlation(table, resamples=0, permutations=0)
    for a, b in itertools.combinations(range(4), 2):
        both = np.isfinite(table[:, [a, b]]).all(axis=1)
        assert found.rows[a, b] == both.sum()
        expected = spearmanr(table[both][:, a], table[both][:, b]).statistic
        assert found.correlation[a, b] == pytest.approx(expected) == found.correlation[b, a]
    assert np.isnan(found.low).all()
    assert np.isnan(found.p_value).all()


def test_a_pair_that_is_constant_together_has_no_correlation():
    """Each varies, but not where the other is."""
    table = np.array([[0, 1.0], [0, 2], [0, 3], [1, np.nan]])
    found = rank_correlation(table)
    assert np.isnan(found.correlation[0, 1])
    assert np.isnan(found.p_value[0, 1])
    assert np.isnan([found.low[0, 1], found.high[0, 1]]).all()


def test_few_models_have_exact_p_values():
    """Of the 4! orders of four models two are as extreme as 1 is; six more as 0.8 is, one swap of neighbours away."""
    found = rank_correlation(np.array([[1.0, 1, 1], [2, 2, 2], [3, 3, 4], [4, 4, 3]]))
    assert found.p_value[0, 1] == pytest.approx(2 / 24)
    assert found.p_value[0, 2] == pytest.approx(8 / 24)
    assert np.isnan(np.diag(found.p_value)).all()


def test_p_values_of_unrelated_scores_are_uniform():
    """Below 0.05 in about 5 % of 190 pairs: binomial, standard deviation 3."""
    found = rank_correlation(np.random.default_rng(1).normal(size=(40, 20)), resamples=0)
    p_values = found.p_value[np.triu_indices(20, 1)]
    assert 2 <= (p_values < 0.05).sum() <= 18
    assert p_values.mean() == pytest.approx(0.5, abs=0.08)
    assert p_values.min() >= 1 / 1001


def test_intervals_hold_the_truth():
    """Normal pairs with correlation 0.7 have Spearman's 6 / pi asin(0.35): in 95 % of intervals, here most of 40."""
    truth, inside = 6 / np.pi * np.arcsin(0.35), 0
    for seed in range(40):
        normal = np.random.default_rng(seed).normal(size=(60, 2))
        normal[:, 1] = 0.7 * normal[:, 0] + np.sqrt(1 - 0.49) * normal[:, 1]
        found = rank_correlation(normal, resamples=200, permutations=0)
        inside += found.low[0, 1] <= truth <= found.high[0, 1]
        assert found.low[0, 1] < found.correlation[0, 1] < found.high[0, 1]
    assert inside >= 34


def test_resamples_are_ranked_anew():
    """Against scipy on the very rows that were drawn, ties and all."""
    random = np.random.default_rng(3)
    table = np.column_stack([random.normal(size=15), np.round(random.normal(size=15))])
    found = rank_correlation(table, resamples=200, permutations=0, seed=5)
    generator = np.random.Generator(np.random.Philox([5, 0]))
    drawn = [spearmanr(table[generator.integers(0, 15, size=15)]).statistic for _ in range(200)]
    assert [found.low[0, 1], found.high[0, 1]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))


def test_the_seed_decides_everything_drawn():
    """Same seed, same numbers; another, others."""
    random = np.random.default_rng(0)
    rows = models(20, mig=random.normal(size=20), sap=random.normal(size=20))
    first, again, other = (agreement(rows, seed=seed)[0].pairs() for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first["low"].equals(other["low"])


def test_models_are_compared_within_what_was_asked_for():
    """Conditional models apart; by objective; by family, where they differ in their seed alone."""
    rows = invented(["beta_vae", "beta_tcvae", "cvae"], [1.0, 4.0], seeds=3, data_sets=["dsprites", "digits"])
    subjects = {
        name: [group.subject for group in agreement(rows, within=name, resamples=0)]
        for name in ("data_set", "objective")
    }
    assert subjects["data_set"] == ["dsprites", "dsprites given shape", "digits", "digits given digit"]
    assert subjects["objective"][:2] == ["dsprites, β-VAE", "dsprites, β-TCVAE"]
    families = agreement(rows, within="family", resamples=0)
    assert [group.subject for group in families][:2] == ["dsprites, β-VAE, β = 1", "dsprites, β-VAE, β = 4"]
    assert all((group.models == 3).all() for group in families)
    with pytest.raises(BadInput, match="unknown group of models 'seeds'"):
        agreement(rows, within="seeds")
    with pytest.raises(BadInput, match="unknown score 'migg'; did you mean 'mig'"):
        agreement(rows, ["migg"])


def test_strength_can_be_all_that_scores_agree_on():
    """Both fall with strength and are noise on seeds: related over the data set, unrelated within families."""
    random = np.random.default_rng(0)
    parts = [
        models(8, mig=-strength + 0.1 * random.normal(size=8), sap=-strength + 0.1 * random.normal(size=8))
        .assign(strength=strength)
        for strength in (1.0, 2.0, 3.0, 4.0)
    ]  # fmt: skip
    rows = pd.concat(parts, ignore_index=True)
    assert agreement(rows)[0].correlation[0, 1] > 0.9
    assert abs(np.mean([group.correlation[0, 1] for group in agreement(rows, within="family")])) < 0.5


def test_models_that_failed_or_diverged_are_not_compared():
    """Five of seven rows are."""
    rows = pd.concat([ROWS, ROWS.iloc[:2].assign(status=["failed", "diverged"], mig=9.0)], ignore_index=True)
    pd.testing.assert_frame_equal(agreement(rows)[0].matrix(), agreement(ROWS)[0].matrix())


def test_groups_too_small_say_so():
    """Two models always agree or disagree: no score is kept."""
    (found,) = agreement(ROWS.iloc[:2])
    assert found.scores == ()
    assert set(found.left_out.values()) == {"only 2 models have it"}
    assert len(found.pairs()) == 0


def test_pairs_are_a_line_each():
    """N (n - 1) / 2 of them, each with everything that is known."""
    pairs = agreement(ROWS)[0].pairs()
    assert len(pairs) == 6
    line = pairs.set_index(["score", "other"]).loc[("mig", "sap")]
    assert line["correlation"] == pytest.approx(0.8)
    assert line["low"] <= 0.8 <= line["high"]
    assert 0 < line["p_value"] < 1
    assert line["models"] == 5
