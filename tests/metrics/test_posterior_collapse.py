"""Active units: a count of dimensions whose mean varies."""

from __future__ import annotations

import numpy as np
import torch
from numpy.testing import assert_allclose

from disbench.metrics import active_units, mean_variance


def test_variance_of_means_by_hand() -> None:
    """(0, 1, 2, 3) varies by 1.25, dividing by N."""
    mean = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    assert_allclose(mean_variance(mean), [1.25, 0.0])


def test_units_are_counted_not_added_up() -> None:
    """Two active dimensions of variance 100 are 2 units."""
    mean = np.array([[10.0, 10.0, 0.01], [-10.0, -10.0, -0.01]])
    assert active_units(mean) == 2
    assert type(active_units(mean)) is int


def test_threshold_is_a_variance_and_is_not_met_by_equality() -> None:
    mean = np.array([[0.5], [-0.5]])
    assert active_units(mean, threshold=0.25) == 0
    assert active_units(mean, threshold=0.2499) == 1


def test_a_large_mean_is_no_activity() -> None:
    assert active_units(torch.full((100, 4), 1e4)) == 0


def test_precision_of_far_means() -> None:
    """A variance of 1e-4 at a mean of 300 in float32."""
    mean = (300 + 0.01 * np.random.default_rng(0).normal(size=(10_000, 1))).astype(np.float32)
    assert_allclose(mean_variance(mean), 1e-4, rtol=0.05)
