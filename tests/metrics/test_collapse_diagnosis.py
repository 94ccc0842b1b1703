"""The diagnosis of collapse on posteriors whose state is known by construction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from disbench.metrics import active_units, diagnose_collapse, gaussian_kl, kl_decomposition

ROWS = 4000


def posteriors() -> tuple[np.ndarray, np.ndarray]:
    """An active latent (variance 0.01), a mixed one (active for half of the inputs), a passive one (the prior)."""
    random = np.random.default_rng(0)
    mean, logvar = np.zeros((ROWS, 3)), np.zeros((ROWS, 3))
    mean[:, 0], logvar[:, 0] = random.normal(size=ROWS) * math.sqrt(0.99), math.log(0.01)
    half = np.arange(ROWS) % 2 == 0
    mean[half, 1], logvar[half, 1] = random.normal(size=ROWS // 2), math.log(0.01)
    return mean, logvar


def test_kinds_are_told_apart() -> None:
    found = diagnose_collapse(*posteriors())
    assert found.kinds == ("active", "mixed", "passive")
    assert found.collapsed_inputs == pytest.approx([0, 0.5, 1])
    assert found.active_units == 2 == active_units(posteriors()[0])
    assert found.mean_variance == pytest.approx([0.99, 0.5, 0], abs=0.05)


def test_divergences_are_those_of_the_decomposition() -> None:
    mean, logvar = posteriors()
    found, terms = diagnose_collapse(mean, logvar), kl_decomposition(mean, logvar)
    assert found.aggregate_kl_nats == pytest.approx(terms.kl_nats - terms.mutual_information_nats)
    assert found.kl_per_dimension_nats == pytest.approx(terms.kl_per_dimension_nats)
    assert found.mutual_information_per_dimension_nats[2] == pytest.approx(0, abs=1e-5)
    # q(z_0) is N(0, 1), so that I(x; z_0) = 1/2 log(1 / 0.01).
    assert found.mutual_information_per_dimension_nats[0] == pytest.approx(0.5 * math.log(100), abs=0.1)


def test_the_curve_by_hand() -> None:
    """KL is 1/2 m^2 with unit variance: means of 0.1 and 2 collapse at epsilon above 0.005 and 2 nats."""
    mean = np.tile([0.1, 2.0], (50, 1)) * np.where(np.arange(50) % 2, 1, -1)[:, None]
    found = diagnose_collapse(mean, np.zeros_like(mean))
    expected = np.select([found.epsilons <= 0.005, found.epsilons <= 2], [0, 0.5], 1.0)
    assert found.collapse_curve.tolist() == expected.tolist()
    assert (np.diff(found.collapse_curve) >= 0).all()
    assert found.kinds == ("passive", "active")


def test_delta_is_the_share_of_inputs_that_may_differ() -> None:
    """Two of a hundred inputs use the latent: collapsed for delta = 0.02 and not for 0.01."""
    mean = np.zeros((100, 1))
    mean[:2] = 3.0
    assert diagnose_collapse(mean, np.zeros_like(mean), delta=0.01).kinds == ("mixed",)
    assert diagnose_collapse(mean, np.zeros_like(mean), delta=0.02).kinds == ("passive",)


def test_passive_latents_may_correlate_in_the_mean_and_never_in_samples() -> None:
    """The trap: copies of a faint signal in the means of latents whose samples are noise."""
    mean, logvar = posteriors()
    faint = 0.02 * mean[:, :1]
    mean = np.hstack([mean, faint, faint + 1e-4 * np.random.default_rng(1).normal(size=(ROWS, 1))])
    found = diagnose_collapse(mean, np.hstack([logvar, np.zeros((ROWS, 2))]))
    assert found.kinds[3:] == ("passive", "passive")
    assert found.total_correlation_of_means_nats > 5
    assert found.total_correlation_of_samples_nats < 0.01


def test_a_latent_that_only_repeats_the_condition_is_dead_given_it() -> None:
    random = np.random.default_rng(0)
    condition = random.integers(0, 4, size=ROWS)
    mean = np.column_stack([condition - 1.5, random.normal(size=ROWS)])
    found = diagnose_collapse(mean, np.full_like(mean, -3), condition=condition)
    assert (found.active_units, found.active_units_given_condition) == (2, 1)
    assert found.within_class_variance == pytest.approx([0, 1], abs=0.05)
    assert diagnose_collapse(mean, np.full_like(mean, -3)).within_class_variance is None


@pytest.mark.parametrize(
    ("keywords", "why"),
    [
        ({"epsilon": 0}, "epsilon: expected nats above 0"),
        ({"epsilon": math.nan}, "epsilon: expected nats above 0"),
        ({"delta": 0.5}, "delta: expected a share"),
        ({"delta": -0.1}, "delta: expected a share"),
        ({"condition": np.zeros(3, dtype=int)}, "condition"),
    ],
)
def test_what_is_wrong_is_named(keywords: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        diagnose_collapse(*posteriors(), **keywords)


def test_the_closed_form_is_the_one_of_training() -> None:
    import torch

    mean, logvar = posteriors()
    expected = gaussian_kl(torch.tensor(mean), torch.tensor(logvar)).mean(0)
    assert diagnose_collapse(mean, logvar).kl_per_dimension_nats == pytest.approx(expected.numpy())


def test_a_latent_that_repeats_the_condition_says_nothing_beyond_it() -> None:
    """One latent is the class, one the image within its class: I(x; z | y) is 0 of the first, ln 50 of the second."""
    classes, place = np.divmod(np.arange(200), 50)
    mean = np.stack([classes, place], axis=1).astype(float)
    found = diagnose_collapse(mean, np.full(mean.shape, -9.0), condition=classes)
    assert found.mutual_information_per_dimension_nats == pytest.approx([np.log(4), np.log(50)], abs=1e-3)
    assert found.mutual_information_given_condition_nats == pytest.approx([0, np.log(50)], abs=1e-3)
    assert diagnose_collapse(mean, np.zeros(mean.shape)).mutual_information_given_condition_nats is None
