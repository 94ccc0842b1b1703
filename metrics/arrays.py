"""What metrics accept: numpy arrays or torch tensors, checked once, with errors that name the argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Array: TypeAlias = "NDArray[Any] | torch.Tensor"
Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


LARGEST = 1e100
"""Squares of values and sums of them are still numbers."""


def as_matrix(values: Array, name: str) -> Floats:
    """Return numbers [N, D] as float64.

    Narrower types are widened first, so that float32 codes and the same values in float64 get the same scores.

    Raises:
        ValueError: not two-dimensional, no rows, no columns, not numbers, NaN, infinite, or beyond 1e100.
    """
    matrix = _finite(values, name)
    if np.abs(matrix).max() > LARGEST:
        row, column = np.argwhere(np.abs(matrix) > LARGEST)[0]
        raise ValueError(
            f"{name}: values are within -1e100 .. 1e100, so that their squares are numbers,"
            f" got {matrix[row, column]} at [{row}, {column}]"
        )
    return matrix


LARGEST_LOGVAR = 700.0
"""Its exponential, and that of its negative, are still numbers."""


def as_logvar(values: Array, name: str = "logvar") -> Floats:
    """Return logarithms of variances [N, D] as float64.

    Raises:
        ValueError: as `as_matrix`, or a variance that no float holds.
    """
    matrix = as_matrix(values, name)
    if np.abs(matrix).max() > LARGEST_LOGVAR:
        row, column = np.argwhere(np.abs(matrix) > LARGEST_LOGVAR)[0]
        raise ValueError(
            f"{name}: a logarithm of a variance is within -700 .. 700, got {matrix[row, column]} at [{row}, {column}]"
        )
    return matrix


def as_factors(values: Array, name: str = "factors") -> Integers:
    """Return whole-number classes [N, K] as int64; floats are taken when each equals a whole number.

    Raises:
        ValueError: not two-dimensional, empty, NaN, infinite, or a value that is no whole number.
    """
    matrix = _finite(values, name)
    if np.abs(matrix).max() >= 2.0**53:
        raise ValueError(f"{name}: classes must be below 2^53, where floats stop telling whole numbers apart")
    whole = np.rint(matrix)
    if not np.array_equal(whole, matrix):
        row, column = np.argwhere(whole != matrix)[0]
        raise ValueError(
            f"{name}: expected classes as whole numbers, got {matrix[row, column]} at [{row}, {column}]"
        )
    return whole.astype(np.int64)


def as_classes(values: Array, name: str) -> Integers:
    """Return one label a row, [N], as int64 numbers 0 .. (number of classes - 1); [N, 1] is taken too."""
    labels = _as_numpy(values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{name}: expected one label a row, shape [N], got {list(labels.shape)}")
    return ranks(as_factors(labels[:, None], name))[:, 0]


def ranks(factors: Integers) -> Integers:
    """Renumber every column [N, K] to 0 .. (classes seen - 1), in the order of its values."""
    columns = [np.unique(column, return_inverse=True)[1] for column in factors.T]
    return np.stack(columns, axis=1).astype(np.int64, copy=False)


def require_equal_rows(**arrays: NDArray[Any]) -> int:
    """Return the number of rows that all named arrays share.

    Raises:
        ValueError: two of them differ.
    """
    rows = {name: len(array) for name, array in arrays.items()}
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise ValueError(f"arrays must have the same number of rows, got {listed}")
    return next(iter(rows.values()))


def require_train_rows(train: int, rows: int) -> int:
    """Return `train` when it leaves rows on both sides: the first `train` train, the rest test.

    Raises:
        ValueError: fewer than 2 rows, or not a whole number in 1 .. rows - 1.
    """
    if rows < 2:
        raise ValueError(f"arrays must have at least 2 rows, one to train and one to test, got {rows}")
    if isinstance(train, bool) or int(train) != train or not 0 < train < rows:
        raise ValueError(f"train: expected a whole number of rows in 1 .. {rows - 1} of {rows}, got {train}")
    return int(train)


def require_varying(factors: Integers) -> Integers:
    """Return which columns take more than one value.

    Raises:
        ValueError: none does.
    """
    varying = np.flatnonzero((factors != factors[0]).any(axis=0))
    if not varying.size:
        raise ValueError(f"factors: at least one must vary, all are constant over {len(factors)} rows")
    return varying


def require_at_least(name: str, value: int, least: int) -> int:
    """Return `value` when it is a whole number of at least `least`.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or int(value) != value or value < least:
        raise ValueError(f"{name}: expected a whole number >= {least}, got {value}")
    return int(value)


def _finite(values: Array, name: str) -> Floats:
    """Finite numbers [N, D] as float64."""
    matrix = _as_numpy(values)
    if matrix.ndim != 2 or 0 in matrix.shape:
        letter = "K" if name == "factors" else "D"
        raise ValueError(
            f"{name}: expected shape [N, {letter}] with N, {letter} >= 1, got {list(matrix.shape)}"
        )
    if matrix.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {matrix.dtype}")
    matrix = matrix.astype(np.float64, copy=False)
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise ValueError(
            f"{name}: every value must be finite, got {matrix[row, column]} at [{row}, {column}]"
        )
    return matrix


def _as_numpy(values: Array) -> NDArray[Any]:
    """Take a tensor off its graph and device; leave arrays as they are."""
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() == 2:
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    return np.asarray(values)
