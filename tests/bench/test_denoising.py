"""Denoising: noises with known moments, decibels by hand, filters on images that they mend, and the criterion."""

import math
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from readable import assert_readable, drawn

from disbench.bench import BadInput, checkpoint, sweep
from disbench.bench import cohort as engine
from disbench.bench.catalogue import OBJECTIVES
from disbench.bench.checkpoint import CohortCheckpoint
from disbench.bench.denoising import (
    CORRUPTIONS,
    FILTERS,
    best_filter,
    corrupted,
    filtered,
    mean_squared_error,
    psnr,
)
from disbench.bench.denoising.filters import wiener
from disbench.bench.family.denoising import how_to_spoil, shown_spoilt
from disbench.bench.models import VAE, ForwardPass
from disbench.bench.objectives import Setting
from disbench.bench.randomness import normal
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import built, noise_width, nothing, one_model
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study, parse_study
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.datasets import load

GREY = torch.full((40, 1, 16, 16), 0.3)
PLACES = torch.arange(len(GREY))

STUDY = """
name = "denoising"
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
metrics = ["denoising"]

[evaluation.options.denoising]
images = 10
training_images = 5
levels = [0.1, 0.5]

[[arms]]
objective = "denoising_vae"
options = { noise = "masking", level = 0.5 }

[[arms]]
objective = "vae"
"""


def run(noise="gaussian", level=0.25, **changes):
    """A tiny run on digits."""
    plain = Run(
        data_set="digits", data_content=None, architecture="small_patch", objective="denoising_vae",
        options={"noise": noise, "level": level}, condition=None, correlation=None, latents=3, steps=10, batch_size=8,
        learning_rate=1e-3, strength=1.0, seed=0, evaluation=EvaluationPlan(60, 30, ()),
    )  # fmt: skip
    return replace(plain, **changes)


class Seen(VAE):
    """A model that keeps what it was shown, and answers with zeros."""

    def __init__(self):
        super().__init__(torch.nn.Identity(), torch.nn.Identity())
        self.shown = None

    def encode(self, images, condition):
        return images.new_zeros(len(images), 2), images.new_zeros(len(images), 2)

    def decode(self, codes, condition):
        return codes.new_zeros(len(codes), 1, 16, 16)

    def forward(self, images, condition, noise):
        self.shown = images
        mean, logvar = self.encode(images, condition)
        return ForwardPass(images, self.decode(noise, condition), mean, logvar, noise)


@pytest.mark.parametrize(
    ("kind", "mean", "error"),
    [
        ("gaussian", 0.3, 0.4**2),
        ("salt_and_pepper", 0.6 * 0.3 + 0.2, 0.2 * 0.3**2 + 0.2 * 0.7**2),
        ("masking", 0.6 * 0.3, 0.4 * 0.3**2),
    ],
)
def test_moments_of_noise(kind, mean, error):
    """Level 0.4 on grey images of 0.3: mean and mean squared error by hand, within five errors of 10,240 values."""
    spoilt = corrupted(GREY, PLACES, kind, 0.4, seed=0)
    values = spoilt.double().numpy()
    off = np.square(values - 0.3)
    assert abs(values.mean() - mean) < 5 * values.std() / math.sqrt(values.size)
    assert abs(off.mean() - error) < 5 * off.std() / math.sqrt(values.size)
    if kind == "salt_and_pepper":
        assert set(np.unique(values).round(6)) == {0.0, 0.3, 1.0}


def test_gaussian_noise_is_gaussian():
    """A Kolmogorov-Smirnov test of its values does not see a difference."""
    from scipy.stats import kstest

    values = (corrupted(GREY, PLACES, "gaussian", 1.0, seed=1) - 0.3).double().numpy().ravel()
    assert kstest(values, "norm").pvalue > 0.01


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_noise_belongs_to_an_image(kind):
    """The same whatever the batch; another for another seed, and none at level 0."""
    whole = corrupted(GREY, PLACES, kind, 0.3, seed=0)
    assert torch.equal(corrupted(GREY[5:7], PLACES[5:7], kind, 0.3, seed=0), whole[5:7])
    assert not torch.equal(corrupted(GREY, PLACES, kind, 0.3, seed=1), whole)
    assert not torch.equal(whole[0], whole[1])
    assert torch.equal(corrupted(GREY, PLACES, kind, 0.0, seed=0), GREY)


def test_levels_that_make_no_sense():
    """Shares end at 1, deviations do not; unknown noise is named."""
    corrupted(GREY, PLACES, "gaussian", 2.0, seed=0)
    with pytest.raises(BadInput, match="the level of masking noise is a share of values, 0 to 1, got 2"):
        corrupted(GREY, PLACES, "masking", 2.0, seed=0)
    with pytest.raises(BadInput, match="unknown kind of noise 'gausian'; did you mean 'gaussian'"):
        corrupted(GREY, PLACES, "gausian", 2.0, seed=0)
    with pytest.raises(BadInput, match=r"arms.0: options: the level of masking noise is a share"):
        parse_study(tomllib.loads(STUDY.replace("level = 0.5", "level = 1.5")), "denoising.toml")


def test_psnr_by_hand():
    """An error of a tenth everywhere is 20 dB, no error infinitely many."""
    assert psnr(mean_squared_error(GREY + 0.1, GREY)) == pytest.approx(20, abs=1e-4)
    assert psnr(1.0) == 0
    assert psnr(0.0) == math.inf
    assert psnr(4.0, peak=2.0) == 0
    with pytest.raises(ValueError, match="psnr: expected an error of at least 0"):
        psnr(-1.0)


def test_filters_leave_plain_images_alone():
    """What is one grey everywhere stays it."""
    for name in FILTERS:
        assert_allclose(filtered(GREY, name), GREY.double().numpy(), atol=1e-6)


def test_each_noise_has_its_filter():
    """A smooth slope: medians take away salt and pepper, means take away Gaussian noise, nothing is best for none."""
    slope = torch.linspace(0.2, 0.8, 16).expand(20, 1, 16, 16)
    places = torch.arange(20)
    salted = corrupted(slope, places, "salt_and_pepper", 0.1, seed=0)
    assert best_filter(salted, slope).startswith("median")
    hazy = corrupted(slope, places, "gaussian", 0.2, seed=0)
    assert best_filter(hazy, slope).startswith(("Gaussian", "Wiener"))
    assert best_filter(slope, slope) == "none"
    for noisy in (salted, hazy):
        name = best_filter(noisy, slope)
        assert mean_squared_error(filtered(noisy, name), slope) < 0.2 * mean_squared_error(noisy, slope)


def test_wiener_against_scipy():
    """The same filter away from the border, where SciPy pads with zeros."""
    from scipy.signal import wiener as of_scipy

    noisy = corrupted(GREY[:1], PLACES[:1], "gaussian", 0.3, seed=0).double().numpy()
    variance = np.lib.stride_tricks.sliding_window_view(np.pad(noisy[0, 0], 1, mode="edge"), (3, 3)).var(
        axis=(2, 3)
    )
    expected = of_scipy(noisy[0, 0], (3, 3), noise=variance.mean())
    assert_allclose(wiener(noisy, 3)[0, 0, 1:-1, 1:-1], expected[1:-1, 1:-1], rtol=1e-9)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_training_shows_spoilt_images_and_asks_for_clean_ones(kind):
    """The encoder has the noise that the study names, of the level that it names; the loss has the image."""
    setting = run(kind, 0.4)
    told = how_to_spoil(setting, load("digits"), [0])(PLACES[None], PLACES[None, :, None])[0]
    assert noise_width(setting) == 3 + 2
    noise = normal([0], "noise", [0], len(GREY) * 4)[0, 0].reshape(len(GREY), 4)
    model = Seen()
    outcome = shown_spoilt(model, GREY, told, noise)
    assert torch.equal(outcome.images, GREY)
    assert torch.equal(outcome.codes, noise[:, :2])
    expected = {"gaussian": (0.3, 0.16), "salt_and_pepper": (0.38, 0.116), "masking": (0.18, 0.036)}[kind]
    assert model.shown.mean() == pytest.approx(expected[0], abs=0.03)
    assert (model.shown - GREY).square().mean() == pytest.approx(expected[1], abs=0.01)
    assert not torch.equal(model.shown[0], model.shown[1])
    other = normal([0], "noise", [1], len(GREY) * 4)[0, 0].reshape(len(GREY), 4)
    first = model.shown
    shown_spoilt(model, GREY, told, other)
    assert not torch.equal(model.shown, first)  # another step, other noise


def test_the_loss_is_the_bound_of_the_clean_image():
    """A grey image at logits 0 costs ln 2 a pixel, a posterior that is the prior nothing."""
    outcome = Seen()(GREY, None, torch.zeros(len(GREY), 2))
    loss = OBJECTIVES["denoising_vae"].loss(
        outcome, torch.tensor(1.0), Setting(1, torch.tensor(0.0)), noise="gaussian", level=0.25
    )
    assert loss.item() == pytest.approx(256 * math.log(2), rel=1e-6)


def test_without_noise_it_is_the_vae():
    """At level 0 the model is shown the images themselves, whatever the noise: what is left is the VAE's own pass."""
    for kind in CORRUPTIONS:
        model = Seen()
        told = torch.tensor([[*(float(name == kind) for name in CORRUPTIONS), 0.0]]).expand(len(GREY), -1)
        shown_spoilt(model, GREY, told, normal([0], "noise", [0], len(GREY) * 4)[0, 0].reshape(-1, 4))
        assert torch.equal(model.shown, GREY)


def test_resumed_training_is_the_uninterrupted_one(tmp_path):
    """Bit for bit, from a checkpoint after 64 of 70 steps."""
    data, cohort = load("digits"), Cohort((run("masking", steps=70), run("masking", steps=70, seed=3)))
    path = tmp_path / "kept.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "SHARE", 1e9)  # keep every one, however long it took
        whole = engine.train(cohort, data, checkpoint=CohortCheckpoint(path, cohort, seconds=0))
    done: list[int] = []
    again = engine.train(cohort, data, on_images=done.append, checkpoint=CohortCheckpoint(path, cohort))
    assert sum(done) == 2 * 6 * 8
    assert all(torch.equal(value, whole.parameters[name]) for name, value in again.parameters.items())


def test_a_cohort_equals_single_runs():
    """In float64: three models at once and one at a time agree to 1e-9."""
    data = load("digits")
    runs = [run("salt_and_pepper", seed=seed) for seed in (0, 1, 7)]
    together = engine.train(Cohort(tuple(runs)), data, dtype=torch.float64).parameters
    for position, single in enumerate(runs):
        alone = one_model(engine.train(Cohort((single,)), data, dtype=torch.float64).parameters, 0)
        for name, value in alone.items():
            torch.testing.assert_close(together[name][position], value, rtol=0, atol=1e-9)


def test_the_task_by_hand():
    """A model that answers grey 0.5 whatever it sees: its error is that of grey, at every level and noise."""
    data = load("digits")
    indices = torch.arange(40)

    class Grey(Seen):
        def decode(self, codes, condition):
            return codes.new_zeros(len(codes), 1, 8, 8)

    subject = Subject(run(), Grey(), data, nothing, indices, data.factors(indices), torch.zeros(40, 2), 30)
    options = TASKS["denoising"].options | {"images": 15, "training_images": 20, "levels": (0.2, 0.4)}
    found = TASKS["denoising"].measure(subject, **options)
    asked = data.images(indices.flip(0)[:15])
    grey = psnr(mean_squared_error(torch.full_like(asked, 0.5), asked))
    assert found["psnr_reconstructed"] == pytest.approx(grey)
    assert found["psnr_denoised_masking_curve"] == pytest.approx([grey, grey])
    expected = [-20 * math.log10(level) for level in (0.2, 0.4)]
    assert found["psnr_noisy_gaussian_curve"] == pytest.approx(expected, abs=0.5)
    assert found["psnr_noisy_gaussian"] == pytest.approx(sum(found["psnr_noisy_gaussian_curve"]) / 2)
    assert found["psnr_filtered_gaussian"] > found["psnr_noisy_gaussian"]
    assert set(found) == {score.column for score in TASKS["denoising"].scores}
    with pytest.raises(BadInput, match="levels should name one level or more"):
        TASKS["denoising"].measure(subject, **options | {"levels": ()})


def test_every_model_is_asked_about_the_same_images():
    """Whatever its training held out: what does not depend on the model is equal, so that arms compare."""
    data, indices = load("digits"), torch.arange(40)
    options = TASKS["denoising"].options | {"images": 15, "training_images": 20, "levels": (0.3,)}
    found = []
    for hold_out in (None, {"extrapolation": {"digit": 0.8}}, {"random": {"share": 0.3}}):
        model = built(run(hold_out=hold_out)).eval().requires_grad_(False)
        subject = Subject(
            run(hold_out=hold_out),
            model,
            data,
            nothing,
            indices,
            data.factors(indices),
            torch.zeros(40, 3),
            30,
        )
        scores = TASKS["denoising"].measure(subject, **options)
        found.append({name: scores[name] for name in scores if "noisy" in name or "filtered" in name})
    assert found[0] == found[1] == found[2]


def test_a_study_trains_and_asks(tmp_path):
    """A denoising VAE beside the plain one: both are asked to denoise, and have a likelihood of clean images."""
    file = tmp_path / "denoising.toml"
    file.write_text(STUDY)
    rows = sweep(load_study(file), out=tmp_path / "out", device="cpu")
    assert list(rows["objective"]) == ["denoising_vae", "vae"]
    assert (rows["status"] == "done").all(), rows["error"].tolist()
    for row in rows.to_dict("records"):
        assert list(row["denoising_levels"]) == [0.1, 0.5]
        assert len(row["psnr_denoised_masking_curve"]) == 2
        assert math.isfinite(row["psnr_denoised_gaussian"])
        assert math.isfinite(row["elbo_nats"])
    assert rows["psnr_noisy_masking"].nunique() == 1  # the same noise for both
    store = Store.existing(tmp_path / "out")
    lines = drawn("denoising", store.rows(), store)
    assert_readable(lines)
    assert [len(axes.lines) for axes in lines.axes] == [4, 4, 4]  # filter, spoilt images, two models
    pictures = drawn("denoised_images", store.rows(), store)
    assert_readable(pictures)
    assert len(pictures.axes[0].get_yticks()) == 5
