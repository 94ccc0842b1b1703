"""DCI-ES: the area by hand, forests cut at a depth against forests grown to it, and what each of E and S sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from disbench.metrics import concentration, dci, dci_es
from disbench.metrics.dci_es import DEPTHS, _cut, _explicitness

TRAIN = 400
FEW = {"train": TRAIN, "depths": (1, 2, 3, 5, 8), "trees": 20}


def noisy(rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three codes of two factors (4 and 6 classes): one clean, one mixed, one of noise alone."""
    random = np.random.default_rng(seed)
    factors = random.integers(0, [4, 6], size=(rows, 2))
    codes = np.stack([factors[:, 0], factors.sum(axis=1), 0 * factors[:, 0]], axis=1)
    return codes + 0.3 * random.normal(size=codes.shape), factors


# -- the area -----------------------------------------------------------------------------------------------


def test_explicitness_by_hand():
    """Depths 1, 2, 4 and a baseline of 0.8: areas 0 (flat), 1.2 (the straight line), 0.1 and 1.6 of 2.4."""
    losses = np.array([[0.2, 0.2, 0.2], [0.8, 0.8 - 0.8 / 3, 0.0], [0.5, 0.3, 0.3], [0.8, 0.8, 0.0]])
    found = _explicitness(np.array([1, 2, 4]), losses, np.full(4, 0.8))
    areas = np.array([0, 0.5 * (0.8 + 1.6 / 3) + (1.6 / 3), 0.5 * 0.2, 0.8 + 0.8])
    assert_allclose(found, 1 - 2 * areas / 2.4, atol=1e-12)
    assert_allclose(found, [1, 0, 11 / 12, -1 / 3], atol=1e-12)


def test_only_the_most_complex_probe_that_helps_is_minus_one():
    """As the last step becomes small beside the range."""
    capacities = np.arange(1, 1001)
    losses = np.where(capacities < 1000, 0.6, 0.0)[None]
    assert _explicitness(capacities, losses, np.array([0.6]))[0] == pytest.approx(-1, abs=2e-3)


def test_nothing_to_guess_is_explicit():
    assert_array_equal(_explicitness(np.array([1, 2]), np.zeros((1, 2)), np.zeros(1)), [1])


# -- forests ------------------------------------------------------------------------------------------------


def test_the_uncut_forest_is_scikit_learns():
    codes, factors = noisy()
    forest = RandomForestClassifier(n_estimators=15, max_depth=6, random_state=0).fit(codes, factors[:, 1])
    outputs, importance = _cut(forest, codes, np.array([2, 6]))
    assert_allclose(outputs[1] / 15, forest.predict_proba(codes), atol=1e-12)
    assert_allclose(importance[1], forest.feature_importances_, atol=1e-12)
    tree = RandomForestRegressor(n_estimators=15, max_depth=6, random_state=0).fit(codes, factors[:, 1])
    assert_allclose(_cut(tree, codes, np.array([6]))[0][0, :, 0] / 15, tree.predict(codes), atol=1e-12)


@pytest.mark.parametrize("kind", [RandomForestClassifier, RandomForestRegressor])
def test_a_forest_cut_at_a_depth_is_the_one_grown_to_it(kind):
    """Exactly with one code, where no code is drawn at random."""
    codes, factors = noisy()
    depths = np.array([1, 2, 3, 5, 9])
    given = {"n_estimators": 10, "random_state": 3}
    outputs, importance = _cut(
        kind(max_depth=9, **given).fit(codes[:, 1:2], factors[:, 1]), codes[:, 1:2], depths
    )
    for cut, depth in enumerate(depths):
        grown = kind(max_depth=int(depth), **given).fit(codes[:, 1:2], factors[:, 1])
        expected = (
            grown.predict_proba(codes[:, 1:2]) if hasattr(grown, "classes_") else grown.predict(codes[:, 1:2])
        )
        assert_allclose(outputs[cut].squeeze() / 10, expected, atol=1e-12)
    assert_array_equal(importance, np.ones((5, 1)))


def test_several_codes_differ_by_the_draws_of_forests_alone():
    """Which codes a cut may choose from is drawn in another order below the first: equal there, on average later."""
    codes, factors = noisy(1_500)
    labels, seeds, depths = factors[:, 1], range(8), np.array([1, 2, 4, 6])
    cut, grown = np.zeros((2, len(seeds), len(depths)))
    for seed in seeds:
        given = {"n_estimators": 20, "random_state": seed}
        forest = RandomForestClassifier(max_depth=6, **given).fit(codes[:1000], labels[:1000])
        outputs = _cut(forest, codes[1000:], depths)[0]
        cut[seed] = (forest.classes_[outputs.argmax(axis=2)] == labels[1000:]).mean(axis=1)
        for index, depth in enumerate(depths):
            other = RandomForestClassifier(max_depth=int(depth), **given).fit(codes[:1000], labels[:1000])
            grown[seed, index] = other.score(codes[1000:], labels[1000:])
    assert_array_equal(cut[:, [0, -1]], grown[:, [0, -1]])
    assert_allclose(cut.mean(axis=0), grown.mean(axis=0), atol=0.04)


def test_the_five_are_of_the_curves_and_the_best_forest():
    codes, factors = noisy()
    result = dci_es(codes, factors, **FEW)
    assert (np.diff(result.losses, axis=1) <= 0).all()
    assert result.best in FEW["depths"]
    assert result.disentanglement == concentration(result.importance)
    assert result.completeness == concentration(result.importance.T)
    assert_allclose(result.importance.sum(axis=0), 1)
    assert result.explicitness == pytest.approx(
        _explicitness(result.capacities, result.losses, result.baselines).mean()
    )
    assert 1 - result.informativeness >= result.losses[:, -1].mean() - 1e-12
    assert result.size == pytest.approx(2 / 3)
    guess = np.bincount(factors[:TRAIN, 1]).argmax()
    assert result.baselines[1] == np.mean(factors[TRAIN:, 1] != guess)


def test_the_papers_capacities_are_the_default():
    codes, factors = noisy(90)
    result = dci_es(codes, factors, train=60, trees=2)
    assert tuple(result.capacities) == DEPTHS == (1, 2, 3, 4, 8, 10, 12, 14, 16, 18, 20, 32)


# -- what they say ------------------------------------------------------------------------------------------


def test_codes_that_one_cut_reads_are_explicit():
    """Two classes a factor, a code each: depth 1 does.

    D does not see it, since half of such trees may only look at the other code, and each tree's importances count the
    same: a weakness of the paper's forests that `dci` has not.
    """
    factors = np.random.default_rng(0).integers(0, 2, size=(600, 2))
    result = dci_es(factors[:, ::-1] * 3.0, factors, **FEW)
    assert result.explicitness == 1
    assert result.informativeness == 1
    assert result.size == 1
    assert result.best == 1
    assert result.disentanglement < 0.2
    assert dci(factors[:, ::-1] * 3.0, factors, train=TRAIN, rounds=5).disentanglement == pytest.approx(1)


def test_scattered_codes_are_as_informative_and_less_explicit():
    """Classes as stripes of a code: eight cuts in a row instead of one."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, size=900)
    stripes = labels + 2 * random.integers(0, 8, size=900)
    given = {"train": 600, "depths": (1, 2, 3, 4, 5, 6, 8), "trees": 20}
    plain = dci_es(labels[:, None] + 0.0, labels[:, None], **given)
    striped = dci_es(stripes[:, None] + 0.0, labels[:, None], **given)
    assert striped.informativeness == plain.informativeness == 1
    assert plain.explicitness == 1
    assert striped.explicitness < 0.6


def test_noise_is_explicit_and_not_informative():
    """Its curve is flat: E alone says nothing."""
    random = np.random.default_rng(0)
    result = dci_es(random.normal(size=(600, 3)), random.integers(0, 4, size=(600, 2)), **FEW)
    assert result.explicitness > 0.9
    assert result.informativeness < 0.4


def test_dead_codes_count_in_size_alone():
    codes, factors = noisy()
    dead = np.hstack([codes, np.full((len(codes), 3), 5.0)])
    plain, padded = dci_es(codes, factors, **FEW), dci_es(dead, factors, **FEW)
    assert padded.size == pytest.approx(plain.size / 2)
    assert padded.explicitness == pytest.approx(plain.explicitness, abs=0.1)
    assert not padded.importance[3:].any()


def test_quantities_forgive_near_misses():
    """A code that is a factor of 40 places plus noise of 3: most classes are missed, most of the variance is not."""
    random = np.random.default_rng(0)
    factors = np.column_stack([random.integers(0, 40, size=900), random.integers(0, 3, size=900)])
    codes = factors + random.normal(scale=[3, 0.1], size=factors.shape)
    given = {"train": 600, "depths": (1, 2, 4, 8), "trees": 20}
    classes, amounts = dci_es(codes, factors, **given), dci_es(codes, factors, quantities=[0], **given)
    assert classes.losses[0, -1] > 0.8
    assert amounts.losses[0, -1] < 0.1
    assert amounts.baselines[0] == 1
    assert_array_equal(amounts.losses[1], classes.losses[1])


def test_a_quantity_that_the_test_rows_hold_constant():
    codes, factors = noisy()
    still = factors.copy()
    still[TRAIN:, 1] = 2
    assert dci_es(codes, still, quantities=[1], **FEW).losses[1, -1] == 1


# -- what must not matter -----------------------------------------------------------------------------------


def test_threads_repetition_and_tensors_change_nothing():
    codes, factors = noisy()
    plain = dci_es(codes, factors, threads=1, **FEW)
    for other in (
        dci_es(codes, factors, threads=3, **FEW),
        dci_es(torch.tensor(codes), torch.tensor(factors), **FEW),
    ):
        assert_array_equal(other.losses, plain.losses)
        assert_array_equal(other.importance, plain.importance)


def test_seeds_move_a_little():
    codes, factors = noisy(1_200)
    values = [dci_es(codes, factors, train=800, trees=40, seed=seed).explicitness for seed in range(4)]
    assert 0 < np.std(values) < 0.01


def test_order_scale_and_monotone_maps_of_codes():
    codes, factors = noisy()
    plain = dci_es(codes, factors, **FEW)
    assert_array_equal(dci_es(8 * codes, factors, **FEW).losses, plain.losses)
    assert_allclose(dci_es(np.exp(codes), factors, **FEW).losses, plain.losses, atol=0.02)  # other middles
    moved = dci_es(-codes[:, [2, 0, 1]], factors, **FEW)
    assert moved.explicitness == pytest.approx(plain.explicitness, abs=0.05)
    assert_allclose(moved.importance, plain.importance[[2, 0, 1]], atol=0.1)


def test_constant_factors_are_left_out_and_labels_are_names():
    codes, factors = noisy()
    plain = dci_es(codes, factors, **FEW)
    renamed = dci_es(codes, np.insert(10 * factors - 3, 1, 7, axis=1), **FEW)
    assert_array_equal(renamed.losses, plain.losses)
    assert renamed.size == plain.size
    assert not renamed.importance[:, 1].any()
    with pytest.raises(ValueError, match="at least one must vary"):
        dci_es(codes, np.ones_like(factors), **FEW)


@pytest.mark.parametrize(("change", "message"), [
    ({"train": 600}, "train: expected a whole number of rows in 1 .. 599 of 600, got 600"),
    ({"trees": 0}, "trees: expected a whole number >= 1, got 0"),
    ({"depths": (3,)}, r"depths: expected at least two that rise, got \[3\]"),
    ({"depths": (0, 2)}, "depths: expected a whole number >= 1, got 0"),
    ({"depths": (2, 2)}, r"got \[2, 2\]"),
    ({"depths": (1, 2.5)}, "depths: expected a whole number >= 1, got 2.5"),
    ({"quantities": [2]}, "quantities: expected columns in 0 .. 1, got 2"),
])  # fmt: skip
def test_bad_arguments_are_refused_in_one_line(change, message):
    codes, factors = noisy()
    with pytest.raises(ValueError, match=message) as raised:
        dci_es(codes, factors, **{**FEW, **change})
    assert "\n" not in str(raised.value)
