"""SAP against scikit-learn and numpy one pair at a time, and what it rewards."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from disbench.metrics import sap, sap_continuous


def noisy(rows: int = 900) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    factors = random.integers(0, [2, 3], size=(rows, 2))
    codes = np.stack([factors[:, 0], factors[:, 1], factors[:, 0] + factors[:, 1]], axis=1)
    return codes + random.normal(scale=0.3, size=codes.shape), factors


def gap(scores: np.ndarray) -> float:
    ordered = np.sort(scores, axis=0)
    return float(np.mean(ordered[-1] - ordered[-2]))


def test_gap_of_accuracies_is_the_studys() -> None:
    codes, factors = noisy()
    accuracy = np.zeros((3, 2))
    for j, k in np.ndindex(3, 2):
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        machine.fit(codes[:600, [j]], factors[:600, k])
        accuracy[j, k] = np.mean(machine.predict(codes[600:, [j]]) == factors[600:, k])
    assert sap(codes, factors, train=600) == pytest.approx(gap(accuracy), abs=1e-12)


def test_gap_of_squared_correlations_is_numpys() -> None:
    codes, factors = noisy()
    squared = np.array([[np.corrcoef(z, v)[0, 1] ** 2 for v in factors.T] for z in codes.T])
    assert sap_continuous(codes, factors) == pytest.approx(gap(squared), abs=1e-12)


def test_perfect_codes_of_two_classes() -> None:
    """Half of the rows are right by chance, so the gap is that of 1 and 1/2; correlations are 1 and 0."""
    factors = np.random.default_rng(0).integers(0, 2, size=(6_000, 2))
    codes = 10.0 * factors
    assert sap(codes, factors, train=4_000) == pytest.approx(0.5, abs=0.03)
    assert sap_continuous(codes, factors) == pytest.approx(1, abs=0.01)


def test_duplicated_codes_have_no_gap() -> None:
    codes, factors = noisy()
    twice = np.hstack([codes, codes])
    assert sap(twice, factors, train=600) == 0
    assert sap_continuous(twice, factors) == pytest.approx(0, abs=1e-12)


def test_dead_codes_constant_factors_and_a_single_code() -> None:
    codes, factors = noisy()
    dead = np.hstack([codes, np.ones_like(codes)])
    constant = np.hstack([factors, np.zeros_like(factors)])
    assert sap(dead, constant, train=600) == sap(codes, factors, train=600)
    assert sap_continuous(dead, constant) == pytest.approx(sap_continuous(codes, factors))
    assert sap_continuous(codes[:, :1], factors) == pytest.approx(sap_continuous(dead[:, [0, 3]], factors))
    with pytest.raises(ValueError, match="factors: at least one must vary"):
        sap(codes, constant[:, 2:], train=600)


def test_sign_order_and_for_correlations_scale_do_not_matter() -> None:
    codes, factors = noisy()
    assert sap(-codes[:, ::-1], factors, train=600) == sap(codes, factors, train=600)
    assert sap_continuous(-3 * codes[:, ::-1], factors) == pytest.approx(sap_continuous(codes, factors))
