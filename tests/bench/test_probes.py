"""Probes on codes of known worth: perfect, none, rotated, few labels; which rows are labelled; features by a hook."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from disbench.bench.evaluation import Encoded, task_scores
from disbench.bench.models import Model, small_patch, study_conv
from disbench.bench.run import EvaluationPlan, Run
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.bench.tasks.probes import (
    accuracy,
    chance,
    hidden_features,
    listening,
    measure,
    narrowed,
    read_factors,
    standardised,
)
from disbench.datasets import load

TRAIN, TEST = 300, 200
OPTIONS = {"draws": 3, "width": 256, "strengths": (1.0, 10_000.0)}


class Grid:
    """Two factors of three and four classes, and images that nobody looks at."""

    factor_names = ("shape", "place")
    device = torch.device("cpu")

    def images(self, indices):
        """All black."""
        return torch.zeros(len(indices), 1, 8, 8)


class Blind(Model):
    """Encodes nothing by no layer at all."""

    def encode(self, images, condition):
        """Zeros."""
        return torch.zeros(len(images), 2), torch.zeros(len(images), 2)

    def forward(self, images, condition, noise):
        """Nobody trains it."""
        pytest.fail("probes train no model")

    def decode(self, codes, condition):
        """Nobody looks at what it makes."""
        pytest.fail("probes decode nothing")


def run(**changes):
    """Of which only seed and condition matter here."""
    plain = Run(
        data_set="digits", data_content=None, architecture="small_patch", objective="beta_vae", options={},
        condition=None, correlation=None, latents=3, steps=1, batch_size=8, learning_rate=1e-3, strength=1.0, seed=0,
        evaluation=EvaluationPlan(samples=TRAIN, test_samples=TEST, metrics=("probes",)),
    )  # fmt: skip
    return replace(plain, **changes)


def subject(codes, factors, model=None, told_factors=(), **changes):
    """Somebody with these codes."""
    rows = len(factors)
    told = lambda indices, factors: torch.zeros(len(indices), 0)  # noqa: E731
    return Subject(
        run(**changes),
        model or Blind(),
        Grid(),
        told,
        torch.arange(rows),
        factors,
        codes.float(),
        TRAIN,
        told_factors,
    )


def classes(seed=0):
    """Rows of both factors, independent and uniform."""
    chance = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, n, (TRAIN + TEST,), generator=chance) for n in (3, 4)], dim=1)


def one_hot(factors):
    """A code for each class of each factor."""
    return torch.cat([nn.functional.one_hot(factors[:, k], n) for k, n in enumerate((3, 4))], dim=1)


def test_perfect_codes_are_read_from_all_labels_and_nearly_from_few():
    """A code for each class: every test row is right, from 100 labels as from all; ten may miss a class."""
    found = measure(subject(one_hot(classes()), classes()), **OPTIONS)
    for size in ("100", "1000", "all"):
        assert found[f"probe_codes_{size}"] == 1
    assert found["probe_chance"] < found["probe_codes_10"] <= 1
    assert found["probe_codes_per_factor"] == [1.0, 1.0]
    assert found["probe_codes_100_spread"] == 0


def test_noise_is_at_chance():
    """Codes that know nothing: a third and a quarter, 7 / 24 on average, from any number of labels."""
    noise = torch.randn(TRAIN + TEST, 5, generator=torch.Generator().manual_seed(1))
    found = measure(subject(noise, classes()), **OPTIONS)
    for size in ("10", "100", "1000", "all"):
        assert found[f"probe_codes_{size}"] == pytest.approx(7 / 24, abs=0.07)
    assert found["probe_chance"] == pytest.approx(7 / 24, abs=0.07)


def test_the_scale_of_codes_does_not_matter():
    """Standardised: a code in thousandths is worth as much, one that never moves nothing, to the last row."""
    codes = one_hot(classes()) + 0.4 * torch.randn(
        TRAIN + TEST, 7, generator=torch.Generator().manual_seed(2)
    )
    scales = torch.logspace(-3, 3, 7)
    plain = measure(subject(codes, classes()), **OPTIONS)
    scaled = measure(subject(codes * scales + 5, classes()), **OPTIONS)
    for name, value in plain.items():
        assert scaled[name] == pytest.approx(value, abs=0.01), name
    still = standardised(np.ones((10, 2), dtype=np.float32), 5)
    assert (still == 0).all()


def test_a_regression_is_scikit_learns():
    """On standardised rows, tested on the rest."""
    codes = one_hot(classes()) + torch.randn(TRAIN + TEST, 7, generator=torch.Generator().manual_seed(3))
    rows, labels = standardised(codes.numpy().astype(np.float32), TRAIN), classes()[:, 0].numpy()
    for strength in (1.0, 0.01):
        expected = (
            LogisticRegression(C=strength).fit(rows[:50], labels[:50]).score(rows[TRAIN:], labels[TRAIN:])
        )
        assert accuracy(rows, labels, TRAIN, np.arange(50), [strength]) == pytest.approx(expected)


def test_the_penalty_is_chosen_on_labelled_rows_that_are_held_out():
    """One perfect latent of 32 places needs a weak penalty, weak codes among many of noise a strong one."""
    chance = np.random.default_rng(0)
    places = chance.integers(0, 32, 1_500)
    rows = standardised(places[:, None].astype(np.float32), 1_000)
    kept = np.arange(1_000)
    single = [accuracy(rows, places, 1_000, kept, [one]) for one in (1.0, 1e4)]
    assert single[0] < 0.5 < 0.99 < single[1]
    assert accuracy(rows, places, 1_000, kept, [1.0, 1e4]) == single[1]
    sides = chance.integers(0, 2, 1_500)
    noisy = chance.normal(size=(1_500, 60)).astype(np.float32)
    noisy[:, 0] += sides
    kept = np.arange(80)
    single = [accuracy(noisy, sides, 1_000, kept, [one]) for one in (0.01, 1e4)]
    assert single[0] > single[1]
    assert accuracy(noisy, sides, 1_000, kept, [0.01, 1e4]) == single[0]


def test_one_class_among_the_labels_is_all_that_is_said():
    labels = np.array([1, 1, 1, 0, 1, 0, 2])
    rows = np.arange(7, dtype=np.float32)[:, None]
    assert accuracy(rows, labels, 4, np.array([0, 1, 2, 0, 1]), [1.0]) == pytest.approx(1 / 3)
    assert chance(labels, 4) == pytest.approx(1 / 3)


def test_draws_of_labels_are_the_seeds():
    """The same at a seed, others at another; a size beyond the training rows has one draw, and no spread."""
    codes = one_hot(classes()) + torch.randn(TRAIN + TEST, 7, generator=torch.Generator().manual_seed(4))
    first, again, other = (measure(subject(codes, classes(), seed=seed), **OPTIONS) for seed in (0, 0, 1))
    assert first == again
    assert first["probe_codes_10"] != other["probe_codes_10"]
    assert first["probe_codes_all"] == other["probe_codes_all"] == first["probe_codes_1000"]
    assert first["probe_codes_10_spread"] > 0
    assert "probe_codes_1000_spread" not in first


def test_told_and_constant_factors_are_left_out():
    """What a model is told is no merit of its encoder; where nothing is left there is no probe."""
    factors = classes()
    assert read_factors(subject(one_hot(factors), factors, told_factors=(0,))) == [1]
    still = torch.stack((factors[:, 0], torch.zeros_like(factors[:, 0])), dim=1)
    assert read_factors(subject(one_hot(factors), still)) == [0]
    assert measure(subject(one_hot(factors), still, told_factors=(0,)), **OPTIONS) == {}


def test_features_are_what_the_last_layer_is_given():
    """Of both kinds of head: one layer of 2 D, or one for the mean and one for the log-variance."""
    torch.manual_seed(0)
    patch, conv = small_patch((1, 8, 8), 3, 0), study_conv((1, 64, 64), 3, 0)
    images, nothing = torch.rand(2, 1, 8, 8), torch.zeros(2, 0)
    with listening(patch) as heard, torch.no_grad():
        parameters = patch.encoder(images, nothing)
    torch.testing.assert_close(patch.encoder.posterior(heard[-1]), parameters)
    with listening(conv) as heard, torch.no_grad():
        mean, logvar = conv.encode(torch.rand(2, 1, 64, 64), nothing)
    torch.testing.assert_close(conv.encoder.mean(heard[-1]), mean)
    torch.testing.assert_close(conv.encoder.logvar(heard[-1]), logvar)
    assert not any(layer._forward_pre_hooks for layer in conv.modules())


def test_a_model_without_layers_has_codes_alone():
    found = measure(subject(one_hot(classes()), classes()), **OPTIONS)
    assert not any(name.startswith("probe_features") for name in found)
    assert hidden_features(subject(one_hot(classes()), classes())) is None


@pytest.mark.parametrize("rows", [40, 400])
def test_wide_features_keep_their_widest_directions(rows):
    """Three strong directions among fifty: distances between rows are those of the three, from few rows or many."""
    chance = torch.Generator().manual_seed(0)
    strong = torch.randn(rows, 3, generator=chance) * torch.tensor([30.0, 20.0, 10.0])
    basis = torch.linalg.qr(torch.randn(50, 50, generator=chance))[0]
    features = torch.cat((strong, 0.01 * torch.randn(rows, 47, generator=chance)), dim=1) @ basis.T
    kept = narrowed(features, rows - 10, 3)
    assert kept.shape == (rows, 3)
    torch.testing.assert_close(torch.cdist(kept, kept), torch.cdist(strong, strong), rtol=0, atol=0.3)
    assert narrowed(features, rows, 50) is features


def test_probes_of_a_model_of_digits():
    """Through the table of tasks; an untrained net's features say much of a digit, more than its three codes."""
    data = load("digits")
    torch.manual_seed(0)
    model = small_patch((1, 8, 8), 3, 0).eval()
    indices = torch.arange(450)
    with torch.no_grad():
        mean, logvar = model.encode(data.images(indices), torch.zeros(450, 0))
    nothing = torch.zeros(450)
    encoded = Encoded(indices, data.factors(indices), mean, logvar, nothing, nothing, 300)
    found = task_scores(run(), model, data, encoded)
    assert set(found) <= {score.column for score in TASKS["probes"].scores}
    assert found["probe_features_all"] > found["probe_codes_all"] > found["probe_chance"]
    assert found["probe_features_all"] > 0.6
    assert found["probe_features_10"] < found["probe_features_100"] < found["probe_features_all"]
