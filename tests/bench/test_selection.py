"""Picks by scores that know no factors: by hand, against every set, limits, sides, pools, what is left out."""

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up import models

from disbench.bench import BadInput
from disbench.bench.analysis.selection import picked_of, selection

BY_HAND = models({("beta_vae", 4): [1, 2, 4, 3]}).assign(elbo_nats=[-4.0, -3, -2, -1])


def lines(found, **chosen):
    """The only line with these values."""
    table = found.table
    for name, value in chosen.items():
        table = table[table[name] == value]
    (line,) = table.itertuples()
    return line


def test_by_hand():
    """The best of two by ELBO is the second, third, fourth in 1, 2, 3 of 6 sets: (2 + 2 * 4 + 3 * 3) / 6 = 19/6.

    A random model has 15/6, the best of two 20/6 (1 * 2 + 2 * 3 + 3 * 4 over six), so 4/5 of its lead are kept.
    """
    line = lines(selection(BY_HAND, of=[2], resamples=50), of=2)
    assert (line.subject, line.by, line.side, line.score, line.models) == (
        "dsprites",
        "elbo_nats",
        "highest",
        "mig",
        4,
    )
    assert line.picked == pytest.approx(19 / 6)
    assert line.random == pytest.approx(15 / 6)
    assert line.oracle == pytest.approx(20 / 6)
    assert line.regret == pytest.approx(1 / 6)
    assert line.gain == pytest.approx(4 / 5)
    assert line.correlation == pytest.approx(0.8)
    assert line.p_value == pytest.approx(8 / 24)
    assert line.gain_low <= 0.8 <= line.gain_high


def test_picking_from_all():
    """The one with the best ELBO has 3, the best 4: a third of the lead of 4 over 2.5 is kept."""
    line = lines(selection(BY_HAND, of=[2, 99], resamples=0), of=4)
    assert (line.picked, line.oracle, line.regret) == pytest.approx((3, 4, 1))
    assert line.gain == pytest.approx(1 / 3)
    assert np.isnan(line.gain_low)


def test_against_every_set():
    """Ties in what picks: any of the equal ones, on average."""
    random = np.random.default_rng(0)
    merits, judged = random.integers(0, 3, size=(7, 2)).astype(float), random.normal(size=(7, 1))
    found = picked_of(merits, judged, 3)
    sets = [list(some) for some in itertools.combinations(range(7), 3)]
    for column in range(2):
        picked = [judged[some, 0][merits[some, column] == merits[some, column].max()].mean() for some in sets]
        # Any of the equal ones in a set; over all sets each of a kind is there as often.
        assert found.picked[column, 0] == pytest.approx(np.mean(picked))
    assert found.oracle[0] == pytest.approx(np.mean([judged[some, 0].max() for some in sets]))
    assert found.random[0] == pytest.approx(judged.mean())


def test_limits_of_the_gain():
    """1 for the score itself, 0 on average for noise; no gain where all are equal or the pick is among one."""
    random = np.random.default_rng(0)
    judged = random.normal(size=(200, 1))
    noise = random.normal(size=(200, 300))
    assert picked_of(judged, judged, 5).gain == pytest.approx(1)
    assert picked_of(-judged, judged, 5).gain < -0.9
    assert picked_of(noise, judged, 5).gain.mean() == pytest.approx(0, abs=0.02)
    assert np.isnan(picked_of(judged, np.ones((200, 1)), 5).gain)
    assert np.isnan(picked_of(judged, judged, 1).gain)


def test_directions_and_sides():
    """Lower reconstruction is picked first and lower unfairness is better; KL picks by both ends."""
    rows = BY_HAND.assign(
        reconstruction_nats=[4.0, 3, 2, 1], kl_nats=[1.0, 2, 3, 4], unfairness=[4.0, 3, 1, 2]
    )
    found = selection(rows, ["mig", "unfairness"], of=[2], resamples=0)
    by_elbo, by_recon = (
        lines(found, by=name, score="unfairness", of=2) for name in ("elbo_nats", "reconstruction_nats")
    )
    assert by_recon.side == "lowest"
    assert by_elbo[9:] == pytest.approx(by_recon[9:], nan_ok=True)
    assert by_elbo.picked == pytest.approx(5 - 19 / 6)  # unfairness is 5 less the MIG
    assert by_elbo.oracle == pytest.approx(5 - 20 / 6)
    assert by_elbo.gain == pytest.approx(4 / 5)
    high, low = (lines(found, by="kl_nats", side=side, score="mig", of=2) for side in ("highest", "lowest"))
    assert high.correlation == pytest.approx(0.8) == -low.correlation
    assert high.gain == pytest.approx(4 / 5)
    assert low.picked == pytest.approx((3 * 1 + 2 * 2 + 4) / 6)


def test_intervals_hold_the_truth():
    """Picks by a score with correlation 0.8 keep 0.8 of a normal score's lead; in most of 20 intervals."""
    inside = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        judged = random.normal(size=60)
        rows = models({("beta_vae", 4): judged}).assign(elbo_nats=0.8 * judged + 0.6 * random.normal(size=60))
        line = lines(selection(rows, of=[5], resamples=100, permutations=0), of=5)
        inside += line.gain_low <= 0.8 <= line.gain_high
        assert line.gain_low < line.gain < line.gain_high
    assert inside >= 16


def test_pools():
    """Picking among all models of a data set rewards what follows the strength; among seeds it does not."""
    random = np.random.default_rng(0)
    strengths = [1, 2, 4, 8]
    scores = {("beta_vae", s): s + 0.1 * random.normal(size=6) for s in strengths}
    rows = models(scores).assign(elbo_nats=np.repeat(strengths, 6) + 0.1 * random.normal(size=24))
    whole = lines(selection(rows, of=[5], resamples=0), of=5)
    assert whole.gain > 0.9
    families = selection(rows, of=[3], within="family", resamples=0).table
    assert families["subject"].unique().tolist()[0] == "dsprites, β-VAE, β = 1"
    assert abs(families[families["of"] == 3]["gain"].mean()) < 0.7
    with pytest.raises(BadInput, match="unknown group of models 'seed'"):
        selection(rows, within="seed")


def test_udr_is_handed_in_by_run():
    """It picks beside the others, over the models that have it."""
    by_run = dict(zip(BY_HAND["run_id"][:3], [0.3, 0.2, 0.1], strict=True))
    found = selection(BY_HAND, of=[2], udr=by_run, resamples=0)
    assert lines(found, by="udr", of=2).models == 3
    assert lines(found, by="udr", of=2).picked == pytest.approx((1 + 1 + 2) / 3)
    assert lines(found, by="elbo_nats", of=2).models == 4
    with pytest.raises(BadInput, match="UDR is no column of rows"):
        selection(BY_HAND, by=["udr"])


def test_gaps_leave_models_out_pair_by_pair():
    """A score that three of four models have picks among these; one that two have is left out and said."""
    rows = BY_HAND.assign(
        reconstruction_nats=[4.0, 3, np.nan, 1], kl_nats=[1.0, 2, np.nan, np.nan], active_units=5.0
    )
    found = selection(rows, of=[2], resamples=0)
    assert lines(found, by="reconstruction_nats", of=2).models == 3
    assert lines(found, by="reconstruction_nats", of=3).picked == 3
    assert found.left_out == {
        "dsprites: kl_nats": "only 2 models have it",
        "dsprites: active_units": "the same for all 4 models",
    }


def test_pools_too_small_say_so():
    """Two models are no choice; names and numbers that are none."""
    found = selection(BY_HAND[:2])
    assert found.table.empty
    assert set(found.left_out.values()) == {"only 2 models have it"}
    with pytest.raises(BadInput, match="2 models or more, got 1"):
        selection(BY_HAND, of=[1])
    with pytest.raises(BadInput, match="unknown score 'elbo'"):
        selection(BY_HAND, by=["elbo"])
    with pytest.raises(BadInput, match="kl_nats has no better side"):
        selection(BY_HAND, ["kl_nats"])
    pd.testing.assert_frame_equal(selection(BY_HAND).table, selection(BY_HAND).table)
