"""DCI: the entropies by hand, the boosting against scikit-learn's, and what must not change a score."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy

from disbench.metrics import concentration, dci


def noisy(rows: int = 900, levels: int | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four codes of three factors (3, 4 and 5 classes): two clean, one mixed, one of noise alone."""
    random = np.random.default_rng(seed)
    factors = random.integers(0, [3, 4, 5], size=(rows, 3))
    scaled = factors / [3, 4, 5]
    codes = np.stack([scaled[:, 0], scaled[:, 1], scaled[:, 2] + scaled[:, 0], 0 * scaled[:, 0]], axis=1)
    codes = codes + 0.1 * random.normal(size=codes.shape)
    return (codes if levels is None else np.round(codes * levels) / levels), factors


# -- entropies of the importance matrix ---------------------------------------------------------------------


def slow_scores(importance: np.ndarray) -> tuple[float, float]:
    """Disentanglement and completeness as the reference library defines them."""
    codes = 1 - entropy(importance.T + 1e-11, base=importance.shape[1])
    factors = 1 - entropy(importance + 1e-11, base=importance.shape[0])
    share = importance / importance.sum()
    return float(codes @ share.sum(axis=1)), float(factors @ share.sum(axis=0))


def test_entropies_are_the_references() -> None:
    random = np.random.default_rng(0)
    for _ in range(10):
        importance = random.gamma(0.3, size=(10, 5))
        importance /= importance.sum(axis=0)
        disentanglement, completeness = slow_scores(importance)
        assert concentration(importance) == pytest.approx(disentanglement, abs=1e-12)
        assert concentration(importance.T) == pytest.approx(completeness, abs=1e-12)


def test_a_published_importance_matrix() -> None:
    """Factor 3 and 4 of five codes as the reference library gave them for a small VAE-like model, rounded."""
    importance = np.array([[0.715, 0.033], [0.032, 0.714], [0.035, 0.034], [0.031, 0.032], [0.187, 0.187]])
    assert_allclose([concentration(importance), concentration(importance.T)], slow_scores(importance))


def test_perfect_and_worthless_importances() -> None:
    assert concentration(np.eye(4)) == pytest.approx(1.0, abs=1e-8)
    assert concentration(np.ones((4, 3))) == pytest.approx(0.0, abs=1e-8)
    assert concentration(np.zeros((4, 3))) == 0.0
    assert concentration(np.ones((4, 1))) == 1.0


def test_half_a_code_by_hand() -> None:
    """A code of weight 1 for one factor, a code of weight 1 shared by two: (1 + 0) / 2."""
    assert concentration(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx(0.5, abs=1e-8)


# -- boosting -----------------------------------------------------------------------------------------------


def test_boosting_is_scikit_learns_where_every_split_is_allowed() -> None:
    """Codes of few different values: the histograms hold every threshold, so both grow the same trees."""
    codes, factors = noisy(levels=12)
    ours, reference = (
        dci(codes, factors, train=600, rounds=15, bins=255, estimator=estimator)
        for estimator in ("lightgbm", "sklearn")
    )
    assert_allclose(ours.importance, reference.importance, atol=0.01)
    assert ours.disentanglement == pytest.approx(reference.disentanglement, abs=0.01)
    assert ours.completeness == pytest.approx(reference.completeness, abs=0.01)
    assert ours.informativeness == pytest.approx(reference.informativeness, abs=0.01)
    assert ours.informativeness_train == pytest.approx(reference.informativeness_train, abs=0.01)


def test_boosting_stays_near_scikit_learns_on_continuous_codes() -> None:
    """Also where a class has twenty rows, and late trees part single ones: there quantiles alone read D 0.03 lower."""
    codes, factors = noisy()
    many = np.column_stack(
        [factors, np.digitize(codes[:, 2], np.quantile(codes[:, 2], np.linspace(0, 1, 31)[1:-1]))]
    )
    ours, reference = (
        dci(
            codes + 0.1 * np.random.default_rng(1).normal(size=codes.shape),
            many,
            train=600,
            rounds=30,
            estimator=how,
        )
        for how in ("lightgbm", "sklearn")
    )
    assert_allclose(ours.importance, reference.importance, atol=0.03)
    assert ours.disentanglement == pytest.approx(reference.disentanglement, abs=0.01)
    assert ours.completeness == pytest.approx(reference.completeness, abs=0.01)
    assert ours.informativeness == pytest.approx(reference.informativeness, abs=0.02)
    assert ours.informativeness_train == pytest.approx(reference.informativeness_train, abs=0.02)


def test_perfect_codes_score_one() -> None:
    factors = np.random.default_rng(0).integers(0, [3, 4, 5], size=(600, 3))
    result = dci(factors[:, ::-1] * -2.0, factors, train=400, rounds=10)
    assert_allclose(
        [result.disentanglement, result.completeness, result.informativeness, result.informativeness_train], 1
    )
    assert_allclose(result.importance, np.eye(3)[::-1], atol=1e-6)


def test_rotated_codes_are_entangled_and_still_informative() -> None:
    random = np.random.default_rng(0)
    factors = random.integers(0, 4, size=(900, 2))
    turned = factors @ np.array([[1.0, 1.0], [1.0, -1.0]])
    result = dci(turned, factors, train=600, rounds=20)
    assert result.disentanglement < 0.1
    assert result.completeness < 0.1
    assert result.informativeness > 0.95


def test_duplicated_codes_keep_disentanglement_and_halve_their_importance() -> None:
    """Copies part rows equally well; each class takes the one that its order has first, every other class the other."""
    factors = np.random.default_rng(0).integers(0, [4, 4], size=(600, 2))
    result = dci(np.hstack([factors, factors]).astype(float), factors, train=400, rounds=10)
    assert result.disentanglement == pytest.approx(1)
    assert_allclose(result.importance, 0.5 * np.vstack([np.eye(2), np.eye(2)]), atol=0.1)
    assert result.completeness == pytest.approx(0.5, abs=0.05)


def test_dead_codes_have_no_importance() -> None:
    codes, factors = noisy()
    with_dead = dci(np.hstack([codes, np.full((len(codes), 2), 3.0)]), factors, train=600, rounds=10)
    alone = dci(codes, factors, train=600, rounds=10)
    assert_array_equal(with_dead.importance, np.vstack([alone.importance, np.zeros((2, 3))]))
    assert with_dead.disentanglement == alone.disentanglement
    assert with_dead.completeness > alone.completeness  # the base of its entropy is the number of codes


def test_only_dead_codes_score_nothing() -> None:
    _, factors = noisy()
    result = dci(np.zeros((len(factors), 2)), factors, train=600, rounds=5)
    assert not result.importance.any()
    assert result.disentanglement == result.completeness == 0
    assert 0.2 < result.informativeness < 0.4  # always the most frequent class


def test_constant_factors_are_left_out() -> None:
    codes, factors = noisy()
    alone = dci(codes, factors, train=600, rounds=10)
    with_constant = dci(codes, np.insert(factors, 1, 7, axis=1), train=600, rounds=10)
    assert with_constant.disentanglement == alone.disentanglement
    assert with_constant.informativeness == alone.informativeness
    assert not with_constant.importance[:, 1].any()
    with pytest.raises(ValueError, match="factors: at least one must vary, all are constant over 600 rows"):
        dci(codes, np.ones_like(factors), train=600)


@pytest.mark.parametrize("estimator", ["lightgbm", "sklearn"])
def test_classes_missing_from_either_part(estimator: str) -> None:
    """A class of the test rows alone is never predicted; a class of the training rows alone does no harm."""
    codes, factors = noisy(300)
    changed = factors.copy()
    changed[:100, 0], changed[200:, 0] = 17, 99
    result = dci(codes, changed, train=200, rounds=5, estimator=estimator)
    plain = dci(codes, factors[:, 1:], train=200, rounds=5, estimator=estimator)
    assert result.informativeness == pytest.approx(plain.informativeness * 2 / 3)


def test_labels_are_names() -> None:
    codes, factors = noisy()
    renamed = dci(codes, factors * 10 - 5, train=600, rounds=5)
    assert_array_equal(renamed.importance, dci(codes, factors, train=600, rounds=5).importance)


def test_threads_and_repetition_change_nothing() -> None:
    codes, factors = noisy()
    results = [
        dci(codes, torch.tensor(factors), train=600, rounds=10, threads=threads) for threads in (1, 3, 3)
    ]
    for other in results[1:]:
        assert_array_equal(other.importance, results[0].importance)
        assert other.informativeness == results[0].informativeness


@pytest.mark.parametrize("estimator", ["lightgbm", "sklearn"])
def test_seeds_decide_between_equal_splits_alone(estimator: str) -> None:
    codes, factors = noisy()
    given = {"train": 600, "rounds": 10, "estimator": estimator}
    first, again, other = (dci(codes, factors, seed=seed, **given) for seed in (0, 0, 1))
    assert_array_equal(first.importance, again.importance)
    assert_allclose(other.importance, first.importance, atol=0.01)
    copies = [dci(np.hstack([codes, codes]), factors, seed=seed, **given).importance for seed in (0, 1)]
    assert np.abs(copies[0] - copies[1]).max() > 0.01


def test_fit_rows_use_the_first_of_the_training_rows_and_all_test_rows() -> None:
    codes, factors = noisy()
    some = dci(codes, factors, train=600, fit_rows=200, rounds=5)
    cut = [np.concatenate([table[:200], table[600:]]) for table in (codes, factors)]
    assert_array_equal(some.importance, dci(*cut, train=200, rounds=5).importance)
    all_rows = (
        dci(codes, factors, train=600, fit_rows=rows, rounds=5).informativeness for rows in (None, 5_000)
    )
    assert len(set(all_rows)) == 1


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """LightGBM writes to the process's own output, past Python's."""
    codes, factors = noisy(60)
    dci(np.hstack([codes, np.zeros_like(codes)]), factors, train=40, rounds=3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("change", "message"), [
    ({"train": 900}, "train: expected a whole number of rows in 1 .. 899 of 900, got 900"),
    ({"train": 0}, "train: expected a whole number"),
    ({"rounds": 0}, "rounds: expected a whole number >= 1, got 0"),
    ({"estimator": "xgboost"}, 'estimator: expected "lightgbm" or "sklearn", got \'xgboost\''),
])  # fmt: skip
def test_bad_arguments_are_refused(change: dict[str, object], message: str) -> None:
    codes, factors = noisy()
    with pytest.raises(ValueError, match=message):
        dci(codes, factors, **{"train": 600, **change})
