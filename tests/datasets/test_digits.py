"""Digits: what scikit-learn ships, unchanged."""

import numpy as np
import pytest

from disbench.datasets import load


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    data, theirs = load("digits"), load_digits()
    everything = range(len(data))
    assert data.source == "embedded"
    assert np.array_equal(data.images(everything)[:, 0].numpy() * 16, theirs.images)
    assert np.array_equal(data.factors(everything)[:, 0], theirs.target)


def test_digits_are_no_grid() -> None:
    data = load("digits")
    assert not data.is_full_grid
    with pytest.raises(ValueError, match="no full grid"):
        data.index([[3]])
