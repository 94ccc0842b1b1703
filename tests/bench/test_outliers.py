"""Outlier scores: by hand, against log p(x) by quadrature, and the failures that the field knows."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from disbench.bench import BadInput, sweep
from disbench.bench.models import ForwardPass
from disbench.bench.outliers import (
    KINDS,
    SCORES,
    complexity_nats,
    outlier_aupr,
    outlier_auroc,
    outlier_scores,
)
from disbench.bench.outliers.complexity import filters
from disbench.bench.run import EvaluationPlan, Run
from disbench.bench.run_model import nothing
from disbench.bench.study import load_study
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.datasets import load

IMAGES = torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
BYTE = 8 * math.log(2)

STUDY = """
name = "outliers"
title = "t"
seeds = 1
data_set = "digits"
architecture = "small_patch"
batch_size = 8
latents = 2
steps = 3

[evaluation]
samples = 40
test_samples = 20
metrics = ["outliers"]

[evaluation.options.outliers]
images = 10
regret_steps = 2
importance_samples = 3

[[arms]]
objective = "beta_vae"
strengths = [1]
"""


class OneLatent:
    """A decoder with logits w z + b of a single latent, and an encoder that always answers alike."""

    def __init__(self, pixels, mean=0.3, logvar=-0.5):
        chance = torch.Generator().manual_seed(1)
        self.weights = torch.randn(pixels, generator=chance, dtype=torch.float64)
        self.offset = torch.randn(pixels, generator=chance, dtype=torch.float64)
        self.posterior = mean, logvar

    def encode(self, images, condition):
        return tuple(images.new_full((len(images), 1), value) for value in self.posterior)

    def decode(self, codes, condition):
        return (codes * self.weights + self.offset).unflatten(1, (1, 1, -1))

    def __call__(self, images, condition, noise):
        mean, logvar = self.encode(images, condition)
        codes = mean + (logvar / 2).exp() * noise
        extra = {"kl_nats": images.new_tensor([[0.25, 0.5]]).expand(len(images), 2)}
        return ForwardPass(images, self.decode(codes, condition), mean, logvar, codes, extra)

    def log_marginal(self, images):
        """Log p(x) by Gauss-Hermite quadrature over z."""
        places, weights = np.polynomial.hermite_e.hermegauss(80)
        logits = torch.tensor(places)[:, None] * self.weights + self.offset
        pixels = images.flatten(1)[:, None]
        logs = (pixels * logits - torch.nn.functional.softplus(logits)).sum(dim=2)
        return torch.logsumexp(logs + torch.tensor(weights / math.sqrt(2 * math.pi)).log(), dim=1)


class Dark:
    """A model that draws near-black images whatever the code, as one of small white shapes does between them."""

    def encode(self, images, condition):
        return images.new_zeros(len(images), 2), images.new_zeros(len(images), 2)

    def decode(self, codes, condition):
        return codes.new_full((len(codes), 1, 8, 8), -4.0)


def some_images(count=4):
    """Grey images of one row of five pixels."""
    return torch.rand(count, 1, 1, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def run(**changes):
    """A run on digits."""
    plain = Run(
        data_set="digits", data_content=None, architecture="small_patch", objective="beta_vae", options={},
        condition=None, correlation=None, latents=2, steps=1, batch_size=8, learning_rate=1e-3, strength=1.0, seed=0,
        evaluation=EvaluationPlan(samples=60, test_samples=30, metrics=("outliers",)),
    )  # fmt: skip
    return replace(plain, **changes)


def subject_of(run, count=60):
    """The run's model as `Dark`, and the first images of the digits."""
    data = load("digits")
    indices = torch.arange(count)
    factors = data.factors(indices)
    return Subject(run, Dark(), data, nothing, indices, factors, torch.zeros(count, 2), count // 2)


def measured(subject, **options):
    """The task's columns, cheaply."""
    cheap = {"images": 30, "importance_samples": 2, "regret_steps": 0}
    return TASKS["outliers"].measure(subject, **{**TASKS["outliers"].options, **cheap, **options})


def test_auroc_by_hand():
    """Of six pairs the outlier is above in four and level in one: 4.5 / 6. Signs turned, the rest of 1."""
    inside, outside = [0.0, 1.0, 2.0], [1.0, 3.0]
    assert outlier_auroc(inside, outside) == pytest.approx(0.75)
    assert outlier_auroc(np.negative(inside), np.negative(outside)) == pytest.approx(0.25)
    assert outlier_auroc([1.0, 1.0], [1.0]) == 0.5


def test_aupr_by_hand():
    """From the top: 3 is an outlier (precision 1, recall 1/2), 2 is none, 1 is both (2/4, recall 1): 1/2 + 1/4."""
    assert outlier_aupr([0.0, 1.0, 2.0], [1.0, 3.0]) == pytest.approx(0.75)
    assert outlier_aupr([1.0, 1.0, 1.0], [1.0]) == pytest.approx(0.25)  # nothing known: as many as there are


@pytest.mark.parametrize("wrong", [[], [[1.0]], [math.nan]])
def test_scores_that_are_none(wrong):
    """Named by their side."""
    with pytest.raises(ValueError, match="outside: "):
        outlier_auroc([1.0], wrong)


def test_nll_against_quadrature():
    """With many samples the importance-weighted bound is log p(x), and the ELBO of one wrong posterior is below it."""
    model, images = OneLatent(5), some_images()
    found = outlier_scores(model, images, importance_samples=20_000, regret_steps=0)
    truth = -model.log_marginal(images).numpy()
    assert_allclose(found["nll"], truth, atol=0.01)
    assert (found["elbo"] > truth).all()
    assert_allclose(found["elbo"], found["reconstruction"] + found["kl"])
    assert_allclose(found["complexity"], found["nll"] - complexity_nats(images))


def test_regret_closes_a_part_of_the_gap():
    """The ELBO of the best Gaussian is above the encoder's, and no higher than log p(x)."""
    model, images = OneLatent(5, mean=2.0), some_images()
    found = outlier_scores(model, images, importance_samples=1_000, regret_steps=50, regret_draws=32)
    assert (found["regret"] > 0.1).all()
    best = found["elbo"] - found["regret"]
    assert (best > -model.log_marginal(images).numpy() - 0.05).all()
    assert_allclose(best, -model.log_marginal(images).numpy(), atol=0.1)


def test_a_model_whose_codes_have_no_gaussian_posterior():
    """KL and bound are what its forward pass says: 3/4 of a nat; what needs the density of codes is not there."""
    found = outlier_scores(OneLatent(5), some_images(), posterior=False)
    assert list(found) == ["elbo", "kl", "reconstruction", "complexity"]
    assert_allclose(found["kl"], 0.75)
    assert_allclose(found["elbo"], found["reconstruction"] + 0.75)


def test_a_model_without_a_bound():
    """Nothing that is a likelihood."""
    assert list(outlier_scores(OneLatent(5), some_images(), bound=False)) == ["kl", "reconstruction"]
    assert list(outlier_scores(OneLatent(5), some_images(), bound=False, posterior=False)) == [
        "reconstruction"
    ]


def test_complexity_by_hand():
    """White and black are a bit a pixel, and hardly anything packed; uniform noise takes its bytes and a few more."""
    black, white = torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    assert complexity_nats(black)[0] < 20 * BYTE
    assert complexity_nats(white)[0] < 20 * BYTE
    noise = KINDS["noise"](black, 0)
    assert 64 * 64 * BYTE <= complexity_nats(noise)[0] < 1.01 * 64 * 64 * BYTE
    assert_allclose(complexity_nats(noise) / BYTE % 1, 0, atol=1e-9)
    halves = torch.cat([black, white], dim=3)
    assert complexity_nats(black)[0] < complexity_nats(halves)[0] < complexity_nats(noise)[0]


def test_filters_by_hand():
    """A slope of 3 across: Sub leaves 3, Up leaves nothing from the second row on."""
    slope = np.arange(0, 18, 3, dtype=np.uint8)[None, :, None].repeat(4, axis=0)
    left, above, average, paeth = (part[:, :, 0] for part in filters(slope))
    assert (left[:, 1:] == 3).all()
    assert (above[1:] == 0).all()
    assert average[1, 1] == 3 - (0 + 3) // 2
    assert paeth[1, 2] == 6 - 6  # left 3, above 6, corner 3: the guess is 6, which is above


def test_kinds_of_outliers():
    """What each keeps of the images, and what it does not."""
    assert_allclose(KINDS["inverted"](KINDS["inverted"](IMAGES, 0), 0), IMAGES, atol=1e-6)
    shuffled = KINDS["shuffled"](IMAGES, 0)
    pixels = {tuple(pixel) for pixel in IMAGES[0].flatten(1).T.tolist()}
    assert {tuple(pixel) for pixel in shuffled[0].flatten(1).T.tolist()} == pixels  # channels stay together
    assert not torch.equal(shuffled, IMAGES)
    constant = KINDS["constant"](IMAGES, 0)
    assert (constant == constant[..., :1, :1]).all()
    assert len(constant[:, :, 0, 0].unique()) == 15
    assert set(KINDS["thresholded"](IMAGES, 0).unique().tolist()) == {0.0, 1.0}
    assert not KINDS["blank"](IMAGES, 0).any()


@pytest.mark.parametrize("kind", KINDS)
def test_outliers_are_a_function_of_seed_and_place(kind):
    """The first ones do not depend on how many there are; all are images."""
    made = KINDS[kind](IMAGES, 3)
    assert torch.equal(made, KINDS[kind](IMAGES, 3))
    assert torch.equal(made[:2], KINDS[kind](IMAGES[:2], 3))
    assert made.min() >= 0
    assert made.max() <= 1
    if kind in ("shuffled", "noise", "constant"):
        assert not torch.equal(made, KINDS[kind](IMAGES, 4))


def test_the_known_failure():
    """A model of dark images finds a black one more likely than every digit; what is left of it is below chance."""
    found = measured(subject_of(run()))
    assert found["auroc_nll_blank"] == 0
    assert found["auroc_reconstruction_blank"] == 0
    assert found["aupr_nll_blank"] < 0.5
    assert found["auroc_nll_inverted"] == 1
    assert found["auroc_kl_noise"] == 0.5  # an encoder that answers alike knows nothing
    assert found["auroc_complexity_blank"] == 1  # by the length of the code alone: black images are short
    assert set(found) < {score.column for score in TASKS["outliers"].scores}


def test_combinations_held_out_are_outliers():
    """Digits 8 and 9 were kept from training: they are outside, and no member is one of them."""
    split = run(hold_out={"extrapolation": {"digit": 0.8}})
    subject = subject_of(split)
    found = measured(subject, kinds=["inverted"])
    columns = [
        f"auroc_{score}_{kind}" for kind in ("inverted", "held_out") for score in SCORES if score != "regret"
    ]
    assert [name for name in found if name.startswith("auroc")] == columns
    digits = subject.factors[:, 0]
    members = subject.data.images(subject.indices[digits < 8][:30])
    outside = subject.data.images(subject.indices[digits >= 8])
    scores = [
        outlier_scores(Dark(), images, importance_samples=2, regret_steps=0)["reconstruction"]
        for images in (members, outside)
    ]
    assert found["auroc_reconstruction_held_out"] == pytest.approx(
        outlier_auroc(scores[0][: len(outside)], scores[1])
    )


def test_a_random_share_held_out_is_no_outlier():
    """Its images are members that the model has not seen."""
    assert not any(
        "held_out" in name for name in measured(subject_of(run(hold_out={"random": {"share": 0.3}})))
    )


def test_an_unknown_kind_is_named():
    """With those that are known."""
    with pytest.raises(BadInput, match="outliers: unknown kind of outlier 'nois'; did you mean 'noise'"):
        measured(subject_of(run()), kinds=["nois"])


def test_a_study_asks_for_it(tmp_path):
    """Trained, scored, and in the row, with likelihood regret."""
    file = tmp_path / "outliers.toml"
    file.write_text(STUDY)
    row = sweep(load_study(file), out=tmp_path / "out", device="cpu").iloc[0]
    assert row["status"] == "done", row["error"]
    for score in SCORES:
        assert 0 <= row[f"auroc_{score}_noise"] <= 1
    assert np.isnan(row["auroc_nll_held_out"])
