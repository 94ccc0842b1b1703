"""What models make: each kind shows what it says, for every model the same draw, and errors say what would be right."""

import numpy as np
import pytest
import torch
from PIL import Image

from disbench.bench import BadInput
from disbench.bench.cli import main
from disbench.bench.generation import KINDS, Question, Which, chosen_models, save_grids
from disbench.bench.generation.kinds import between
from disbench.bench.store import Store
from disbench.datasets import load


@pytest.fixture(scope="module")
def store(swept) -> Store:
    return Store(swept[0])


def asked(store, objective, **fields) -> Question:
    """A question to the first model of an objective."""
    row = chosen_models(store, Which(objective=objective)).iloc[0]
    run, model = store.model(row)
    return Question(run, model, load(run.data_set), **{"count": 4, **fields})


@torch.no_grad()
def ask(kind, question):
    return KINDS[kind](question)


@pytest.mark.parametrize("objective", ["beta_vae", "cvae"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_grid_of_images(store, kind, objective):
    """Of the data set's shape, in [0, 1], the same when asked again and another with another draw."""
    question = asked(store, objective)
    images = ask(kind, question)
    assert images.shape[2:] == question.data.image_shape
    assert images.shape[1] == (6 if kind == "interpolation" else 4)
    assert images.min() >= 0
    assert images.max() <= 1
    assert torch.equal(images, ask(kind, question))
    assert not torch.equal(images, ask(kind, asked(store, objective, seed=1)))


def test_at_temperature_0_the_prior_has_one_image(store):
    """The image of the code 0, whatever the draw."""
    question = asked(store, "beta_vae", temperature=0.0)
    with torch.no_grad():
        middle = question.model.decode(torch.zeros(1, question.run.latents), torch.zeros(1, 0)).sigmoid()
    assert torch.allclose(ask("prior", question), middle.expand(4, 4, -1, -1, -1))


def test_prior_codes_are_standard_normal(store):
    codes = asked(store, "beta_vae").noise(20_000)
    assert abs(codes.mean()) < 0.02
    assert codes.std() == pytest.approx(1, abs=0.02)
    assert asked(store, "beta_vae", temperature=0.5).noise(20_000).std() == pytest.approx(0.5, abs=0.01)


def test_aggregate_codes_have_the_posteriors_mean_and_variance(store):
    """Without noise it is a reconstruction of the same images."""
    still = asked(store, "beta_vae", temperature=0.0)
    images, condition = still.images(16)
    with torch.no_grad():
        again = still.decoded(still.model.encode(images, condition)[0], condition)
    assert torch.allclose(ask("aggregate", still).flatten(0, 1), again)


def test_reconstructions_stand_below_their_images(store):
    question = asked(store, "beta_vae")
    rows = ask("reconstruction", question)
    images, condition = question.images(8)
    assert torch.equal(rows[0::2].flatten(0, 1), images)
    with torch.no_grad():
        again = question.decoded(question.model.encode(images, condition)[0], condition)
    assert torch.allclose(rows[1::2].flatten(0, 1), again)


def test_interpolations_begin_and_end_with_reconstructions(store):
    """Beside the images themselves."""
    question = asked(store, "beta_vae")
    rows = ask("interpolation", question)
    images, condition = question.images(8)
    with torch.no_grad():
        again = question.decoded(question.model.encode(images, condition)[0], condition)
    assert torch.equal(rows[:, 0], images[:4])
    assert torch.equal(rows[:, -1], images[4:])
    assert torch.allclose(rows[:, 1], again[:4], atol=1e-6)
    assert torch.allclose(rows[:, -2], again[4:], atol=1e-6)


def test_half_way_by_hand():
    """Between (2, 0) and (0, 2): (1, 1) on the line, (sqrt 2, sqrt 2) on the circle; opposite ends have no circle."""
    first, last = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert torch.allclose(between(first, last, 0.5, spherical=False), torch.tensor([[1.0, 1.0]]))
    assert torch.allclose(between(first, last, 0.5, spherical=True), torch.full((1, 2), 2**0.5))
    assert torch.allclose(between(first, -first, 0.5, spherical=True), torch.zeros(1, 2), atol=1e-5)
    assert torch.allclose(between(first, first, 0.3, spherical=True), first)


def test_a_traversal_moves_one_latent(store):
    """Its middle, with an odd number of steps, is the code of the first image with that latent at 0."""
    question = asked(store, "beta_vae", count=5)
    rows = ask("traversal", question)
    assert len(rows) == question.run.latents
    images, condition = question.images(500)
    with torch.no_grad():
        mean, logvar = question.model.encode(images, condition)
        kl = (0.5 * (mean**2 + logvar.exp() - logvar - 1)).mean(dim=0)
        code = mean[:1].clone()
        code[0, kl.argmax()] = 0.0
        assert torch.allclose(rows[0, 2], question.decoded(code, condition[:1])[0], atol=1e-6)


def test_a_conditional_model_shows_each_class_of_the_same_codes(store):
    """A row a class, as a figure of one class is; a class that is asked for is the whole grid's."""
    rows = ask("prior", asked(store, "cvae"))
    assert len(rows) == 10
    three = ask("prior", asked(store, "cvae", condition=3))
    assert three.shape[:2] == (4, 4)
    assert torch.allclose(three[0], rows[3], atol=1e-6)


def test_first_seeds_stand_for_their_settings(store, swept):
    """Unless a seed or a run is asked for."""
    _, rows = swept
    first = chosen_models(store, Which())
    assert set(first["seed"]) == {0}
    assert len(first) == len(rows) / rows["seed"].nunique()
    assert set(chosen_models(store, Which(seed=1))["seed"]) == {1}
    run_id = rows["run_id"].iloc[-1]
    assert list(chosen_models(store, Which(run_id=run_id))["run_id"]) == [run_id]


def test_files_are_what_the_grid_is(store, tmp_path):
    """A mosaic of whole numbers of images; the names say which model and what."""
    rows = chosen_models(store, Which(objective="cvae"))
    (path,) = save_grids(store, rows, ["prior"], tmp_path / "new", count=3, condition="digit=7")
    assert path.name == "cvae_1_digits_digit_seed0_prior.png"
    picture = np.asarray(Image.open(path))
    tile, gap = 32, 2
    assert picture.shape == (3 * tile + 2 * gap, 3 * tile + 2 * gap, 3)


def test_command_writes_a_picture_a_model_and_kind(swept, tmp_path, capsys):
    arguments = [
        "sample",
        str(swept[0]),
        "--kind",
        "prior,traversal",
        "--strength",
        "4",
        "--out",
        str(tmp_path),
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out.split()
    assert sorted(printed) == sorted(str(path) for path in tmp_path.glob("*.png"))
    assert {path.split("_")[-1] for path in printed} == {"prior.png", "traversal.png"}


def test_a_condition_is_for_models_that_are_told_it(store, tmp_path):
    """The others of the folder are passed over."""
    paths = list(save_grids(store, chosen_models(store, Which()), ["prior"], tmp_path, condition="digit=7"))
    assert [path.name.split("_")[0] for path in paths] == ["cvae"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "priors"], "unknown kind 'priors'; did you mean 'prior'?"),
        (["--objective", "factor_vae"], "unknown objective 'factor_vae'"),
        (["--seed", "9"], "unknown seed '9'; known: 0, 1"),
        (["--count", "0"], "count must be 1 to 64, got 0"),
        (["--temperature", "-1"], "temperature must be at least 0"),
        (["--draw", "-1"], "--draw must be at least 0"),
        (["--objective", "beta_vae", "--condition", "digit=3"], "is told no factor"),
        (["--objective", "cvae", "--condition", "digit=12"], "unknown class of digit '12'"),
        (["--objective", "cvae", "--condition", "shape=1"], "unknown factor 'shape'"),
        (["--objective", "cvae", "--condition", "digit"], "--condition takes FACTOR=CLASS"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(swept, tmp_path, capsys, options, words):
    assert main(["sample", str(swept[0]), "--out", str(tmp_path), *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_folder_without_models_says_so(tiny, tmp_path):
    with pytest.raises(BadInput, match="has no finished model"):
        chosen_models(Store.claimed(tmp_path / "out", tiny), Which())
