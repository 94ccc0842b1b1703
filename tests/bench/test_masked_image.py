"""Masked images: exactly the share is hidden, nothing hidden is seen, nothing visible is scored; cohorts as others'."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from disbench.bench import BadInput, checkpoint, sweep
from disbench.bench import cohort as engine
from disbench.bench.catalogue import ARCHITECTURES, OBJECTIVES
from disbench.bench.evaluation import encode, scores
from disbench.bench.family.masked_image import (
    MOST_PATCHES,
    hidden_patches,
    hidden_pixels,
    how_many_hidden,
    masked,
    patches_of,
    with_hidden_patches,
)
from disbench.bench.models import PLAIN_ARCHITECTURES, initial_parameters, small_patch
from disbench.bench.run import Cohort, EvaluationPlan, Run
from disbench.bench.run_model import one_model, with_parameters
from disbench.bench.study_loading import parse_study
from disbench.datasets import entry, load

ONE = torch.tensor(1.0, dtype=torch.float64)


def run(**changes):
    """A tiny run on digits, hidden in sixteen patches."""
    plain = Run(
        data_set="digits", data_content=None, architecture="masked_small_patch", objective="masked_image",
        options={"share": 0.5, "patch": 2}, condition=None, correlation=None, latents=3, steps=20, batch_size=8,
        learning_rate=1e-3, strength=1.0, seed=0,
        evaluation=EvaluationPlan(samples=100, test_samples=50, metrics=("mig", "kl_decomposition")),
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def digits():
    """Opened once."""
    return load("digits")


def model_of(channels=1, latents=3):
    """A small masked autoencoder in float64."""
    torch.manual_seed(0)
    model = masked(small_patch, (channels, 8, 8), latents, 0).double()
    torch.nn.init.constant_(model.paint.value, 0.5)
    return model


def loss(outcome):
    """The objective's."""
    return OBJECTIVES["masked_image"].loss(outcome, ONE, None, share=0.5, patch=2)


def training_pass(model, images, count=8, seed=0):
    """As training runs it, with sixteen patches."""
    chance = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(images), 3 + MOST_PATCHES, generator=chance, dtype=torch.float64)
    return with_hidden_patches(model, images, torch.full((len(images), 16), float(count)), noise)


def test_exactly_the_share_is_hidden():
    """Of every image, at every share; which patches is uniform: each is hidden as often, and every pair of them."""
    noise = torch.randn(6_000, 5, generator=torch.Generator().manual_seed(0))
    for count in range(6):
        hidden = hidden_patches(noise, torch.tensor([[float(count)]]))
        assert (hidden.sum(dim=1) == count).all()
    pairs = Counter(map(tuple, hidden_patches(noise, torch.tensor([[2.0]])).int().tolist()))
    assert len(pairs) == 10
    assert all(abs(number / 6_000 - 0.1) < 0.02 for number in pairs.values())


@pytest.mark.parametrize(
    ("name", "share", "patch", "hidden"), [("dsprites", 0.6, 8, 38), ("digits", 0.75, 2, 12)]
)
def test_the_share_is_of_patches(name, share, patch, hidden):
    """0.6 of 64 patches are 38.4, that is 38; 0.75 of 16 are 12."""
    options = {"share": share, "patch": patch}
    data_set = entry(name)
    patches = patches_of(options, None, data_set)
    assert patches == (64 if name == "dsprites" else 16)
    told = how_many_hidden(run(data_set=name, options=options), load(name))(
        torch.arange(3), torch.zeros(3, 1)
    )
    assert told.shape == (3, patches)
    assert (told == hidden).all()


def test_patches_are_squares_of_the_grid():
    """Patch p of a grid of 4 x 4 over 8 x 8 pixels is at row p // 4, column p % 4; of 2 x 4 over 4 x 8 likewise."""
    patches = torch.zeros(1, 16)
    patches[0, 6] = 1
    pixels = hidden_pixels(patches, (1, 8, 8))[0, 0]
    assert pixels[2:4, 4:6].eq(1).all()
    assert pixels.sum() == 4
    wide = torch.arange(8.0)[None]
    assert hidden_pixels(wide, (3, 4, 8))[0, 0, ::2, ::2].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_gradient_reaches_visible_pixels_alone():
    """What is hidden has no say in the code: its gradient is exactly zero, and another value changes no logit."""
    model = model_of()
    images = torch.rand(4, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    outcome = training_pass(model, images)
    hidden = outcome.extra["hidden"]
    assert (hidden.flatten(1).sum(dim=1) == 32).all()
    [slope] = torch.autograd.grad(outcome.logits.square().sum(), images)
    assert (slope[hidden == 1] == 0).all()
    assert (slope[hidden == 0] != 0).double().mean() > 0.5
    otherwise = torch.where(hidden > 0.5, 1 - images, images)
    assert torch.equal(training_pass(model, otherwise).logits, outcome.logits)


def test_the_loss_is_of_hidden_pixels_alone():
    """Logits of visible pixels have no gradient; the value is the sum of the hidden ones' negative log-likelihood."""
    images = torch.rand(4, 1, 8, 8, dtype=torch.float64)
    outcome = training_pass(model_of(), images)
    logits = outcome.logits.detach().requires_grad_()
    outcome = outcome._replace(logits=logits)
    value = loss(outcome)
    [slope] = torch.autograd.grad(value, logits)
    hidden = outcome.extra["hidden"]
    assert (slope[hidden == 0] == 0).all()
    torch.testing.assert_close(slope[hidden == 1], (logits.sigmoid() - images)[hidden == 1] / 4)
    probability = logits.sigmoid()
    each = -(images * probability.log() + (1 - images) * (1 - probability).log())
    torch.testing.assert_close(value, each[hidden == 1].sum() / 4)


def test_colours_are_hidden_together():
    """All channels of a hidden pixel, each painted with its own value."""
    model = model_of(channels=3)
    with torch.no_grad():
        model.paint.value.copy_(torch.tensor([0.1, 0.2, 0.3]))
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    hidden = hidden_pixels(torch.eye(16)[:2], (3, 8, 8))
    seen = model.paint(images, hidden)
    assert seen[0, :, 0, 0].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert torch.equal(seen[1, :, 0, 0], images[1, :, 0, 0])


def test_nothing_is_hidden_and_nothing_drawn_when_it_is_scored():
    """Codes are the mean half of the encoder's output, whatever the noise; the image is decoded from them."""
    model = model_of().eval()
    images, nothing = torch.rand(4, 1, 8, 8, dtype=torch.float64), torch.zeros(4, 0, dtype=torch.float64)
    outcome = model(images, nothing, torch.randn(4, 3, dtype=torch.float64))
    code, _ = model.encode(images, nothing)
    torch.testing.assert_close(
        code, model.encoder(images, nothing)[:, :3], rtol=1e-5, atol=1e-6
    )  # mean 0, variance 1
    assert torch.equal(outcome.codes, code)
    assert torch.equal(outcome.logits, model.decode(code, nothing))
    assert "hidden" not in outcome.extra


def test_standard_units_are_other_words_for_the_same_code():
    """Whatever the running moments, an image is decoded as training's decoder would from the raw code."""
    model = model_of().eval()
    images, nothing = torch.rand(4, 1, 8, 8, dtype=torch.float64), torch.zeros(4, 0, dtype=torch.float64)
    raw = model.encoder(images, nothing)[:, :3]
    model.code_mean.copy_(torch.tensor([-14.0, 0.5, 3.0]))
    model.code_variance.copy_(torch.tensor([4.0, 1e-3, 0.0]))
    code, _ = model.encode(images, nothing)
    torch.testing.assert_close(code[:, 0], (raw[:, 0] + 14) / 2, rtol=1e-6, atol=0)
    assert torch.isfinite(code).all()
    torch.testing.assert_close(model.decode(code, nothing), model.decoder(raw, nothing))


@pytest.mark.parametrize("name", ["small_patch", "study_conv"])
def test_the_nets_begin_as_the_vaes(name):
    """At one seed encoder and decoder start with the weights of the VAE that they are compared with; paint is grey."""
    shape = (1, 64, 64)
    plain, ours = PLAIN_ARCHITECTURES[name], ARCHITECTURES[f"masked_{name}"]
    with torch.device("meta"):
        models = [net.build(shape, 4, 0) for net in (plain, ours)]
    first, second = (
        initial_parameters(model, plain.initialisation, [7], torch.device("cpu")) for model in models
    )
    assert set(second) - set(first) == {"paint.value"}
    assert (second["paint.value"] == 0.5).all()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_cohort_equals_single_runs(digits):
    """In float64 to 1e-9, the running moments of codes too."""
    runs = (run(), run(seed=5))
    together = engine.train(Cohort(runs), digits, dtype=torch.float64).parameters
    alone = one_model(engine.train(Cohort(runs[1:]), digits, dtype=torch.float64).parameters, 0)
    assert {"code_mean", "code_variance", "paint.value"} <= set(alone)
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value, rtol=0, atol=1e-9)


def test_codes_are_standard_where_training_left_them():
    """Running moments forget where they began: after batches of N(2, 9), they are such."""
    model = model_of()
    chance = torch.Generator().manual_seed(0)
    for _ in range(1_500):
        model.follow(2 + 3 * torch.randn(16, 3, generator=chance, dtype=torch.float64))
    torch.testing.assert_close(model.code_mean, torch.full((3,), 2.0, dtype=torch.float64), rtol=0, atol=0.3)
    # a variance of sixteen rows about their own mean is 15 / 16 of theirs
    expected = torch.full((3,), 9 * 15 / 16, dtype=torch.float64)
    torch.testing.assert_close(model.code_variance, expected, rtol=0.2, atol=0)


def test_what_is_not_defined_is_empty(digits):
    """Codes are points: no bound and no KL, while scores of codes are there; a digit has one factor and no pairs."""
    trained = run(steps=5)
    fit = engine.train(Cohort((trained,)), digits)
    model = with_parameters(trained, one_model(fit.parameters, 0))
    found = scores(trained, encode(trained, model, digits), len(digits))
    assert found["reconstruction_nats"] > 0
    assert "elbo_nats" not in found
    assert "total_correlation_nats" not in found
    assert 0 <= found["mig"] <= 1


def test_training_learns_what_is_hidden(digits):
    """The loss of fresh masks falls far below that of the first step."""
    values = []
    for steps in (1, 120):
        trained = run(steps=steps, batch_size=32, latents=8, learning_rate=3e-3)
        model = with_parameters(trained, one_model(engine.train(Cohort((trained,)), digits).parameters, 0))
        noise = torch.randn(256, 8 + MOST_PATCHES, generator=torch.Generator().manual_seed(1))
        told = how_many_hidden(trained, digits)(torch.arange(256), torch.zeros(256, 1))
        values.append(loss(with_hidden_patches(model, digits.images(torch.arange(256)), told, noise)).item())
    assert values[1] < 0.9 * values[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 3, "share": 0.5}, "options.patch should divide the sides of digits, 8 x 8 pixels"),
        (
            {"patch": 8, "share": 0.5},
            "options.share should hide some of the 1 patches of digits and leave others",
        ),
        ({"patch": 2, "share": 0.99}, "options.share should hide some of the 16 patches"),
    ],
)
def test_patches_that_make_no_sense_are_refused(options, message):
    with pytest.raises(BadInput, match=message):
        patches_of(options, None, entry("digits"))


def test_what_goes_on_is_what_was_never_stopped(digits, tmp_path, monkeypatch):
    """From a checkpoint after 64 of 66 steps, bit for bit, the running moments too."""
    cohort = Cohort((run(steps=66), run(steps=66, seed=1)))
    whole = engine.train(cohort, digits).parameters
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)  # keep every one, however long it took
    path = tmp_path / "kept.safetensors"
    engine.train(cohort, digits, checkpoint=checkpoint.CohortCheckpoint(path, cohort, seconds=0))
    images = []
    again = engine.train(
        cohort, digits, on_images=images.append, checkpoint=checkpoint.CohortCheckpoint(path, cohort)
    ).parameters
    assert sum(images) == 2 * 2 * 8
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_a_sweep_of_it(tmp_path):
    """Through the store, with its codes scored and its probes; no bound, no KL."""
    study = parse_study(
        {
            "name": "masked", "data_set": "digits", "architecture": "masked_small_patch", "latents": 3, "steps": 5,
            "batch_size": 16, "evaluation": {
                "samples": 200, "test_samples": 100, "metrics": ["mig", "active_units", "probes"],
            },
            "arms": [{"objective": "masked_image", "options": {"patch": 2, "share": 0.75}}],
        },
        "masked.toml",
    )  # fmt: skip
    rows = sweep(study, out=tmp_path / "out", device="cpu")
    assert list(rows["status"]) == ["done"]
    assert 0 < rows["probe_features_all"][0] <= 1
    assert "elbo_nats" not in rows or rows["elbo_nats"].isna().all()


def test_a_study_of_patches_that_make_no_sense_is_refused_when_it_is_read():
    """The default patch of eight pixels is the whole of a digit."""
    arm = {"objective": "masked_image"}
    document = {"name": "mine", "data_set": "digits", "architecture": "masked_small_patch", "arms": [arm]}
    with pytest.raises(
        BadInput, match=r"^mine.toml: arms.0: options.share should hide some of the 1 patches"
    ):
        parse_study(document, "mine.toml")
