"""SAP against scikit-learn and numpy one pair at a time, and what it rewards."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from disbench.metrics import sap, sap_continuous
from disbench.metrics.thresholds import fit_thresholds


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


# -- thresholds ---------------------------------------------------------------------------------------------


def test_a_line_cannot_single_out_the_middle_class_and_thresholds_can():
    """Perfect codes of 3, 6 and 40 classes: the paper's score is 1 less chance, the study's a third of it."""
    factors = np.random.default_rng(0).integers(0, [3, 6, 40], size=(6_000, 3))
    codes = factors.astype(float)
    chance = np.mean([1 / 3, 1 / 6, 1 / 40])
    assert sap(codes, factors, train=4_000, classifier="thresholds") == pytest.approx(1 - chance, abs=0.02)
    assert sap(codes, factors, train=4_000) < 0.4


def test_thresholds_by_hand():
    """Four of a class at 0, one of the other at 1 and one at 0: recalls of 1 and 1/2 on either half."""
    codes = np.tile([0.0, 0, 0, 0, 1, 0], 2)[:, None]
    factors = np.tile([5, 5, 5, 5, 9, 9], 2)[:, None]
    assert sap(codes, factors, train=6, classifier="thresholds") == pytest.approx(0.75)


def test_accuracy_is_balanced():
    """Nine rows of ten are one class: a code that knows nothing has 1/2, and so its gap to none is 1/2."""
    factors = np.tile([0] * 9 + [1], 100)[:, None]
    assert sap(np.zeros((1_000, 1)), factors, train=500, classifier="thresholds") == pytest.approx(0.5)


def test_no_other_thresholds_are_better():
    """Every place of every cut tried, on codes with ties."""
    random = np.random.default_rng(0)
    for _ in range(60):
        classes = int(random.integers(2, 5))
        labels = np.append(np.arange(classes), random.integers(classes, size=6))
        values = random.integers(0, 6, size=len(labels)).astype(float)
        cuts, order = fit_thresholds(values, labels)
        weight = 1 / np.bincount(labels)[labels]

        def right(tried: np.ndarray) -> float:
            return float(weight[order[np.searchsorted(tried, values)] == labels].sum())  # noqa: B023

        seen = np.unique(values)
        places = np.concatenate(([-np.inf], (seen[1:] + seen[:-1]) / 2, [np.inf]))
        best = max(right(np.array(t)) for t in itertools.combinations_with_replacement(places, classes - 1))
        assert right(cuts) == pytest.approx(best)
        assert (cuts[:-1] <= cuts[1:]).all()


def test_thresholds_keep_what_the_linear_machine_keeps():
    codes, factors = noisy()
    score = sap(codes, factors, train=600, classifier="thresholds")
    assert 0.2 < score < 1
    assert sap(-3 * codes[:, ::-1] + 1, factors, train=600, classifier="thresholds") == pytest.approx(
        score, abs=0.02
    )
    assert sap(np.hstack([codes, codes]), factors, train=600, classifier="thresholds") == 0
    dead = np.hstack([codes, np.ones_like(codes)])
    assert sap(dead, factors, train=600, classifier="thresholds") == score
    unseen = np.where(np.arange(900)[:, None] < 600, factors, factors + 7)
    assert sap(codes, unseen, train=600, classifier="thresholds") == 0
    with pytest.raises(ValueError, match='classifier: expected "linear" or "thresholds"'):
        sap(codes, factors, train=600, classifier="svm")
