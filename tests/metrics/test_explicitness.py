"""Explicitness against scikit-learn's ROC areas, and classes that one part lacks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from disbench.metrics import explicitness
from disbench.metrics.explicitness import _areas


def noisy(rows: int = 900) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    factors = random.integers(0, [2, 5], size=(rows, 2))
    codes = factors @ random.normal(size=(2, 3))
    return codes + random.normal(scale=0.5, size=codes.shape), factors


def test_is_scikit_learns() -> None:
    codes, factors = noisy()
    standard = (codes - codes[:600].mean(axis=0)) / codes[:600].std(axis=0)
    areas = []
    for labels in factors.T:
        share = LogisticRegression().fit(standard[:600], labels[:600]).predict_proba(standard)
        belongs = labels[:, None] == np.unique(labels)
        areas.append([roc_auc_score(belongs[part], share[part]) for part in (slice(600), slice(600, None))])
    train, test = np.mean(areas, axis=0)
    result = explicitness(codes, factors, train=600)
    assert result.train == pytest.approx(train, abs=1e-12)
    assert result.test == pytest.approx(test, abs=1e-12)


def test_codes_that_separate_classes_score_one_and_noise_scores_a_half() -> None:
    random = np.random.default_rng(0)
    factors = random.integers(0, 2, size=(3_000, 2))
    assert explicitness(factors + 0.0, factors, train=2_000).test == 1
    assert explicitness(random.normal(size=(3_000, 2)), factors, train=2_000).test == pytest.approx(
        0.5, abs=0.05
    )


def test_linear_maps_and_dead_codes_change_little() -> None:
    codes, factors = noisy()
    plain = explicitness(codes, factors, train=600).test
    turned = codes @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    assert explicitness(turned, factors, train=600).test == pytest.approx(plain, abs=0.01)
    dead = np.hstack([codes, np.full_like(codes, 7)])
    assert explicitness(dead, factors, train=600).test == pytest.approx(plain, abs=1e-6)


def test_classes_that_a_part_lacks_have_no_area() -> None:
    codes, factors = noisy()
    rare = factors.copy()
    rare[:100, 1], rare[850:, 1] = 8, 9  # 8 in the training rows alone, 9 in the test rows alone
    result = explicitness(codes, rare, train=600)
    assert 0.5 < result.test < 1
    one_class = factors.copy()
    one_class[600:] = 0
    with pytest.raises(ValueError, match="no class both occurs and is absent in the test rows"):
        explicitness(codes, one_class, train=600)


def test_constant_factors_are_left_out() -> None:
    codes, factors = noisy()
    with_constant = np.insert(factors, 1, 4, axis=1)
    assert explicitness(codes, with_constant, train=600) == explicitness(codes, factors, train=600)


def test_an_area_by_hand():
    """Of 3 rows inside and 2 outside, 5 of 6 pairs are in order."""
    scores = np.array([[0.9], [0.8], [0.4], [0.5], [0.1]])
    inside = np.array([[True], [True], [True], [False], [False]])
    assert _areas(scores, inside) == pytest.approx(5 / 6)
    assert _areas(-scores, inside) == pytest.approx(1 / 6)
    assert _areas(np.zeros((5, 1)), inside) == pytest.approx(0.5)  # ties count a half
    assert _areas(scores, np.ones((5, 1), dtype=bool)).size == 0


def test_codes_that_run_against_the_classes_are_read_as_well():
    codes, factors = noisy()
    plain = explicitness(codes, factors, train=600)
    moved = explicitness(-3 * codes[:, [2, 0, 1]] + 5, 10 * factors - 7, train=600)
    assert moved.test == pytest.approx(plain.test, abs=1e-3)
    assert moved.train == pytest.approx(plain.train, abs=1e-3)


def test_order_of_rows_within_each_part_changes_nothing():
    codes, factors = noisy()
    random = np.random.default_rng(1)
    order = np.concatenate([random.permutation(600), 600 + random.permutation(300)])
    plain = explicitness(codes, factors, train=600)
    assert explicitness(codes[order], factors[order], train=600).test == pytest.approx(plain.test, abs=1e-6)


def test_classes_at_both_ends_of_a_code_are_told_by_no_line():
    """The middle class of three is: its area is chance, the others' are perfect."""
    factors = np.random.default_rng(0).integers(0, 3, size=(900, 1))
    ends = np.abs(factors - 1.0) * np.random.default_rng(1).choice([-1, 1], size=(900, 1))
    result = explicitness(ends, (factors == 1).astype(int), train=600)
    assert result.test == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("change", "message"), [
    ({"train": 900}, "train: expected a whole number of rows in 1 .. 899 of 900, got 900"),
    ({"factors": np.ones((900, 2))}, "at least one must vary"),
    ({"codes": np.ones((899, 2))}, "same number of rows"),
    ({"codes": np.full((900, 2), np.nan)}, "codes: every value must be finite"),
])  # fmt: skip
def test_what_is_wrong_is_named_in_one_line(change, message):
    codes, factors = noisy()
    with pytest.raises(ValueError, match=message) as raised:
        explicitness(**{"codes": codes, "factors": factors, "train": 600, **change})
    assert "\n" not in str(raised.value)
