"""Sums over all posteriors, of which only what is negligible is left out: against sums of every term."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from disbench.metrics import aggregate_posterior
from disbench.metrics.aggregate_posterior import (
    BEFORE,
    BOX,
    LOG_2PI,
    NEGLIGIBLE,
    NODES,
    PER_DEVIATION,
    Box,
    aggregate_log_densities,
    density_sum,
    interpolated,
    neighbours,
)

Arrays = tuple[np.ndarray, ...]


def posteriors(rows: int, dimensions: int, codes: int, lowest: float = -8.0) -> Arrays:
    """Codes, means, log-variances from `lowest` to 1, and each code's log density under the posterior it is from."""
    random = np.random.default_rng(0)
    mean = random.normal(size=(rows, dimensions))
    logvar = random.uniform(lowest, 1.0, size=mean.shape)
    selected = random.integers(rows, size=codes)
    noise = random.normal(size=(codes, dimensions))
    z = mean[selected] + np.exp(0.5 * logvar[selected]) * noise
    return z, mean, logvar, -0.5 * (noise**2 + logvar[selected] + LOG_2PI).sum(axis=1)


def every_term(z: np.ndarray, mean: np.ndarray, logvar: np.ndarray) -> Arrays:
    """Log q(z) [S] and log q(z_j) [D, S] from all S N D densities, in float64."""
    densities = -0.5 * ((z[:, None] - mean) ** 2 * np.exp(-logvar) + logvar + LOG_2PI)
    joint, marginals = (
        np.logaddexp.reduce(densities.sum(axis=2), axis=1),
        np.logaddexp.reduce(densities, axis=1),
    )
    return joint - math.log(len(mean)), marginals.T - math.log(len(mean))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 2 * NEGLIGIBLE)])
@pytest.mark.parametrize(
    ("rows", "dimensions", "codes"),
    [(1, 2, 3), (700, 1, 50), (3_000, 4, 300), (800, 2, 2_500)],
    ids=["one posterior", "one dimension", "boxes", "tables"],
)
def test_code_by_code_against_every_term(rows, dimensions, codes, dtype, tolerance):
    z, mean, logvar, floor = posteriors(rows, dimensions, codes)
    joint, marginals = aggregate_log_densities(z, mean, logvar, floor=floor, dtype=dtype)
    exact_joint, exact_marginals = every_term(z, mean, logvar)
    assert_allclose(joint, exact_joint, atol=tolerance, rtol=0)
    assert_allclose(marginals, exact_marginals, atol=tolerance, rtol=0)


@pytest.mark.parametrize("what", ["repeated rows", "repeated codes", "heavy tails", "collapsed", "far means"])
def test_awkward_data_against_every_term(what):
    z, mean, logvar, _ = posteriors(1_500, 3, 600)
    if what == "repeated rows":
        mean[:], logvar[:] = mean[0], logvar[0]
        z[:] = mean[0] + np.exp(0.5 * logvar[0]) * np.random.default_rng(1).normal(size=z.shape)
    elif what == "repeated codes":
        z[:] = z[0]
    elif what == "heavy tails":
        mean[::100] *= 1e4
        z[::50] = mean[::125]
    elif what == "collapsed":
        logvar[:] = 0.0
    else:
        mean, z = mean + 1e5, z + 1e5
    exact_joint, exact_marginals = every_term(z, mean, logvar)
    joint, marginals = aggregate_log_densities(z, mean, logvar, floor=exact_joint, dtype=np.float64)
    assert_allclose(joint, exact_joint, atol=2 * NEGLIGIBLE, rtol=0)
    assert_allclose(marginals, exact_marginals, atol=2 * NEGLIGIBLE, rtol=0)


def test_codes_that_no_posterior_reaches_are_summed_one_by_one():
    """Thirty to three hundred deviations away: tables say 0, and a density of exp(-50,000) is right."""
    z, mean, logvar, _ = posteriors(800, 2, 20, lowest=-0.5)
    z = 40.0 + 20.0 * np.abs(z)
    floor = np.full(len(z), -np.inf)
    for found, exact in zip(
        aggregate_log_densities(z, mean, logvar, floor=floor, dtype=np.float64),
        every_term(z, mean, logvar),
        strict=True,
    ):
        assert_allclose(found, exact, rtol=1e-9)


def test_a_lower_floor_costs_time_alone():
    z, mean, logvar, floor = posteriors(3_000, 3, 100)
    near, all_of_it = (
        aggregate_log_densities(z, mean, logvar, floor=bound, dtype=np.float64)[0]
        for bound in (floor, np.full(len(z), -np.inf))
    )
    assert (all_of_it - near > -1e-12).all()  # what is left out can only lower the sum
    assert_allclose(near, all_of_it, atol=NEGLIGIBLE, rtol=0)


def test_threads_change_no_bit():
    z, mean, logvar, floor = posteriors(9_000, 2, 300)
    one, three = (
        aggregate_log_densities(z, mean, logvar, floor=floor, threads=threads) for threads in (1, 3)
    )
    assert (one[0] == three[0]).all()
    assert (one[1] == three[1]).all()


# -- boxes --------------------------------------------------------------------------------------------------


def test_every_row_is_in_one_box():
    _, mean, logvar, _ = posteriors(5_000, 3, 1)
    boxes = neighbours(mean, logvar)
    assert sorted(np.concatenate(boxes)) == list(range(5_000))
    assert max(map(len, boxes)) <= BOX


def test_no_density_exceeds_the_bound_of_its_box_and_the_bound_is_reached():
    z, mean, logvar, _ = posteriors(2_000, 3, 200)
    for rows in neighbours(mean, logvar):
        box = Box.of(mean[rows], logvar[rows])
        densities = box.log_densities(z, np.zeros(len(z)))
        assert (densities <= box.bound(z)[:, None] + 1e-9).all()
    alone = Box.of(mean[:1], logvar[:1])
    assert_allclose(alone.bound(z), alone.log_densities(z, np.zeros(len(z)))[:, 0], rtol=1e-12)


def test_densities_of_a_box_by_hand():
    z, mean, logvar, _ = posteriors(50, 3, 40)
    by_hand = -0.5 * ((z[:, None] - mean) ** 2 * np.exp(-logvar) + logvar + LOG_2PI).sum(axis=2)
    found = Box.of(mean, logvar).log_densities(z, by_hand[:, 0])
    assert_allclose(found, by_hand - by_hand[:, :1], atol=1e-9)


def test_posteriors_far_narrower_than_their_box_keep_their_digits():
    """A millionth of the spread: squares multiplied out would lose 1e-4 nats; each code knows its own posterior."""
    mean = np.random.default_rng(0).normal(size=(400, 3))
    logvar = np.full_like(mean, 2 * math.log(1e-6))
    assert not Box.of(mean, logvar).is_compact
    own = -0.5 * (logvar + LOG_2PI).sum(axis=1)
    joint, marginals = aggregate_log_densities(mean, mean, logvar, floor=own, dtype=np.float64)
    assert_allclose(joint, own - math.log(400), atol=1e-9)
    assert_allclose(marginals, every_term(mean, mean, logvar)[1], atol=1e-9)


def test_narrow_posteriors_meet_few_codes(monkeypatch):
    """20,000 posteriors of a tenth of the spread in four dimensions: four of five pairs are passed over."""
    random = np.random.default_rng(0)
    mean = random.normal(size=(20_000, 4))
    logvar = np.full_like(mean, math.log(0.01))
    noise = random.normal(size=(500, 4))
    met = []
    whole = Box.log_densities
    monkeypatch.setattr(
        Box, "log_densities", lambda box, z, less: met.append(len(z) * len(box.mean)) or whole(box, z, less)
    )
    floor = -0.5 * (noise**2 + math.log(0.01) + LOG_2PI).sum(axis=1)
    aggregate_log_densities(mean[:500] + 0.1 * noise, mean, logvar, floor=floor)
    assert sum(met) < 0.2 * 500 * 20_000


# -- tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("away", "error"), [(0.0, 3e-12), (5.0, 2e-9), (6.5, 6e-8)])
def test_interpolation_is_as_good_as_it_says(away, error):
    """A Gaussian that many deviations from its centre, at a hundred places between two entries."""
    places = np.linspace(0, 1, 100, endpoint=False)
    entries = (np.arange(NODES + 1) - BEFORE) / PER_DEVIATION

    def density(at: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * (at + away) ** 2)

    found = interpolated(density(entries), places)
    assert_allclose(found, density(places / PER_DEVIATION), rtol=error)
    assert found[0] == density(np.zeros(1))[0]


def test_many_codes_cost_no_more_than_a_table(monkeypatch):
    """Exponentials for a posterior: 256 where codes are dense, however many, else as many as codes are near."""
    counted = []
    whole = aggregate_posterior.exponential_sum
    monkeypatch.setattr(
        aggregate_posterior,
        "exponential_sum",
        lambda points, mean, *rest: counted.append(len(points) * len(mean)) or whole(points, mean, *rest),
    )
    random = np.random.default_rng(0)
    mean = np.sort(random.normal(size=2_000))
    for codes in (200, 20_000):
        counted.clear()
        z = np.sort(random.normal(size=codes))
        found = density_sum(z, mean, np.full(2_000, math.log(0.0025)), np.float64)
        exact = np.exp(-0.5 * ((z[::50, None] - mean) / 0.05) ** 2).sum(axis=1) / 0.05
        assert_allclose(found[::50], exact, atol=1e-11)
        assert sum(counted) < 2_000 * min(codes, 256)
