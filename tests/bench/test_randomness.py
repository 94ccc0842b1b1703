"""Random numbers are a function of (seed, role, step, position), and good ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from disbench.bench.randomness import ROLES, integers, normal, philox, uniform, words

SEEDS = st.integers(0, 2**63 - 1)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key, expected):
    """Known answers of philox4x32-10 in the Random123 library that came with Salmon et al. 2011 (kat_vectors)."""
    as_tensors = [torch.tensor([word]) for word in counter], [torch.tensor([word]) for word in key]
    assert [int(word) for word in philox(*map(tuple, as_tensors))] == expected


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, step=st.integers(0, 2**32 - 1), count=st.integers(1, 50), cut=st.integers(1, 50))
def test_a_number_depends_on_its_four_names_alone(seed, step, count, cut):
    """Drawn alone, among other seeds and steps, or as part of a shorter batch: the same number."""
    alone = words([seed], "noise", [step], count)[0, 0]
    company = words([7, seed, 3], "noise", [0, step, 9], count)[1, 1]
    shorter = words([seed], "noise", [step], min(cut, count))[0, 0]
    assert torch.equal(alone, company)
    assert torch.equal(alone[: len(shorter)], shorter)


@pytest.mark.parametrize("draw", [uniform, normal])
def test_floats_do_not_depend_on_batch_or_threads(draw):
    """Bit for bit, although vectorised loops treat the ends of their ranges differently."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one_thread = draw([1, 2, 3], "noise", range(50), 999)
        torch.set_num_threads(2)
        two_threads = draw([1, 2, 3], "noise", range(50), 999)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one_thread, two_threads)
    for step in (0, 13, 49):
        assert torch.equal(draw([2], "noise", [step], 999)[0, 0], one_thread[1, step])
        assert torch.equal(draw([2], "noise", [step], 37)[0, 0], one_thread[1, step, :37])


def test_every_name_makes_another_stream():
    """Seeds that differ in the low or the high word, roles and steps: all different, none correlated."""
    streams = [words([seed], "noise", [0], 1000) for seed in (0, 1, 2**32, 2**40)]
    streams += [words([0], role, [0], 1000) for role in ROLES if role != "noise"]
    streams += [words([0], "noise", [step], 1000) for step in (1, 2)]
    table = torch.stack([stream.flatten() for stream in streams]).double()
    correlation = torch.corrcoef(table) - torch.eye(len(table))
    assert correlation.abs().max() < 0.15  # 4.7 standard deviations for 1,000 pairs


def test_uniform_is_uniform():
    """Kolmogorov-Smirnov on 400,000 numbers, and never 1."""
    numbers = uniform([11], "data", range(40), 10_000).flatten().numpy()
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    assert numbers.min() >= 0
    assert numbers.max() < 1


def test_normal_is_normal():
    """Kolmogorov-Smirnov on 400,000 numbers, four moments, tails, and independence of Box-Muller's pairs."""
    numbers = normal([5], "noise", range(40), 10_000, dtype=torch.float64).flatten().numpy()
    assert stats.kstest(numbers, "norm").pvalue > 1e-3
    assert abs(stats.kurtosis(numbers)) < 0.05
    assert abs(stats.skew(numbers)) < 0.02
    expected_beyond_3 = len(numbers) * 2 * stats.norm.sf(3)
    assert abs((np.abs(numbers) > 3).sum() - expected_beyond_3) < 5 * expected_beyond_3**0.5
    pairs = numbers.reshape(-1, 2)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.01
    assert abs(np.corrcoef((pairs**2).T)[0, 1]) < 0.01


def test_integers_are_uniform_and_below():
    """Chi-square over the classes of a small range; the largest index of dSprites is reached by none above it."""
    drawn = integers([3], "data", range(100), 1000, below=7).flatten()
    counts = torch.bincount(drawn, minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert integers([3], "data", range(100), 1000, below=737_280).max() < 737_280


def test_unknown_role_names_the_known_ones():
    """A stream cannot be opened by a misspelt name."""
    with pytest.raises(ValueError, match="unknown role 'nose'; known: init, data"):
        words([0], "nose", [0], 1)


def test_range_must_fit_in_31_bits():
    """Beyond that the product with a 32-bit word would not fit."""
    with pytest.raises(ValueError, match="below must be in"):
        integers([0], "data", [0], 1, below=2**32)
