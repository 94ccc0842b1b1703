"""Scores with intervals: what they are centred on, how wide they are, and what they leave out."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from disbench.metrics import (
    METRICS,
    Result,
    compute,
    function_of,
    measure,
    mig,
    mig_chen,
    page,
)
from disbench.metrics.compute import PROTOCOL

ROWS, TRAIN = 600, 400
QUICK = ["mig", "sap", "modularity", "factor_vae_score", "gaussian_total_correlation", "active_units"]


def noisy(rows: int, seed: int) -> dict[str, np.ndarray]:
    """A sample of codes that know their factors through noise."""
    random = np.random.default_rng(seed)
    factors = random.integers(0, [3, 4], size=(rows, 2))
    codes = factors + 0.7 * random.standard_normal((rows, 2))
    return {"codes": codes, "factors": factors, "mean": codes, "logvar": np.full(codes.shape, -1.0)}


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return noisy(ROWS, 0)


@pytest.fixture(scope="module")
def measured(arrays: dict[str, np.ndarray]) -> dict[str, Result]:
    return measure(QUICK, **arrays, train=TRAIN, seed=3, draws=8)


# -- values -------------------------------------------------------------------------------------------------


def test_values_are_those_of_compute(arrays, measured):
    """An interval never moves the value that it stands around; columns keep the table's order."""
    assert {name: result.value for name, result in measured.items()} == compute(
        QUICK, **arrays, train=TRAIN, seed=3
    )
    assert list(measured) == [score.column for name in QUICK for score in METRICS[name].scores]
    for result in measured.values():
        low, high = result.interval
        assert low <= result.value <= high
        assert result.deviation >= 0


def test_the_same_seed_gives_the_same_interval(arrays, measured):
    """Whatever threads do: draws belong to the seed."""
    again = measure(QUICK, **arrays, train=TRAIN, seed=3, draws=8)
    assert {name: result.interval for name, result in again.items()} == {
        name: result.interval for name, result in measured.items()
    }
    other = measure(["mig"], **arrays, train=TRAIN, seed=4, draws=8)["mig"]
    assert other.interval != measured["mig"].interval


# -- intervals ----------------------------------------------------------------------------------------------


def test_a_half_without_replacement_moves_as_the_whole_does():
    """The variance of the mean of half of N rows is S^2 / (N / 2) (1 - 1 / 2) = S^2 / N, that of the whole."""
    random = np.random.default_rng(1)
    rows = random.standard_normal((10, 4_000))
    halves = [[random.permutation(row)[:2_000].mean() for _ in range(60)] for row in rows]
    assert np.std(halves, axis=1).mean() == pytest.approx(1 / math.sqrt(4_000), rel=0.1)


@pytest.mark.parametrize("name", ["gaussian_total_correlation", "sap_continuous"])
def test_deviation_is_that_of_new_samples(name):
    """Against the spread over 60 samples drawn anew: within half and double, on average over ten of them."""

    def entangled(seed: int) -> dict[str, np.ndarray]:
        found = noisy(1_000, seed)
        return {"codes": found["codes"] @ np.array([[1.0, 0.4], [0.0, 1.0]]), "factors": found["factors"]}

    truth = np.std([compute([name], **entangled(seed), train=600)[name] for seed in range(60)])
    guesses = [
        measure([name], **entangled(seed), train=600, draws=20)[name].deviation for seed in range(100, 110)
    ]
    assert 0.5 * truth < np.mean(guesses) < 2 * truth


def test_more_rows_narrow_the_interval():
    """By the square root of ten."""
    few, many = (
        measure(["sap_continuous"], **noisy(rows, 5), draws=30)["sap_continuous"].deviation
        for rows in (1_000, 10_000)
    )
    assert few / many == pytest.approx(math.sqrt(10), rel=0.5)


def test_intervals_of_shares_stay_shares(arrays):
    """A perfect score has no room above."""
    factors = arrays["factors"]
    result = measure(["factor_vae_score"], codes=factors.astype(float), factors=factors)["factor_vae_score"]
    assert result.value == 1
    assert result.interval == (1, 1)


def test_a_wider_level_is_wider(arrays):
    """By Student's t of the draws' number."""
    half, most = (
        measure(["sap_continuous"], **arrays, train=TRAIN, draws=8, level=level)["sap_continuous"].interval
        for level in (0.5, 0.99)
    )
    assert most[0] < half[0] < half[1] < most[1]


def test_what_has_no_interval(arrays):
    """Lists, no draws asked for, too few rows to halve, an infinite value; and trees get a third of the draws."""
    listed = measure(["kl_decomposition"], **arrays, train=TRAIN, draws=3)
    assert listed["kl_per_dimension_nats"].interval is None
    assert listed["kl_nats"].interval is not None
    assert measure(["mig"], **arrays, draws=0)["mig"].interval is None
    tiny = {name: array[:20] for name, array in arrays.items()}
    assert measure(["mig"], **tiny)["mig"].interval is None
    copied = np.repeat(arrays["codes"][:, :1], 2, axis=1)
    infinite = measure(["gaussian_total_correlation"], codes=copied)["gaussian_total_correlation"]
    assert (infinite.value, infinite.interval) == (math.inf, None)
    grown = measure(["dci"], **arrays, draws=12, options={"dci": {"rounds": 2}})
    assert grown["dci_completeness"].draws == 4


# -- a whole data set ---------------------------------------------------------------------------------------


def test_whole_data_sets_have_exact_scores_beside_drawn_ones():
    """Exact: from every row, without an interval. Drawn: as many as the study draws, 10,000 and 5,000."""
    arrays = noisy(40_000, 2)
    results = measure(["mig", "mig_exact"], **arrays, whole=True, draws=3)
    exact, drawn = results["mig_exact"], results["mig"]
    assert exact.value == mig(arrays["codes"], arrays["factors"])
    assert (exact.rows, exact.interval) == (40_000, None)
    assert drawn.rows == PROTOCOL[0]
    assert drawn.interval is not None
    assert drawn.value != exact.value
    assert drawn.value == pytest.approx(exact.value, abs=0.03)


def test_the_authors_gap_has_the_aggregate_of_every_row():
    """20,000 posteriors: `mig_chen` sees 15,000 of them in a whole data set too, `mig_chen_exact` all."""
    arrays = noisy(20_000, 2)
    posterior = {"mean": arrays["codes"], "logvar": np.full(arrays["codes"].shape, -2.0)}
    names, few = ("mig_chen", "mig_chen_exact"), {"samples": 50}
    columns = compute(
        names, **posterior, factors=arrays["factors"], whole=True, options=dict.fromkeys(names, few)
    )
    assert columns["mig_chen_exact"] == mig_chen(*posterior.values(), arrays["factors"], **few)
    assert columns["mig_chen"] != columns["mig_chen_exact"]


def test_a_small_whole_data_set_is_scored_on_all_its_rows():
    """Two thirds train, shuffled: the order of a grid must not decide what is tested."""
    grid = np.indices((10, 10, 10)).reshape(3, -1).T
    columns = compute(["sap", "mig_exact"], codes=grid.astype(float), factors=grid, whole=True)
    assert columns["mig_exact"] == pytest.approx(1)
    assert columns["sap"] > 0.1  # in grid order the last third's classes would be new to the classifier


# -- the result ---------------------------------------------------------------------------------------------


def test_a_result_prints_all_it_takes_to_read_it(measured):
    """Value, interval, estimator, settings, rows, seed, direction; on one line."""
    text = str(measured["mig"])
    low, high = measured["mig"].interval
    assert text == (
        f"mig {measured['mig'].value:.4f} [{low:.4f}, {high:.4f}] "
        "(mig, bins=20; 400 rows; seed 3; higher is better)"
    )
    assert float(measured["mig"]) == measured["mig"].value
    assert "active_units" in str(measured["active_units"])
    assert "nats" in str(measured["gaussian_total_correlation"])


def test_settings_are_those_of_the_call(arrays):
    """Defaults, what the table's row fixes, and options; never the arrays, the seed or the threads."""
    results = measure(["mig", "infomec_range", "dci"], **arrays, draws=0, options={"mig": {"bins": 5}})
    assert results["mig"].settings == {"bins": 5}
    assert results["infom_range"].settings["convention"] == "range"
    assert results["infom_range"].estimator == "infomec"
    assert set(results["dci_completeness"].settings) == {"estimator", "rounds", "bins", "fit_rows"}


def test_function_of_a_row():
    """The function itself, whatever keywords the row fixes."""
    assert function_of(METRICS["mig_exact"]) is mig
    assert function_of(METRICS["infomec_range"]).__name__ == "infomec"


def test_progress_counts_every_scoring(arrays):
    """One for the whole, one for each half."""
    seen = []
    measure(
        ["mig", "modularity"],
        **arrays,
        draws=4,
        progress=lambda done, whole: seen.append((done, whole)),
    )
    assert seen == [(number, 10) for number in range(1, 11)]


def test_threads_of_libraries_are_given_back(arrays):
    """Metrics limit them while they run, several at a time."""
    before = [library["num_threads"] for library in threadpool_info()]
    measure(["explicitness", "sap", "beta_vae_score"], **arrays, draws=6)
    assert [library["num_threads"] for library in threadpool_info()] == before


def test_one_metric_alone_may_be_named(arrays):
    """Without a list around it, and twice is once."""
    assert measure("mig", **arrays, draws=0)["mig"].value == compute("mig", **arrays)["mig"]
    assert list(measure(["mig", "mig"], **arrays, draws=0)) == ["mig"]


def test_what_these_arrays_do_not_allow_is_left_out_and_said(arrays):
    """Where nothing was named: constant factors leave the scores that need none. Named, it is an error."""
    constant = {**arrays, "factors": np.zeros_like(arrays["factors"])}
    found = measure(**constant, draws=0)
    assert "gaussian_total_correlation" in found
    assert "mig" not in found
    assert "mig" in found.left_out
    assert "Not scored\nmig " in page(found)
    with pytest.raises(ValueError, match="factors"):
        measure(["mig"], **constant, draws=0)
    with pytest.raises(ValueError, match="factors"):
        measure(codes=arrays["codes"][:2], factors=constant["factors"], draws=0)


def test_intervals_keep_to_what_a_score_can_be():
    """Shares from 0 to 1, correlations from 0, what may be negative below it."""
    bounds = {score.column: score.bounds for metric in METRICS.values() for score in metric.scores}
    assert bounds["mig"] == (0, 1)
    assert bounds["dci_explicitness"] == (-1, 1)
    assert bounds["gaussian_total_correlation"] == (0, math.inf)
    assert bounds["total_correlation_nats"] == (-math.inf, math.inf)


def test_what_cannot_be_measured_is_said_in_one_line(arrays):
    """As `compute` says it, and what is about intervals."""
    for call, message in [
        (partial(measure, draws=-1, **arrays), "draws"),
        (partial(measure, draws=2, **arrays), "draws: expected 0, or at least 3 for a spread, got 2"),
        (partial(measure, level=1.0, **arrays), "level: expected a share between 0 and 1, got 1.0"),
        (partial(measure, ["mgi"], **arrays), "did you mean 'mig'"),
        (partial(measure, options={"mig": {"bin": 3}}, **arrays), "takes no option 'bin'"),
        (partial(measure, ["mig_exact"], **arrays), "is of a whole data set"),
    ]:
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)


# -- the page -----------------------------------------------------------------------------------------------


def test_a_page_for_people(measured):
    """Sections by what scores take; a line each; what brackets and arrows mean below."""
    text = page(measured)
    sections = text.split("\n\n")
    assert [section.split("\n")[0] for section in sections[:-1]] == [
        "Factors in codes",
        "Posteriors",
        "Codes alone",
    ]
    line = next(line for line in text.split("\n") if line.startswith("mig "))
    assert line.split()[1:3] == [f"{measured['mig'].value:.4f}", "↑"]
    assert "mutual information gap" in line
    assert (
        "600 rows, the first 400 of them train; seed 3; brackets: 95% intervals from 8 random halves" in text
    )
    assert "[" not in page(measure(["mig"], **noisy(60, 0), draws=0))
    assert page({}) == ""
