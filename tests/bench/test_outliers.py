"""Outlier scores: by hand, against log p(x) by quadrature, and the failures that the field knows."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from readable import assert_readable, drawn

from disbench.bench import BadInput, sweep
from disbench.bench.cli import main
from disbench.bench.figures import FIGURES
from disbench.bench.figures.style import look
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
from disbench.bench.run_model import built, nothing
from disbench.bench.store import Store
from disbench.bench.study_loading import load_study
from disbench.bench.task_catalogue import TASKS
from disbench.bench.tasks import Subject
from disbench.bench.tasks import outliers as task
from disbench.datasets import AbsentFileError, load

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

[[arms]]
objective = "vae"
hold_out = { extrapolation = { digit = 0.8 } }
"""


MIXED = """
name = "mixed"
title = "t"
seeds = 1
data_set = "digits"
architecture = "small_patch"
batch_size = 8
latents = 2
steps = 2
evaluation = { samples = 40, test_samples = 20, metrics = ["active_units"] }

[[arms]]
objective = "beta_vae"
data_set = "dsprites"
strengths = [1]

[[arms]]
objective = "vae"

[[arms]]
objective = "cvae"
condition = "digit"
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


def test_arrays_and_one_channel_are_taken():
    """[N, H, W] of numpy is what [N, 1, H, W] of torch is; bytes are levels of 255."""
    cheap = {"importance_samples": 5, "regret_steps": 0}
    model, images = OneLatent(5), some_images()
    known = outlier_scores(model, images, **cheap)
    for same in (images[:, 0].numpy(), images.numpy(), images[:, 0]):
        found = outlier_scores(model, same, np.zeros((4, 0)), **cheap)
        assert_allclose(found["nll"], known["nll"])
    levels = torch.full((2, 1, 8, 8), 51, dtype=torch.uint8)
    assert_allclose(
        outlier_scores(Dark(), levels, **cheap)["nll"], outlier_scores(Dark(), levels / 255, **cheap)["nll"]
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.full((2, 1, 8, 8), 1.5), "images must be numbers in 0 .. 1"),
        (torch.full((2, 1, 8, 8), math.nan), "images must be numbers in 0 .. 1"),
        (np.array([["a"]]), "images must be an array of real numbers, got <U1"),
        (np.zeros((2, 8, 8), dtype=complex), "images must be an array of real numbers, got complex128"),
        (torch.zeros(8, 8), r"images must be \[N, C, H, W\] or \[N, H, W\], got \[8, 8\]"),
        (torch.zeros(0, 1, 8, 8), r"images must be \[N, C, H, W\]"),
        (
            torch.zeros(2, 1, 6, 6),
            r"the model does not take images \[1, 6, 6\] .* it draws images \[1, 8, 8\]",
        ),
    ],
)
def test_images_that_no_model_takes(images, message):
    """One line, whatever is wrong."""
    with pytest.raises(BadInput, match=message):
        outlier_scores(Dark(), images, regret_steps=0)


def test_conditions_that_do_not_fit():
    """A row an image; and a real net says what it does not take."""
    net = built(run())
    with pytest.raises(BadInput, match=r"a row for each of the 2 images, got \[3, 4\]"):
        outlier_scores(net, torch.zeros(2, 1, 8, 8), torch.zeros(3, 4))
    for images, told in ((torch.zeros(2, 1, 64, 64), None), (torch.zeros(2, 1, 8, 8), torch.zeros(2, 4))):
        with pytest.raises(BadInput, match="the model does not take images"):
            outlier_scores(net, images, told)


def test_complexity_by_hand():
    """White and black hardly take anything; noise, grey or not, takes its bit a pixel and the 5 bytes of a block."""
    black, white = torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    assert complexity_nats(black)[0] <= 11 * BYTE
    assert complexity_nats(white)[0] <= 11 * BYTE
    grey = KINDS["noise"](black, 0)
    noise = (grey > 0.5).float()
    for image in (grey, noise):
        assert complexity_nats(image)[0] == pytest.approx((64 * 64 / 8 + 5) * BYTE)
    halves = torch.cat([black, white], dim=3)
    assert complexity_nats(black)[0] < complexity_nats(halves)[0] < complexity_nats(noise)[0]
    together = complexity_nats(torch.cat([noise, black, grey]))
    assert_allclose(together, np.concatenate([complexity_nats(image) for image in (noise, black, grey)]))


def test_grey_is_drawn_in_black_and_white():
    """Nearly white pixels make nearly white images: a mean over draws, so no whole number of bytes, and seeded."""
    pale = torch.full((1, 1, 32, 32), 0.97)
    found = complexity_nats(pale, draws=4)[0]
    assert complexity_nats(torch.ones(1, 1, 32, 32))[0] < found < (32 * 32 / 8) * BYTE
    assert found == complexity_nats(pale, draws=4)[0]
    assert found != complexity_nats(pale, draws=4, seed=1)[0]
    assert (4 * found / BYTE) % 1 == pytest.approx(0, abs=1e-6)


def test_filters_by_hand():
    """A slope of 3 across: Sub leaves 3, Up leaves nothing from the second row on."""
    slope = np.arange(0, 18, 3, dtype=np.uint8)[None].repeat(4, axis=0)
    left, above, average, paeth = filters(slope)
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
    assert (
        found["auroc_complexity_blank"] == 0
    )  # a model worse than PNG at its own data cannot be corrected by PNG
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


def test_each_mnist_is_foreign_to_the_other(monkeypatch):
    """Images from first to last of the other one, told what members are told; nothing where its files are absent."""
    members = task.Group(torch.zeros(4, 1, 8, 8), torch.eye(4))
    monkeypatch.setattr(task, "load", lambda name: load("digits"))
    found = task.outsiders(members, None, [], run(data_set="mnist"))
    assert list(found) == ["fashion_mnist"]
    assert torch.equal(found["fashion_mnist"].images, load("digits").images([0, 449, 898, 1347]))
    assert torch.equal(found["fashion_mnist"].told, members.told)

    def absent(name):
        raise AbsentFileError(name)

    monkeypatch.setattr(task, "load", absent)
    assert task.outsiders(members, None, [], run(data_set="fashion_mnist")) == {}


def test_an_encoder_that_overflows_leaves_cells_empty():
    """Of one kind alone, the strangest; members that cannot be scored are an error."""

    class Wild(Dark):
        def encode(self, images, condition):
            mean, logvar = super().encode(images, condition)
            return mean, logvar + torch.where(images.mean(dim=(1, 2, 3)) > 0.5, math.inf, 0.0)[:, None]

    found = measured(subject_of(run())._replace(model=Wild()), kinds=["inverted", "blank"])
    assert {name.rpartition("_")[2] for name in found} == {"blank"}


def test_an_unknown_kind_is_named():
    """With those that are known."""
    with pytest.raises(BadInput, match="outliers: unknown kind of outlier 'nois'; did you mean 'noise'"):
        measured(subject_of(run()), kinds=["nois"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of two arms, one of which was kept from 8 and 9, and scored."""
    place = tmp_path_factory.mktemp("outliers")
    file = place / "outliers.toml"
    file.write_text(STUDY)
    rows = sweep(load_study(file), out=place / "out", device="cpu")
    assert (rows["status"] == "done").all(), rows["error"].tolist()
    return place / "out"


def test_a_study_asks_for_it(folder):
    """Trained, scored, and in the rows, with likelihood regret."""
    rows = Store.existing(folder).rows()
    for row in rows.to_dict("records"):
        for score in SCORES:
            assert 0 <= row[f"auroc_{score}_noise"] <= 1
    assert rows["auroc_nll_held_out"].notna().tolist() == [False, True]


def test_the_figure(folder):
    """A panel a model; what was not held out has no column there."""
    store = Store.existing(folder)
    figure = drawn("outliers", store.rows(), store)
    assert_readable(figure)
    ticks = [[text.get_text() for text in axes.get_xticklabels()] for axes in figure.axes[:2]]
    assert ["held out" in names for names in ticks] == [True, True]  # one data set, one set of columns
    with look():
        assert (
            FIGURES["outliers"].draw(
                store.rows().drop(columns=[c for c in store.rows() if "auroc" in c]), store
            )
            is None
        )


def test_the_command(folder, tmp_path, capsys):
    """A table, histograms and JSON, against a user's own images and what was held out."""
    mine = tmp_path / "mine.npz"
    np.savez(mine, images=np.full((6, 8, 8), 255, dtype=np.uint8))
    common = ["outliers", str(folder), "--images", "12", "--importance-samples", "3", "--regret-steps", "2"]
    assert (
        main(
            [*common, "--against", f"{mine},held_out", "--objective", "vae", "--out", str(tmp_path / "files")]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "| AUROC against" in out
    assert out.count("held_out") == 1
    names = sorted(path.name for path in (tmp_path / "files").glob("*.png"))
    assert names == ["vae_1_digits_seed0_held_out.png", "vae_1_digits_seed0_mine.png"]
    document = json.loads((tmp_path / "files" / "vae_1_digits_seed0_mine.json").read_text())
    assert (document["members"], document["outliers"]) == (12, 6)
    assert document["aupr_of_chance"] == pytest.approx(1 / 3)
    again = outlier_auroc(document["scores"]["inside"]["nll"], document["scores"]["outside"]["nll"])
    assert document["auroc"]["nll"] == again
    assert main([*common, "--against", "thresholded", "--objective", "beta_vae", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["against"] == "thresholded"
    assert (folder / "outliers" / "beta_vae_1_digits_seed0_thresholded.json").is_file()


def few(folder, *more):
    """Arguments of the command, cheaply."""
    cheap = ["--images", "4", "--regret-steps", "0", "--importance-samples", "1"]
    return ["outliers", str(folder), *cheap, *(str(word) for word in more)]


@pytest.mark.parametrize(
    ("against", "message"),
    [
        ("nois", "--against: unknown outliers 'nois'; did you mean 'noise'"),
        ("dsprites", "takes images [1, 8, 8], dsprites has [1, 64, 64]"),
        ("digits", "images of digits are the members themselves"),
        ("absent.npz", "absent.npz does not exist"),
        ("noise,absent.npz", "absent.npz does not exist"),
        ("noise,noise.npz", "noise and noise.npz would be written to one file"),
        ("a/mine.npz,b/mine.npz", "a/mine.npz and b/mine.npz would be written to one file"),
    ],
)
def test_outliers_that_are_nowhere(folder, tmp_path, against, message, capsys, monkeypatch):
    """One line, exit 2, before any model is scored."""

    def scored(*_, **__):
        raise AssertionError("scored")

    monkeypatch.setattr("disbench.bench.outliers.comparison.outlier_scores", scored)
    assert main(few(folder, "--against", against, "--out", tmp_path / "files")) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "files").exists()


def test_images_that_fit_no_model(folder, tmp_path, capsys):
    """Named with both shapes; a file of text is no .npz file."""
    large, text = tmp_path / "large.npz", tmp_path / "text.npz"
    np.savez(large, images=np.zeros((3, 9, 9)))
    text.write_text("images")
    assert main(few(folder, "--against", large)) == 2
    assert f"takes images [1, 8, 8], {large} has [1, 9, 9]" in capsys.readouterr().err
    assert main(few(folder, "--against", text)) == 2
    assert f"{text} is no .npz file" in capsys.readouterr().err


def test_a_model_without_combinations_held_out_is_passed_over(folder, tmp_path, capsys):
    """The other is scored; where there is none, it is an error."""
    common = ("--against", "held_out", "--out", tmp_path)
    assert main(few(folder, *common)) == 0
    assert "beta_vae 1 digits seed 0: no combination was held out of its training" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("*.png")] == ["vae_1_digits_seed0_held_out.png"]
    assert main(few(folder, *common, "--objective", "beta_vae")) == 2


def test_a_mixed_folder(tmp_path, capsys):
    """A file that fits two of three models, one of them told a class, is scored by these; a line says who was not."""
    (tmp_path / "mixed.toml").write_text(MIXED)
    rows = sweep(load_study(tmp_path / "mixed.toml"), out=tmp_path / "out", device="cpu")
    assert (rows["status"] == "done").all(), rows["error"].tolist()
    mine, files = tmp_path / "mine.npz", tmp_path / "files"
    np.savez(mine, images=np.linspace(0, 1, 6 * 64).reshape(6, 8, 8))
    assert main(few(tmp_path / "out", "--against", f"{mine},blank", "--out", files)) == 0
    told = capsys.readouterr()
    (line,) = [line for line in told.err.splitlines() if "takes images" in line]
    assert line == f"beta_vae 1 dsprites seed 0: takes images [1, 64, 64], {mine} has [1, 8, 8]"
    assert f"{mine}: the first 4 of its 6 images are scored" in told.err
    assert sorted(path.stem for path in files.glob("*.json")) == [
        "beta_vae_1_dsprites_seed0_blank",
        "cvae_1_digits_digit_seed0_blank",
        "cvae_1_digits_digit_seed0_mine",
        "vae_1_digits_seed0_blank",
        "vae_1_digits_seed0_mine",
    ]
    assert told.out.count("| AUROC against") == 3
    document = json.loads((files / "vae_1_digits_seed0_mine.json").read_text())
    assert (document["outliers"], document["outliers_available"]) == (4, 6)
    assert main(few(tmp_path / "out", "--against", "thresholded", "--objective", "beta_vae")) == 2
    assert "its thresholded images are the members themselves" in capsys.readouterr().err


def test_a_comparison_is_saved_before_the_next_is_scored(folder, tmp_path, capsys, monkeypatch):
    """A kind whose images an encoder has no numbers for leaves the files and the table of the others."""
    scored = outlier_scores

    def failing(model, images, *others, **options):
        found = scored(model, images, *others, **options)
        if not images.any():
            assert (tmp_path / "vae_1_digits_seed0_noise.json").is_file()
            raise ValueError("mean: every value must be finite")
        return found

    monkeypatch.setattr("disbench.bench.outliers.comparison.outlier_scores", failing)
    arguments = few(folder, "--against", "noise,blank", "--objective", "vae", "--out", tmp_path)
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "vae 1 digits seed 0: blank cannot be scored: mean: every value must be finite" in told.err
    assert "| noise " in told.out
    assert "| blank " not in told.out
