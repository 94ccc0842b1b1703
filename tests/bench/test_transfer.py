"""Rankings and choices on another data set: by hand, against every pair written out, and what seeds alone leave."""

import numpy as np
import pandas as pd
import pytest
from made_up import models
from scipy.stats import spearmanr

from disbench.bench import BadInput
from disbench.bench.analysis.choice_transfer import choice_transfer, chosen_by_one_seed, chosen_by_other_seeds
from disbench.bench.analysis.ranking_transfer import ranking_transfer

SETTINGS = [(o, s) for o in ("beta_vae", "beta_tcvae") for s in (1, 4)]


def two_data_sets(here, there, noise=(-0.1, 0, 0.1), **more):
    """Settings with these means, three seeds each."""
    return pd.concat(
        [
            models(
                {key: [mean + n for n in noise] for key, mean in zip(SETTINGS, means, strict=True)},
                name,
                **more,
            )
            for name, means in (("dsprites", here), ("digits", there))
        ],
        ignore_index=True,
    )


def test_rankings_by_hand():
    """Means ordered 1 2 3 4 and 1 2 4 3: 1 - 6 * 2 / 60 = 0.8, and 8 of 24 orders are as far off."""
    found = ranking_transfer(two_data_sets([1, 2, 3, 4], [1, 2, 4, 3]), resamples=50)
    (line,) = found.table.itertuples()
    assert (line.subject, line.other_subject) == ("dsprites", "digits")
    assert (line.score, line.other_score, line.ranked) == ("mig", "mig", 4)
    assert line.correlation == pytest.approx(0.8)
    assert line.p_value == pytest.approx(8 / 24)
    assert line.low <= 0.8 <= line.high
    assert found.left_out == {}


def test_what_seeds_alone_leave():
    """Settings far apart keep their order by half of the seeds; settings that are all alike do not."""
    (clear,) = ranking_transfer(two_data_sets([1, 2, 3, 4], [4, 3, 2, 1]), resamples=0).table.itertuples()
    assert (clear.own_seeds, clear.other_own_seeds) == pytest.approx((1, 1))
    assert clear.correlation == pytest.approx(-1)
    random = np.random.default_rng(0)
    alike = models({("beta_vae", s): random.normal(size=10) for s in range(1, 13)})
    both = pd.concat([alike, alike.assign(data_set="digits")], ignore_index=True)
    (noise,) = ranking_transfer(both, resamples=0, permutations=0).table.itertuples()
    assert noise.correlation == pytest.approx(1)
    assert abs(noise.own_seeds) < 0.5


def test_a_score_has_the_same_numbers_beside_others():
    """What is drawn for one does not hang on which others were asked for."""
    random = np.random.default_rng(0)
    rows = two_data_sets([1, 2, 3, 4], [1, 2, 4, 3], noise=[-2, -1, 0, 1.5])
    rows = rows.assign(sap=random.normal(size=len(rows)), elbo_nats=random.normal(size=len(rows)))
    alone = ranking_transfer(rows, ["sap"]).table
    beside = ranking_transfer(rows, ["elbo_nats", "mig", "sap"]).table
    pd.testing.assert_frame_equal(alone, beside[beside["score"] == "sap"].reset_index(drop=True))


def test_runs_are_matched_by_setting_and_seed():
    """Against scipy on the models themselves; models of one setting are no independent draws, so no p-value."""
    random = np.random.default_rng(0)
    here = models({key: random.normal(size=3) for key in SETTINGS})
    there = models({key: random.normal(size=3) for key in SETTINGS}, "digits").sample(frac=1, random_state=0)
    (line,) = ranking_transfer(pd.concat([here, there], ignore_index=True), of="runs").table.itertuples()
    assert line.ranked == 12
    assert line.correlation == pytest.approx(spearmanr(here["mig"], there.sort_index()["mig"]).statistic)
    assert np.isnan([line.p_value, line.low, line.high, line.own_seeds]).all()


def test_across_scores_and_directions():
    """A falling reconstruction prefers what a rising MIG prefers; KL keeps its sign; all four pairs are there."""
    rows = two_data_sets([1, 2, 3, 4], [1, 2, 3, 4])
    rows["reconstruction_nats"] = -rows["mig"]
    found = ranking_transfer(rows, ["mig", "reconstruction_nats"], across_scores=True, resamples=0).table
    assert list(zip(found["score"], found["other_score"], strict=True)) == [
        ("mig", "mig"),
        ("mig", "reconstruction_nats"),
        ("reconstruction_nats", "mig"),
        ("reconstruction_nats", "reconstruction_nats"),
    ]
    assert found["correlation"].tolist() == pytest.approx([1] * 4)
    assert len(ranking_transfer(rows, resamples=0).table) == 2


def test_rankings_that_cannot_be_compared_say_so():
    """Fewer than three common settings, two seeds, one data set, no common objective, a constant score."""
    rows = two_data_sets([1, 2, 3, 4], [1, 2, 3, 4])
    fewer = rows[(rows["data_set"] == "dsprites") | (rows["objective"] == "beta_vae")]
    assert ranking_transfer(fewer).left_out == {
        "dsprites and digits": "needs 3 common settings of 3 models on either, has 2"
    }
    two = ranking_transfer(rows[rows["seed"] < 2])
    assert two.table.empty
    assert "has 0" in two.left_out["dsprites and digits"]
    alone = ranking_transfer(rows[rows["data_set"] == "dsprites"])
    assert alone.left_out == {"dsprites": "no other data set has any of its objectives"}
    constant = ranking_transfer(rows.assign(active_units=3.0), ["mig", "active_units"], resamples=0)
    assert constant.table["score"].tolist() == ["mig"]
    assert "is the same for all common settings" in constant.left_out["dsprites and digits: active_units"]
    with pytest.raises(BadInput, match="unknown kind of ranking 'seeds'; known: settings, runs"):
        ranking_transfer(rows, of="seeds")


def test_choices_by_hand():
    """Two settings, the second better: of random rivals half are worse, half as good, 0.75; told wrongly, 0.25."""
    good = np.array([[1.0, 1, 1], [2, 2, 2]])
    for chance in (chosen_by_one_seed, chosen_by_other_seeds):
        assert chance(good, good) == pytest.approx(0.75)
        assert chance(-good, good) == pytest.approx(0.25)
        assert chance(np.ones((2, 3)), good) == pytest.approx(0.5)  # equally good: either is chosen


@pytest.mark.parametrize("seed", range(3))
def test_choices_against_every_pair(seed):
    """All seeds that choose, all models of the choice, all rivals, written out."""
    random = np.random.default_rng(seed)
    told, judged = random.normal(size=(3, 4)), np.round(random.normal(size=(3, 4)))
    won = []
    for chooser in range(4):
        chosen, others = int(np.argmax(told[:, chooser])), [s for s in range(4) if s != chooser]
        won += [
            (judged[chosen, mine] > judged[rival, its]) + 0.5 * (judged[chosen, mine] == judged[rival, its])
            for mine in others
            for rival in range(3)
            for its in others
        ]
    assert chosen_by_one_seed(told, judged) == pytest.approx(np.mean(won))
    won = []
    for kept in range(4):
        chosen = int(np.argmax(np.delete(told, kept, axis=1).mean(axis=1)))
        won += [
            (judged[chosen, kept] > judged[rival, kept]) + 0.5 * (judged[chosen, kept] == judged[rival, kept])
            for rival in range(3)
        ]
    assert chosen_by_other_seeds(told, judged) == pytest.approx(np.mean(won))


def test_luck_of_a_seed_is_not_carried_over():
    """Scores that are all seed: what was best by luck is no better on other seeds."""
    random = np.random.default_rng(0)
    chances = []
    for _ in range(100):
        noise = random.normal(size=(6, 5))
        chances.append([chosen_by_one_seed(noise, noise), chosen_by_other_seeds(noise, noise)])
    assert np.mean(chances, axis=0) == pytest.approx([0.5, 0.5], abs=0.06)


def test_choices_on_two_data_sets():
    """Four combinations of where chosen and judged; what is turned round there loses there."""
    found = choice_transfer(two_data_sets([1, 2, 3, 4], [4, 3, 2, 1]))
    chances = found.table.set_index(["chosen_on", "judged_on"])["by_one_seed"]
    assert chances["dsprites", "dsprites"] == pytest.approx(
        7 / 8
    )  # beats three of four, ties with the fourth
    assert chances["dsprites", "digits"] == pytest.approx(1 / 8)
    assert len(found.table) == 4
    assert (found.table["settings"] == 4).all()
    assert (found.table["seeds"] == 3).all()


def test_diverged_models_are_neither_chosen_nor_met():
    """Of four models three are left of the better setting, and two of one that is gone.

    The seed without it chooses the other, which meets three equals and three betters: 0.25. The others choose it, and
    it beats three and meets two equals: 0.8.
    """
    scores = {
        ("beta_vae", 1): [1, 1, 1, 1],
        ("beta_vae", 4): [9, None, 9, 9],
        ("beta_vae", 8): [None, None, 99, 99],
    }
    (line,) = choice_transfer(models(scores)).table.itertuples()
    assert line.settings == 2
    assert line.by_one_seed == pytest.approx((0.25 + 3 * 0.8) / 4)
    assert line.by_other_seeds == pytest.approx(0.75)


def test_choices_that_cannot_be_judged_say_so():
    """Two seeds; a score without a better side; scores that are not there."""
    rows = two_data_sets([1, 2, 3, 4], [1, 2, 3, 4])
    two = choice_transfer(rows[rows["seed"] < 2])
    assert two.table.empty
    assert "needs two settings and 3 seeds that both have" in two.left_out["dsprites"]
    assert choice_transfer(rows, ["mig", "sap"]).left_out["digits: sap"] == "no model has it"
    alike = choice_transfer(rows.assign(sap=1.0), ["mig", "sap"])
    assert set(alike.table["chosen_by"]) == {"mig"}
    assert alike.left_out["digits: sap"] == "the same for all 12 models"
    with pytest.raises(BadInput, match="kl_nats has no better side"):
        choice_transfer(rows, ["kl_nats"])
