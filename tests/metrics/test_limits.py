"""What every score says of codes whose quality is known: the page of limits, and arrays that no score takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from disbench.metrics import METRICS, compute, limits, limits_page
from disbench.metrics.limits import ASKS, Case, cases, should_be_one, surprises

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics" / "limits.md"
SUPERVISED = [name for name, metric in METRICS.items() if "factors" in metric.inputs]


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, float | str]]:
    return limits()


@pytest.mark.slow
def test_the_page_is_what_the_command_prints(table):
    """The published tables are the measured ones, to the last digit."""
    document = DOCUMENT.read_text()
    for printed in limits_page(table).split("\n\n"):
        assert printed in document


@pytest.mark.slow
def test_perfect_codes_are_perfect_to_all_but_those_that_say_so(table):
    """Whatever their order and signs; the exceptions are explained on the page."""
    below = {
        column
        for case in ("perfect", "permuted")
        for column, value in table[case].items()
        if column in ASKS and value < 0.95
    }
    assert below == {"sap"}


@pytest.mark.slow
def test_order_and_sign_of_codes_change_nothing(table):
    """Beyond what a forest's draws do."""
    for column in ASKS:
        assert table["permuted"][column] == pytest.approx(table["perfect"][column], abs=0.02), column


@pytest.mark.slow
def test_codes_that_lack_what_a_score_asks_for_score_lower(table):
    """For each flaw, all scores that ask for it fall, but those that the page marks."""
    known = cases()
    blind = {
        case: {
            column
            for column in ASKS
            if not should_be_one(column, known[case]) and surprises(column, known[case], table[case][column])
        }
        for case in ("rotated", "duplicated", "missing", "merged", "collapsed", "unrelated")
    }
    flat = {"dci_explicitness"}  # a curve of losses that stays where it is
    assert blind == {
        "rotated": set(),
        "duplicated": set(),
        "missing": flat,
        "merged": {"beta_vae_score"},
        "collapsed": flat,
        "unrelated": flat,
    }


@pytest.mark.slow
def test_what_should_be_one_and_is_not(table):
    """The daggers of codes that have all that is asked for, as the page explains them."""
    known = cases()
    fallen = {
        case: {
            column
            for column in ASKS
            if should_be_one(column, known[case]) and surprises(column, known[case], table[case][column])
        }
        for case in ("dead", "noise", "renamed", "scattered", "constant", "single")
    }
    assert fallen == {
        "dead": {"sap", "modularity", "mig_sup"},
        "noise": {"sap", "modularity", "mig_sup", "infom", "irs"},
        "renamed": {"sap"},
        "scattered": {
            "sap",
            "jemmig",
            "med",
            "dci_explicitness",
            "factor_vae_score",
            "z_min_variance",
            "irs",
        },
        "constant": {"sap", "modularity", "mig_sup", "irs"},
        "single": {"z_min_variance"},
    }


@pytest.mark.slow
def test_without_factors_values_are_known(table):
    """I(x; z) of narrow posteriors on 120 points is ln 120, less their unequal counts; copies tell each other whole.

    The decomposition's total correlation of a copy of every code is that of one set of codes given the other: I again.
    Minibatch weighted sampling reads (D - 1) ln N = 2 ln 3000 too much.
    """
    independent, copied = table["perfect"], table["duplicated"]
    assert independent["mutual_information_nats"] == pytest.approx(np.log(120), abs=0.05)
    assert independent["total_correlation_nats"] == pytest.approx(0, abs=0.05)
    assert copied["total_correlation_nats"] == pytest.approx(np.log(120), abs=0.05)
    assert copied["gaussian_total_correlation"] == np.inf
    assert independent["gaussian_total_correlation"] == pytest.approx(0, abs=0.01)
    offset = independent["total_correlation_mws_nats"] - independent["total_correlation_mss_nats"]
    assert offset == pytest.approx(2 * np.log(3000), rel=0.2)
    assert [table[case]["active_units"] for case in ("perfect", "duplicated", "dead", "noise", "missing")] == [
        3, 6, 3, 5, 2,
    ]  # fmt: skip


def test_a_surprise_is_told_from_what_should_be():
    """1 where all is there that is asked for, below 1 elsewhere; 0.95 counts as 1."""
    whole = Case("whole", "", "MCELO", np.zeros((1, 1)), np.zeros((1, 1), dtype=int))
    turned = Case("turned", "", "ELO", np.zeros((1, 1)), np.zeros((1, 1), dtype=int))
    assert not surprises("mig", whole, 0.96)
    assert surprises("mig", whole, 0.94)
    assert surprises("mig", turned, 0.97)
    assert not surprises("mig", turned, 0.5)


# -- arrays that are not in order ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_every_metric_refuses_what_is_no_number(name, damage):
    """In one line that names the array, whichever of them it is in."""
    random = np.random.default_rng(0)
    arrays = {
        "codes": random.standard_normal((60, 2)),
        "mean": random.standard_normal((60, 2)),
        "logvar": np.zeros((60, 2)),
        "factors": random.integers(0, 3, size=(60, 2)),
        "condition": random.integers(0, 3, size=60),
    }
    metric = METRICS[name]
    for array in set(metric.inputs) & {"codes", "mean", "logvar"}:
        damaged = {key: arrays[key].copy() for key in metric.inputs}
        damaged[array][7, 1] = damage
        with pytest.raises(ValueError, match=array) as raised:
            compute([name], **damaged, whole=metric.whole)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", SUPERVISED)
@pytest.mark.parametrize(("codes", "factors"), [(1, 3), (7, 2), (1, 1)])
def test_more_codes_than_factors_and_fewer(name, codes, factors):
    """Every score is a finite number of whatever shape of problem."""
    random = np.random.default_rng(1)
    classes = random.integers(0, 3, size=(120, factors))
    mean = random.standard_normal((120, codes)) + classes[:, [0]]
    given = {"codes": mean, "mean": mean, "logvar": np.zeros(mean.shape), "factors": classes}
    metric = METRICS[name]
    columns = compute([name], **{key: given[key] for key in metric.inputs}, whole=metric.whole)
    for score in metric.scores:
        assert np.isfinite(columns[score.column]).all(), score.column


@pytest.mark.parametrize("name", SUPERVISED)
def test_whole_numbers_as_codes(name):
    """Quantised codes are codes: integers give what the same floats give."""
    factors = np.indices((4, 5, 6)).reshape(3, -1).T
    factors = np.tile(factors, (3, 1))[np.random.default_rng(2).permutation(360)]
    metric = METRICS[name]
    found = []
    for codes in (factors, factors.astype(np.float64)):
        given = {"codes": codes, "mean": codes, "logvar": np.full(codes.shape, -4.0), "factors": factors}
        found.append(compute([name], **{key: given[key] for key in metric.inputs}, whole=metric.whole))
    assert found[0] == found[1]
