"""Modularity by hand and at its ends."""

from __future__ import annotations

import numpy as np
import pytest

from disbench.metrics import modularity, mutual_information_matrix


def grid(*sizes: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


def test_by_hand() -> None:
    """Of the table's 20-bin information: 1 - what is left beside the best factor, relative, over K - 1."""
    factors = grid(3, 4, 5)
    codes = factors @ np.random.default_rng(0).normal(size=(3, 4))
    scores = []
    for squared in mutual_information_matrix(codes, factors) ** 2:
        best = squared.max()
        scores.append(1 - (squared.sum() - best) / (best * 2))
    assert modularity(codes, factors) == pytest.approx(np.mean(scores))


def test_codes_of_one_factor_each_are_modular_even_twice() -> None:
    factors = grid(3, 4, 5)
    assert modularity(np.hstack([factors, -factors]).astype(float), factors) == pytest.approx(1)


def test_a_code_that_knows_two_factors_equally_is_not() -> None:
    factors = grid(6, 6)
    assert modularity(factors @ [[1.0, 1.0], [1.0, -1.0]], factors) == pytest.approx(0, abs=1e-9)


def test_dead_codes_count_nothing() -> None:
    factors = grid(3, 4)
    with_dead = np.hstack([factors, np.ones_like(factors)]).astype(float)
    assert modularity(with_dead, factors) == pytest.approx(0.5)


def test_a_code_independent_of_every_factor_counts_nothing() -> None:
    """Exactly independent over the grid: rounding must not make it know a factor."""
    factors = grid(3, 4, 5)
    codes = np.hstack([factors[:, :1], factors[:, 2:]]).astype(float)
    assert modularity(codes, factors[:, :2]) == pytest.approx(0.5)


def test_constant_and_single_factors() -> None:
    factors = grid(3, 4)
    codes = factors @ [[1.0, 0.3], [0.2, 1.0]]
    assert modularity(codes, np.insert(factors, 0, 5, axis=1)) == pytest.approx(modularity(codes, factors))
    assert modularity(codes, factors[:, :1]) == 1


def test_dead_codes_can_be_left_out():
    """The study counts them 0: half of the latents unused halve the score of codes that are perfectly modular."""
    factors = grid(3, 4)
    with_dead = np.column_stack([factors, np.full((12, 2), 0.1)])
    assert modularity(with_dead, factors) == pytest.approx(0.5)
    assert modularity(with_dead, factors, active_variance=0) == pytest.approx(1)
    assert modularity(with_dead[:, 2:], factors, active_variance=0) == 0


def test_codes_of_little_variance_can_be_left_out():
    """Collapsed latents still vary a little, and 20 bins between their own ends see noise as information."""
    factors = np.random.default_rng(0).integers(0, [4, 5], size=(1_000, 2))
    collapsed = 1e-3 * np.random.default_rng(1).standard_normal((1_000, 3))
    codes = np.hstack([factors, collapsed])
    assert modularity(codes, factors) < 0.9
    assert modularity(codes, factors, active_variance=0.01) == pytest.approx(1, abs=0.01)
