"""MIG and its mutual information matrix against scikit-learn, numpy and values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import mutual_info_score

from disbench.metrics import equal_width_bins, factor_entropy, mig, mutual_information_matrix


def grid(*sizes: int) -> np.ndarray:
    """Every combination of factors once, [prod(sizes), len(sizes)]."""
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


def noisy(rows: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Five mixed codes of three factors, float32."""
    random = np.random.default_rng(1)
    factors = random.integers(0, [3, 6, 40], size=(rows, 3))
    codes = (factors / [3, 6, 40]) @ random.normal(size=(3, 5)) + 0.1 * random.normal(size=(rows, 5))
    return codes.astype(np.float32), factors


def slow_mig(codes: np.ndarray, factors: np.ndarray, bins: int = 20) -> float:
    """The study's definition, one pair at a time."""
    binned = [np.digitize(x, np.histogram(x, bins)[1][:-1]) for x in codes.astype(float).T]
    gaps = []
    for v in factors.T:
        runner_up, best = sorted(mutual_info_score(v, b) for b in binned)[-2:]
        gaps.append((best - runner_up) / mutual_info_score(v, v))
    return float(np.mean(gaps))


# -- bins ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_bins_are_numpys(dtype: type, seed: int) -> None:
    """In float64, whatever the codes came in; some values lie on an edge."""
    random = np.random.default_rng(seed)
    codes = np.hstack([random.normal(size=(3_000, 3)), random.integers(0, 41, size=(3_000, 2)) / 7]).astype(
        dtype
    )
    for column, binned in zip(codes.astype(float).T, equal_width_bins(codes).T, strict=True):
        assert_array_equal(binned, np.digitize(column, np.histogram(column, 20)[1][:-1]) - 1)


def test_bins_by_hand() -> None:
    """0 .. 4 in four bins of width 1; the largest value belongs to the last bin."""
    codes = np.array([0.0, 0.9, 1.0, 2.5, 3.0, 4.0])[:, None]
    assert equal_width_bins(codes, bins=4)[:, 0].tolist() == [0, 0, 1, 2, 3, 3]


def test_constant_and_nearly_constant_codes_have_bins_too() -> None:
    """A spread of one rounding step is refused by numpy.histogram; a dead code has it."""
    codes = np.stack([np.tile([1.0, np.nextafter(1, 2)], 50), np.ones(100)], axis=1)
    assert len(np.unique(equal_width_bins(codes)[:, 0])) <= 2
    assert not equal_width_bins(codes)[:, 1].any()


# -- mutual information -------------------------------------------------------------------------------------


def test_mutual_information_is_scikit_learns() -> None:
    codes, factors = noisy()
    oracle = [[mutual_info_score(v, b) for v in factors.T] for b in equal_width_bins(codes).T]
    assert_allclose(mutual_information_matrix(codes, factors), oracle, rtol=0, atol=1e-12)
    assert_allclose(factor_entropy(factors), [mutual_info_score(v, v) for v in factors.T], atol=1e-12)


def test_mutual_information_by_hand() -> None:
    """Two of four classes a bin: the code knows half of log 4; entropy of (1/2, 1/4, 1/4) is 1.5 log 2."""
    factors = np.arange(4)[:, None].repeat(2, axis=0)
    assert_allclose(mutual_information_matrix(factors // 2.0, factors), [[math.log(2)]])
    assert_allclose(factor_entropy(np.array([[0], [0], [7], [9]])), [1.5 * math.log(2)])


def test_factors_are_classes_and_are_never_binned() -> None:
    """40 classes keep log 40 of entropy; 20 bins would leave log 20."""
    factors = grid(40, 3)
    assert factor_entropy(factors)[0] == pytest.approx(math.log(40))
    assert mutual_information_matrix(factors.astype(float), factors, bins=40)[0, 0] == pytest.approx(
        math.log(40)
    )
    assert mutual_information_matrix(factors.astype(float), factors)[0, 0] == pytest.approx(math.log(20))


def test_labels_are_names_not_sizes() -> None:
    codes, factors = noisy()
    renamed = np.array([-7, 1000, 3])[factors[:, :1]]
    assert_allclose(
        mutual_information_matrix(codes, renamed), mutual_information_matrix(codes, factors[:, :1])
    )


def test_independent_codes_show_the_plug_in_bias() -> None:
    """About (bins - 1)(classes - 1) / (2 N) above zero."""
    random = np.random.default_rng(0)
    factors, codes = random.integers(0, 32, size=(10_000, 20)), random.uniform(size=(10_000, 5))
    assert mutual_information_matrix(codes, factors).mean() == pytest.approx(19 * 31 / 20_000, rel=0.05)


# -- the gap ------------------------------------------------------------------------------------------------


def test_gap_is_the_studys() -> None:
    codes, factors = noisy()
    assert mig(codes, factors) == pytest.approx(slow_mig(codes, factors), abs=1e-12)
    assert mig(codes, factors, bins=7) == pytest.approx(slow_mig(codes, factors, bins=7), abs=1e-12)


def test_codes_that_are_the_factors_score_one() -> None:
    factors = grid(3, 4, 5)
    assert mig(factors.astype(float), factors) == pytest.approx(1.0)


def test_order_sign_and_scale_of_codes_do_not_matter() -> None:
    codes, factors = noisy()
    assert mig(codes[:, ::-1] * 4 + 1, factors) == pytest.approx(mig(codes, factors), abs=1e-9)
    assert mig(-codes.astype(float), factors) == pytest.approx(mig(codes.astype(float), factors), abs=0.02)


def test_rotated_codes_lose_the_gap() -> None:
    """Two factors turned by 45 degrees: both codes know as much of each."""
    factors = grid(20, 20)
    turn = np.array([[1.0, 1.0], [1.0, -1.0]])
    assert mig(factors @ turn, factors) < 0.02


def test_duplicated_code_scores_zero() -> None:
    factors = grid(3, 4, 5)
    assert mig(np.hstack([factors, factors]).astype(float), factors) == pytest.approx(0.0)


def test_half_a_gap_by_hand() -> None:
    """The second code knows which half of the four classes: (log 4 - log 2) / log 4."""
    factors = np.arange(4)[:, None]
    assert mig(np.hstack([factors, factors // 2]).astype(float), factors) == pytest.approx(0.5)


def test_dead_codes_change_nothing_and_a_single_code_is_compared_with_one() -> None:
    codes, factors = noisy()
    assert mig(np.hstack([codes, np.zeros_like(codes)]), factors) == pytest.approx(mig(codes, factors))
    one = codes[:, :1]
    assert mig(one, factors) == pytest.approx(mig(np.hstack([one, np.zeros_like(one)]), factors))


def test_constant_factors_are_left_out() -> None:
    codes, factors = noisy()
    assert mig(codes, np.hstack([factors, np.full_like(factors, 3)])) == pytest.approx(mig(codes, factors))
    with pytest.raises(ValueError, match="factors: at least one must vary"):
        mig(codes, np.ones_like(factors))


def test_memory_layout_does_not_matter() -> None:
    """A transposed view is the same matrix; reading its memory in the wrong order scores 0.0008 instead of 0.50."""
    codes, factors = noisy()
    assert mig(np.asfortranarray(codes), np.asfortranarray(factors)) == mig(codes, factors)
    assert mig(torch.tensor(codes.T.copy()).T, torch.tensor(factors.T.copy()).T) == mig(codes, factors)


def test_arrays_and_tensors_give_the_same_plain_number() -> None:
    codes, factors = noisy()
    value = mig(codes, factors)
    assert type(value) is float
    assert mig(torch.tensor(codes, requires_grad=True), torch.tensor(factors)) == value
    assert mig(codes, factors.astype(np.float32)) == mig(codes, factors.astype(np.uint8)) == value
