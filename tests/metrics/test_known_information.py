"""Distributions of known mutual information, by integrals of their own, and what is measured on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from disbench.metrics.information import ESTIMATORS, KNOWN, bias_page, measured_bias
from disbench.metrics.information.known import class_in_noise_nats

CLASSES = [known for known in KNOWN.values() if known.right == "classes"]


@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_gaussians(correlation):
    """E[log p(x, y) / (p(x) p(y))] as a sum over the plane."""
    line = np.linspace(-8, 8, 801)
    plane = np.stack(np.meshgrid(line, line), axis=-1)
    pair = multivariate_normal(cov=[[1, correlation], [correlation, 1]])
    ratio = pair.logpdf(plane) - norm.logpdf(plane).sum(axis=-1)
    value = (pair.pdf(plane) * ratio).sum() * (line[1] - line[0]) ** 2
    assert KNOWN[f"gaussian_{correlation:g}"].nats == pytest.approx(value, abs=1e-9)


def test_a_sum_of_uniforms():
    """Entropy of a trapezium, ramps of 0.1, less that of the noise, ln 0.1."""

    def density(y: float) -> float:
        return max(0.0, min(y / 0.1, 1.0, (1.1 - y) / 0.1))

    entropy = quad(
        lambda y: -density(y) * math.log(density(y)) if density(y) > 0 else 0.0, 0, 1.1, points=[0.1, 1]
    )[0]
    assert KNOWN["uniform_0.1"].nats == pytest.approx(entropy - math.log(0.1), abs=1e-7)


@pytest.mark.parametrize("known", CLASSES, ids=lambda known: known.name)
def test_classes_in_noise(known):
    """E[log p(z | v) / p(z)], class by class, by adaptive quadrature."""
    classes = int(known.name.split("_")[1])

    def integrand(z: float, label: int) -> float:
        densities = norm.pdf(z, np.arange(classes), known.deviation)
        return (
            densities[label] * math.log(densities[label] / densities.mean()) if densities[label] > 0 else 0.0
        )

    reach = 8 * known.deviation
    parts = [
        quad(integrand, v - reach, v + reach, args=(v,), points=[v], limit=200)[0] for v in range(classes)
    ]
    assert known.nats == pytest.approx(np.mean(parts), abs=1e-6)


def test_classes_in_noise_at_the_ends():
    """No noise leaves the class, much noise nothing."""
    assert class_in_noise_nats(5, 0.01) == pytest.approx(math.log(5))
    assert class_in_noise_nats(5, 1_000) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("known", KNOWN.values(), ids=lambda known: known.name)
def test_samples_are_pairs_of_what_is_said_and_of_the_generator_alone(known):
    left, right = known.sample(500, np.random.default_rng(0))
    again = known.sample(500, np.random.default_rng(0))
    assert left.shape == right.shape == (500,)
    assert (left == again[0]).all()
    assert (right == again[1]).all()
    assert (right.dtype.kind == "i") == (known.right == "classes")


# -- bias ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return {(b.distribution, b.estimator): b for b in measured_bias(rows=500, draws=4)}


def test_every_estimator_is_measured_where_it_belongs(found):
    pairs = sum(known.right == kind for known in KNOWN.values() for kind, _ in ESTIMATORS.values())
    assert len(found) == pairs
    assert all(b.deviation_nats >= 0 and b.nats == KNOWN[b.distribution].nats for b in found.values())


def test_bins_read_high_of_what_is_weak_and_low_of_what_is_strong(found):
    """(bins - 1)^2 / 2N of independent quantities; of a strong dependence less than is within a bin."""
    assert found["gaussian_0", "20 x 20 bins"].bias_nats > 0.1
    assert found["gaussian_0.99", "20 x 20 bins"].bias_nats < -0.1
    assert found["classes_40_10", "20 bins"].bias_nats > 0.2


def test_neighbours_read_right(found):
    for (distribution, estimator), measured in found.items():
        if estimator in ("KSG, k = 3", "neighbours, k = 3") and distribution != "uniform_0.1":
            assert measured.bias_nats == pytest.approx(0, abs=0.1), distribution


def test_posteriors_read_right_unless_narrower_than_the_distance_of_means(found):
    """A tenth of the noise: each sample knows its own row, 0.4 nats too much at 500 rows."""
    for known in CLASSES:
        assert found[known.name, "posterior"].bias_nats == pytest.approx(0, abs=0.06)
    assert found["classes_40_10", "posterior, a tenth"].bias_nats > 0.2


def test_a_draw_depends_on_nothing_but_the_seed():
    first, again = measured_bias(rows=60, draws=2, seed=3), measured_bias(rows=60, draws=2, seed=3)
    assert first == again
    assert first != measured_bias(rows=60, draws=2, seed=4)
    with pytest.raises(ValueError, match="draws: at least 2"):
        measured_bias(draws=1)


def test_the_page_has_a_row_a_distribution():
    page = bias_page(rows=60, draws=2)
    assert all(known.meaning in page for known in KNOWN.values())
    assert page.count("±") == len(measured_bias(rows=60, draws=2))
