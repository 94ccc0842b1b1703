"""Nearest-neighbour estimates of mutual information: closed forms, scikit-learn, rows by hand, ties, small classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from disbench.metrics import (
    ksg_class_information,
    ksg_information_matrix,
    ksg_mutual_information,
    mutual_information_matrix,
)
from disbench.metrics.information import KNOWN

CONTINUOUS = [known for known in KNOWN.values() if known.right == "continuous"]
CLASSES = [known for known in KNOWN.values() if known.right == "classes"]


def classes_in_noise(rows: int = 1_000, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=rows)
    return labels + 0.7 * random.standard_normal(rows), labels


# -- distributions whose mutual information is known ---------------------------------------------------------


@pytest.mark.parametrize("known", CONTINUOUS, ids=lambda known: known.name)
def test_two_continuous_quantities(known):
    """Mean of five draws; what depends strongly reads low, here 2.31 of 2.35 nats."""
    draws = [known.sample(3_000, np.random.default_rng(seed)) for seed in range(5)]
    assert np.mean([ksg_mutual_information(*draw) for draw in draws]) == pytest.approx(known.nats, abs=0.05)


@pytest.mark.parametrize("known", CLASSES, ids=lambda known: known.name)
def test_a_code_and_a_class(known):
    draws = [known.sample(2_000, np.random.default_rng(seed)) for seed in range(5)]
    assert np.mean([ksg_class_information(*draw) for draw in draws]) == pytest.approx(known.nats, abs=0.05)


def test_two_dimensions_of_each_add_up():
    """Independent pairs of correlation 0.6: twice -1/2 ln(1 - 0.36)."""
    left, noise = np.random.default_rng(0).standard_normal((2, 2_000, 2))
    right = 0.6 * left + 0.8 * noise
    assert ksg_mutual_information(left, right) == pytest.approx(-math.log(0.64), abs=0.05)


def test_a_class_that_takes_two_codes_to_tell():
    """Two halves of a turned square, told by the sum of two codes alone."""
    codes = np.random.default_rng(0).uniform(-1, 1, size=(2_000, 2))
    labels = (codes.sum(axis=1) > 0).astype(int)
    assert ksg_class_information(codes, labels) == pytest.approx(math.log(2), abs=0.03)
    assert ksg_class_information(codes[:, 0], labels) < 0.25


def test_it_does_not_grow_with_the_number_of_classes():
    """Of noise alone: 20 bins and 40 classes read 19 x 39 / 2N."""
    random = np.random.default_rng(0)
    codes, factors = random.standard_normal((2_000, 3)), random.integers(40, size=(2_000, 2))
    assert ksg_information_matrix(codes, factors, neighbours=10).mean() < 0.01
    assert mutual_information_matrix(codes, factors).mean() > 0.1


# -- scikit-learn -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbours", [1, 3, 10])
def test_is_scikit_learns(neighbours):
    """Whose noise of 1e-10 changes no rank where there are no ties."""
    for seed in range(3):
        codes, labels = classes_in_noise(seed=seed)
        theirs = mutual_info_classif(codes[:, None], labels, n_neighbors=neighbours, random_state=seed)[0]
        assert ksg_class_information(codes, labels, neighbours=neighbours) == pytest.approx(theirs, abs=1e-9)
        other = codes + np.random.default_rng(seed).standard_normal(len(codes))
        theirs = mutual_info_regression(codes[:, None], other, n_neighbors=neighbours, random_state=seed)[0]
        assert ksg_mutual_information(codes, other, neighbours=neighbours) == pytest.approx(theirs, abs=1e-9)


# -- worked by hand -----------------------------------------------------------------------------------------


def test_two_classes_of_two_by_hand():
    """Each row's nearest of its class is 1 away and nothing else is: psi(4) + psi(1) - psi(2) - psi(1) = 1/2 + 1/3."""
    value = ksg_class_information(np.array([0.0, 1, 10, 11]), np.array([0, 0, 1, 1]), neighbours=1)
    assert value == pytest.approx(5 / 6)


def test_three_equal_pairs_by_hand():
    """No row is nearer in either than in both: psi(3) + psi(1) - 2 psi(1) = 1 + 1/2."""
    line = np.array([0.0, 1, 3])
    assert ksg_mutual_information(line, line, neighbours=1) == pytest.approx(1.5)


# -- ties ---------------------------------------------------------------------------------------------------


def test_discrete_codes_have_the_plug_in_estimate_less_its_bias():
    """With psi in place of log, (values - 1)(classes - 1) / 2N is off."""
    random = np.random.default_rng(0)
    labels = random.integers(4, size=2_000)
    codes = np.where(random.random(2_000) < 0.5, labels, random.integers(6, size=2_000)).astype(float)
    cells = np.zeros((6, 4))
    np.add.at(cells, (codes.astype(int), labels), 1)
    share = cells / 2_000
    by_hand = digamma(2_000) + (
        (share * digamma(cells)).sum()
        - (share.sum(axis=1) * digamma(cells.sum(axis=1))).sum()
        - (share.sum(axis=0) * digamma(cells.sum(axis=0))).sum()
    )
    plug_in = mutual_information_matrix(codes[:, None], labels[:, None])[0, 0]
    estimate = ksg_class_information(codes, labels)
    assert estimate == pytest.approx(by_hand, abs=1e-12)
    assert estimate == pytest.approx(plug_in - 5 * 3 / 4_000, abs=5e-4)
    assert ksg_mutual_information(codes, labels.astype(float)) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("step", [0.5, 0.1, 0.02, 0.005])
def test_quantised_codes_do_not_seem_to_know(step):
    """Of few copies a value, some are nearer than the k-th neighbour, others as far: to count the former reads 0.2."""
    of_class, of_code = [], []
    for seed in range(8):
        random = np.random.default_rng(seed)
        codes, other = np.round(random.standard_normal((2, 600)) / step) * step
        of_class.append(ksg_class_information(codes, random.integers(5, size=600)))
        of_code.append(ksg_mutual_information(codes, other))
    assert np.mean(of_class) < 0.05
    assert np.mean(of_code) < 0.02


@pytest.mark.parametrize("step", [0.5, 0.1, 0.02, 0.005])
def test_quantised_codes_know_what_they_know(step):
    codes, labels = classes_in_noise(3_000)
    whole = ksg_class_information(codes, labels)
    assert ksg_class_information(np.round(codes / step) * step, labels) == pytest.approx(whole, abs=0.06)


@pytest.mark.parametrize("dead", [0.0, 0.1, -1e9])
def test_a_constant_knows_nothing_exactly(dead):
    codes, labels = classes_in_noise(300)
    assert ksg_class_information(np.full(300, dead), labels) == 0
    assert ksg_class_information(codes, np.full(300, 7)) == 0
    assert ksg_mutual_information(codes, np.full(300, dead)) == 0


def test_copies_of_rows_read_as_information():
    """A limit, scikit-learn's too: rows drawn with replacement have copies, near by and of their own class."""
    random = np.random.default_rng(0)
    codes, labels = random.standard_normal(2_000), random.integers(5, size=2_000)
    drawn = random.integers(2_000, size=2_000)
    assert ksg_class_information(codes, labels) < 0.03
    assert ksg_class_information(codes[drawn], labels[drawn]) == pytest.approx(0.4, abs=0.1)
    theirs = mutual_info_classif(codes[drawn, None], labels[drawn], random_state=0)[0]
    assert theirs > 0.3


# -- small classes ------------------------------------------------------------------------------------------


def test_classes_of_one_row_are_left_out():
    codes, labels = classes_in_noise(200)
    more = np.append(codes, 1.3), np.append(labels, 99)
    assert ksg_class_information(*more) == ksg_class_information(codes, labels)
    with pytest.raises(ValueError, match="classes: at least one must have two rows"):
        ksg_class_information(codes, np.arange(200))


def test_classes_smaller_than_k_use_all_their_rows():
    """Two rows a class: k is 1, whatever was asked for."""
    codes = np.random.default_rng(0).standard_normal(40)
    labels = np.repeat(np.arange(20), 2)
    assert ksg_class_information(codes, labels, neighbours=10) == ksg_class_information(
        codes, labels, neighbours=1
    )


# -- invariances --------------------------------------------------------------------------------------------


def test_order_of_rows_units_and_names_of_classes_do_not_matter():
    codes, labels = classes_in_noise()
    other = codes**2 + np.random.default_rng(1).standard_normal(1_000)
    value, pair = ksg_class_information(codes, labels), ksg_mutual_information(codes, other)
    order = np.random.default_rng(2).permutation(1_000)
    assert ksg_class_information(codes[order], labels[order]) == pytest.approx(value, abs=1e-12)
    assert ksg_mutual_information(codes[order], other[order]) == pytest.approx(pair, abs=1e-12)
    assert ksg_class_information(-1e-3 * codes + 5, np.array([7, -2, 0, 99, 3])[labels]) == pytest.approx(
        value, abs=1e-9
    )
    assert ksg_mutual_information(1e4 * codes - 7, -other) == pytest.approx(pair, abs=1e-9)
    assert ksg_mutual_information(other, codes) == pytest.approx(pair, abs=1e-12)


def test_a_matrix_is_its_pairs_and_tensors_are_arrays():
    codes, labels = classes_in_noise(400)
    table = np.column_stack([codes, -codes, np.zeros(400)])
    factors = np.column_stack([labels, np.zeros(400, dtype=int)])
    matrix = ksg_information_matrix(table, factors, neighbours=5)
    value = ksg_class_information(codes, labels, neighbours=5)
    assert_allclose(matrix, [[value, 0], [value, 0], [0, 0]], atol=1e-12)
    assert_allclose(ksg_information_matrix(torch.tensor(table), torch.tensor(factors), neighbours=5), matrix)


def test_what_is_wrong_is_named():
    codes, labels = classes_in_noise(50)
    for call, message in [
        (lambda: ksg_mutual_information(codes, codes[1:]), "the same number of rows"),
        (
            lambda: ksg_mutual_information(codes, codes, neighbours=50),
            "neighbours: expected fewer than the 50 rows",
        ),
        (
            lambda: ksg_mutual_information(np.append(codes[1:], np.nan), codes),
            "left: every value must be finite",
        ),
        (lambda: ksg_class_information(codes, labels[1:]), "the same number of rows"),
        (
            lambda: ksg_class_information(codes, labels, neighbours=0),
            "neighbours: expected a whole number >= 1",
        ),
        (lambda: ksg_class_information(codes, labels + 0.5), "classes: expected classes as whole numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
