"""Figures over strengths and seeds: distributions by method, active units and collapse, intervals of means."""

import numpy as np
import pandas as pd
import pytest
from invented import invented
from readable import assert_readable, drawn
from scipy import stats

from disbench.bench.figures.active_units import THRESHOLDS, share_below
from disbench.bench.figures.arms import arms_of, mean_and_interval
from disbench.bench.figures.score_distributions import FEWEST, scattered
from disbench.bench.store import Store

SIX = ["beta_vae", "annealed_vae", "factor_vae", "dip_vae_i", "dip_vae_ii", "beta_tcvae"]
GRID = [1.0, 2.0, 4.0, 6.0, 8.0, 16.0]


@pytest.fixture
def empty(tmp_path) -> Store:
    """A store without weights."""
    return Store(tmp_path)


@pytest.mark.parametrize("name", ["score_distributions", "active_units", "scores", "rate_distortion"])
def test_six_methods_at_six_strengths_are_readable(name, empty):
    """The grid of the unsupervised study on one data set."""
    assert_readable(drawn(name, invented(SIX, GRID, 3, data_sets=["dsprites"]), empty))


@pytest.mark.parametrize("name", ["score_distributions", "active_units", "scores", "rate_distortion"])
def test_variants_with_long_names_are_readable(name, empty):
    """Two estimators and two learning rates of one objective."""
    rows = pd.concat(
        [
            invented(["beta_tcvae"], options={"estimator": e, "learning_rate": r}, data_sets=["dsprites"])
            for e, r in (("mws", 1e-3), ("mss", 1e-4))
        ],
        ignore_index=True,
    )
    assert_readable(drawn(name, rows, empty))


def test_intervals_are_those_of_a_t_test():
    """SciPy's interval of the mean of five values; none from two seeds, whose t is 12.7."""
    values = np.array([0.1, 0.4, 0.2, 0.9, 0.3])
    middle, reach = mean_and_interval(values)
    told = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (middle - reach, middle + reach) == pytest.approx((told.low, told.high))
    assert mean_and_interval(values[:2]) == pytest.approx((0.25, np.nan), nan_ok=True)


def test_bands_are_intervals(empty):
    """The band of the first panel, ELBO, at each strength."""
    rows = invented(["beta_vae"], [1.0, 4.0], 4, data_sets=["dsprites"])
    axes = drawn("scores", rows, empty).axes[0]
    corners = axes.collections[0].get_paths()[0].vertices
    for strength, place in ((1.0, 0.0), (4.0, 2.0)):
        middle, reach = mean_and_interval(
            rows.loc[rows["strength"] == strength, "elbo_nats"].to_numpy(dtype=float)
        )
        heights = np.unique(corners[np.isclose(corners[:, 0], place), 1])
        assert heights == pytest.approx([middle - reach, middle + reach])


def test_every_model_is_a_point_and_the_bar_is_the_median(empty):
    """The panel of MIG: a line a method, all strengths and seeds on it."""
    rows = invented(["beta_vae", "beta_tcvae"], seeds=3, data_sets=["dsprites"])
    figure = drawn("score_distributions", rows, empty)
    axes = next(axes for axes in figure.axes if axes.get_title("left") == "MIG ↑")
    assert len(axes.collections) == 2, "a violin a method"
    for line, objective in enumerate(["beta_vae", "beta_tcvae"]):
        known = rows.loc[rows["objective"] == objective, "mig"].to_numpy(dtype=float)
        clouds = [found for found in axes.lines if found.get_marker() == "o"]
        values = np.concatenate(
            [cloud.get_xdata() for cloud in clouds if abs(cloud.get_ydata()[0] - line) < 0.5]
        )
        assert sorted(values) == pytest.approx(sorted(known))
        bars = [found for found in axes.lines if found.get_marker() != "o"]
        assert bars[line].get_xdata()[0] == pytest.approx(np.median(known))
        extent = axes.collections[line].get_paths()[0].vertices[:, 0]
        assert (extent.min(), extent.max()) == pytest.approx((known.min(), known.max()))


@pytest.mark.parametrize(("seeds", "violins"), [(FEWEST - 1, 0), (FEWEST, 1)])
def test_few_models_have_no_density(seeds, violins, empty):
    """Five points are five points."""
    rows = invented(["beta_vae"], [4.0], seeds, data_sets=["dsprites"])
    figure = drawn("score_distributions", rows, empty)
    assert [len(axes.collections) for axes in figure.axes] == [violins] * len(figure.axes)


def test_equal_values_have_no_density(empty):
    """A score that all models share, and one that is infinite for some."""
    rows = invented(["beta_vae"], [4.0], 8, data_sets=["dsprites"]).assign(mig=0.5)
    rows.loc[:3, "elbo_nats"] = -np.inf
    figure = drawn("score_distributions", rows, empty)
    assert_readable(figure)
    by_title = {axes.get_title("left"): axes for axes in figure.axes}
    assert not by_title["MIG ↑"].collections
    assert by_title["MIG ↑"].get_xticks().tolist() == [0.5], "no ticks of a range that is none"
    assert sum(len(line.get_xdata()) for line in by_title["ELBO ↑ (nats)"].lines[:-1]) == 4


def test_constant_scores_have_one_tick(empty):
    """Ten active units everywhere: 10, not 9.6, 10.0 and 10.4."""
    figure = drawn("scores", invented(["beta_vae"], latents=20, data_sets=["dsprites"]), empty)
    axes = next(axes for axes in figure.axes if axes.get_title("left") == "active units")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["10"]


def test_ticks_of_neighbours_stay_apart(empty):
    """The last of a panel, -22.0, and the first of the next, 20.4, at their very edges."""
    rows = invented(["beta_vae"], [4.0], 2, data_sets=["dsprites"])
    rows = rows.assign(elbo_nats=[-22.35, -22.0], reconstruction_nats=[20.5, 22.3], sap=[0.1, 0.2])
    assert_readable(drawn("score_distributions", rows, empty))


def test_points_of_one_score_lie_apart():
    """Within the line, each in a place of its own, the same every time."""
    places = scattered(100)
    assert np.abs(places).max() <= 0.2
    assert np.diff(np.sort(places)).min() > 0.001


def test_shares_of_collapsed_latents(empty):
    """Hand-worked: of 0, 0.05, 0.5 and 5 nats a quarter is below 0.01, a half below 0.1, three quarters below 1."""
    rows = invented(["beta_vae"], [4.0], 2, latents=4, data_sets=["dsprites"])
    rows["kl_per_dimension_nats"] = [np.array([0.0, 0.05, 0.5, 5.0]), None]
    (arm,) = arms_of(rows)
    assert [share_below(arm, 4.0, threshold=t).tolist() for t in THRESHOLDS] == [[0.25], [0.5], [0.75]]
    figure = drawn("active_units", rows, empty)
    assert_readable(figure)
    assert [axes.lines[1].get_ydata().tolist() for axes in figure.axes] == [[2], [0.25], [0.5], [0.75]]
    assert figure.axes[0].get_ylim()[1] >= 4, "the axis ends at the number of latents"
