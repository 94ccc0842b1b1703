"""`evaluate`: any function of images is scored as the models of a study are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from disbench.bench import evaluate
from disbench.datasets import load
from disbench.metrics import METRICS, compute

QUICK = ["mig", "modularity", "active_units", "gaussian_total_correlation"]


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def columns(images: Tensor) -> Tensor:
    """Codes [B, 4]: brightness of four columns of pixels."""
    return images.flatten(1)[:, 10:50:10]


class Posterior(nn.Module):
    """An encoder with dropout, which scoring must switch off and leave as it was."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Linear(64, 3)
        self.dropout = nn.Dropout()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.layer(self.dropout(images.flatten(1)))
        return mean, torch.full_like(mean, -1.0)


def test_a_function_is_scored_as_its_codes_are(digits):
    """A small data set is taken whole, two thirds of it to train: `compute` on the same rows says the same."""
    found = evaluate(columns, digits, metrics=["mig", "dcimig"], draws=0)
    assert found.images == len(digits)
    indices = torch.arange(len(digits))
    codes, factors = columns(digits.images(indices)), digits.factors(indices)
    everything = compute(["mig"], codes=codes, factors=factors, train=len(digits) - 1)["mig"]
    assert found["mig"].value == pytest.approx(everything, abs=0.05)
    assert found["mig"].rows == 2 * len(digits) // 3
    assert found.numbers() == {name: result.value for name, result in found.items()}


def test_a_data_set_by_name_and_a_seed_for_its_draws():
    """The same seed draws the same images; another seed others."""
    first, again, other = (
        evaluate(columns, "digits", metrics=["mig"], samples=300, test_samples=100, draws=0, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.images == 400
    assert first.numbers() == again.numbers() != other.numbers()


def test_posteriors_bring_their_scores_and_modules_are_left_as_they_were(digits):
    """(mean, logvar) allow the KL decomposition; dropout is off while scoring and on again after."""
    model = Posterior()
    found = evaluate(model, digits, metrics=[*QUICK, "kl_decomposition"], draws=3)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert found["kl_nats"].interval is not None
    model.eval()
    assert evaluate(model, digits, metrics=QUICK, draws=3)["mig"].value == found["mig"].value
    assert not model.training


def test_everything_that_codes_allow_is_there_by_default(digits):
    """For bare codes: all that needs no posterior, and nothing that is of a whole data set unless asked for."""
    cheap = {"dci": {"rounds": 1}, "downstream": {"rounds": 1}, "dci_es": {"trees": 1, "depths": [1, 2]}}
    found = evaluate(columns, digits, draws=0, options=cheap, samples=200, test_samples=100)
    allowed = [m for m in METRICS.values() if set(m.inputs) <= {"codes", "factors"} and not m.whole]
    assert list(found) == [score.column for metric in allowed for score in metric.scores]


def test_whole(digits):
    """Every image, in order, for the exact score."""
    found = evaluate(columns, digits, metrics=["mig_exact"], whole=True)
    indices = torch.arange(len(digits))
    codes, factors = columns(digits.images(indices)), digits.factors(indices)
    assert found.numbers() == compute(["mig_exact"], codes=codes, factors=factors, whole=True)


def test_a_condition_is_no_factor(digits):
    """Digits told their digit have no factor left, and what codes still tell of it is scored."""
    found = evaluate(columns, digits, condition="digit", draws=0)
    assert "mig" not in found
    assert 0 < found["condition_leakage_fraction"].value < 1


def test_a_conditional_encoder_is_told_the_condition(digits):
    """The classes, as its second argument, batch by batch."""
    told = []

    def encoder(images: Tensor, classes: Tensor) -> Tensor:
        told.append(classes)
        return columns(images)

    found = evaluate(encoder, digits, condition="digit", metrics=["condition_leakage"], draws=0)
    whole = torch.cat(told)
    assert whole.dtype == torch.int64
    assert torch.equal(whole.bincount(), digits.factors(torch.arange(len(digits)))[:, 0].bincount())
    assert (
        found.numbers()
        == evaluate(columns, digits, condition="digit", metrics=["condition_leakage"], draws=0).numbers()
    )


def test_no_image_is_drawn_twice():
    """Copies would be neighbours to estimates without bins."""
    seen = []

    def encoder(images: Tensor) -> Tensor:
        seen.append(images.flatten(1))
        return columns(images)

    evaluate(encoder, "digits", metrics=["mig"], samples=900, test_samples=600, draws=0)
    digits = load("digits")
    every = digits.images(torch.arange(len(digits))).flatten(1)
    assert len(torch.cat(seen)) == 1500
    assert len(torch.unique(torch.cat(seen), dim=0)) >= 1500 - (len(every) - len(torch.unique(every, dim=0)))


def test_batches_change_nothing(digits):
    """One image at a time or all at once."""
    small, large = (
        evaluate(columns, digits, metrics=QUICK[:2], draws=0, batch_size=size).numbers() for size in (7, 5000)
    )
    assert small == large


def test_it_prints_a_page(digits):
    """With what was encoded above it."""
    text = str(evaluate(columns, digits, metrics=["mig"], draws=3))
    assert text.startswith(f"digits: {len(digits)} images encoded\n\nFactors in codes\nmig ")


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (lambda images: images, r"encoder: expected codes \[256, D\].*got \(256, 1, 8, 8\)"),
        (lambda images: images.flatten(1)[:3], r"got \(3, 64\)"),
        (lambda images: (images.flatten(1), images.flatten(1)[:, :2]), r"got \(256, 64\), \(256, 2\)"),
        (lambda images: None, "got NoneType"),
        (lambda images: {"codes": images}, "got dict"),
        (lambda images: images.flatten(1) * np.nan, "codes"),
    ],
)
def test_an_encoder_that_returns_something_else(digits, encoder, message):
    """One line that says what was expected and what came."""
    with pytest.raises(ValueError, match=message) as raised:
        evaluate(encoder, digits, metrics=["mig"])
    assert "\n" not in str(raised.value)


def test_unknown_names():
    """Of a metric, a factor, a data set."""
    with pytest.raises(ValueError, match="did you mean 'mig'"):
        evaluate(columns, "digits", metrics=["mgi"])
    with pytest.raises(ValueError, match="condition: expected a factor of digits, digit, got 'shape'"):
        evaluate(columns, "digits", condition="shape")
    with pytest.raises(ValueError, match="digitz"):
        evaluate(columns, "digitz")
