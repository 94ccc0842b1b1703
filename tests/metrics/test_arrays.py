"""Arrays that cannot be scored are refused in one line that names the argument and its rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from disbench.metrics import (
    METRICS,
    active_units,
    factor_entropy,
    kl_decomposition,
    mig,
    mutual_information_matrix,
)

GOOD = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(("codes", "message"), [
    (np.zeros(6), r"codes: expected shape \[N, D\] with N, D >= 1, got \[6\]"),
    (np.zeros((6, 2, 1)), r"codes: expected shape \[N, D\]"),
    (np.zeros((0, 2)), r"codes: expected shape \[N, D\] with N, D >= 1, got \[0, 2\]"),
    (np.zeros((6, 0)), r"codes: expected shape \[N, D\]"),
    (np.full((6, 2), np.nan), r"codes: every value must be finite, got nan at \[0, 0\]"),
    (np.array([[0.0], [np.inf]]), r"codes: every value must be finite, got inf at \[1, 0\]"),
    (np.array([["a"]]), "codes: expected real numbers, got dtype <U1"),
    (np.zeros((6, 2), dtype=complex), "codes: expected real numbers, got dtype complex128"),
    (np.zeros((5, 2)), "the same number of rows, got codes 5, factors 6"),
])  # fmt: skip
def test_bad_codes(codes: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mutual_information_matrix(codes, GOOD)


@pytest.mark.parametrize(("factors", "message"), [
    (GOOD + 0.5, r"factors: expected classes as whole numbers, got 0.5 at \[0, 0\]"),
    (np.full((6, 2), np.nan), r"factors: every value must be finite"),
    (np.full((6, 2), 2.0**53), "factors: classes must be below 2\\^53"),
    (np.zeros(6), r"factors: expected shape \[N, K\]"),
])  # fmt: skip
def test_bad_factors(factors: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mutual_information_matrix(GOOD, factors)


@pytest.mark.parametrize("bins", [0, -1, 2.5, True])
def test_bad_bins(bins: float) -> None:
    with pytest.raises(ValueError, match="bins: expected a whole number >= 1"):
        mig(GOOD, GOOD, bins=bins)


@pytest.mark.parametrize("kind", [
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.uint8, torch.bool,
])  # fmt: skip
def test_tensors_of_every_number_type(kind: torch.dtype) -> None:
    codes = torch.tensor([[0, 1], [1, 0], [0, 1], [1, 1]]).to(kind)
    assert active_units(codes) == 2
    assert factor_entropy(codes)[0] == pytest.approx(np.log(2))


def test_lists_are_taken_too() -> None:
    assert active_units([[0.0, 1.0], [5.0, 1.0]]) == 1  # type: ignore[arg-type]


def test_inputs_are_left_as_they_are() -> None:
    """Metrics read: no metric writes into what it is given."""
    random = np.random.default_rng(0)
    arrays = {
        "codes": random.normal(size=(90, 3)),
        "factors": random.integers(0, 3, size=(90, 2)),
        "mean": random.normal(size=(90, 3)),
        "logvar": random.normal(size=(90, 3)),
        "condition": random.integers(0, 3, size=90),
    }
    before = {name: array.copy() for name, array in arrays.items()}
    for array in arrays.values():
        array.flags.writeable = False
    for metric in METRICS.values():
        keywords = {"train": 60} if metric.rows == "split" else {}
        metric.function(**{name: arrays[name] for name in metric.inputs}, **keywords)
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays)


def test_logarithms_of_variances_are_within_what_a_float_holds() -> None:
    """Beyond, every density would be 0 or infinite, and no message would say why."""
    for value in (701.0, -701.0):
        with pytest.raises(ValueError, match=r"logvar: a logarithm of a variance is within .* at \[1, 0\]"):
            kl_decomposition(np.zeros((2, 2)), np.array([[0.0, 0.0], [value, 0.0]]))
