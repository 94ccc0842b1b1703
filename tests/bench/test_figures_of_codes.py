"""Figures of what latents do: planes, clouds beside true factors, films."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from readable import assert_readable, drawn
from scipy import stats

from disbench.bench import sweep
from disbench.bench.figures import FIGURES
from disbench.bench.figures.latent_factor_scatter import codes_of, named_classes
from disbench.bench.figures.manifold import TILES, grid, plane_of
from disbench.bench.figures.style import look
from disbench.bench.figures.tiles import mosaic
from disbench.bench.figures.trained import encoded, shown_models
from disbench.bench.figures.traversal_film import FRAMES, MILLISECONDS, film, film_name, gif, traversal_films
from disbench.bench.figures.traversals import JUDGED
from disbench.bench.store import Store
from disbench.bench.study_loading import parse_study

PLANE = {
    "name": "plane",
    "data_set": "digits",
    "architecture": "small_patch",
    "latents": 2,
    "steps": 30,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "evaluation": {"samples": 300, "test_samples": 100, "metrics": ["active_units"]},
    "arms": [{"objective": "beta_vae", "strengths": [0.25]}],
}


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Store and rows of a model of two latents."""
    folder = tmp_path_factory.mktemp("plane") / "out"
    return Store(folder), sweep(parse_study(PLANE, "plane.toml"), out=folder, device="cpu", cohort_size=1)


@pytest.fixture
def models(swept):
    """The models of the tiny study that have pictures."""
    folder, rows = swept
    return shown_models(rows, Store.existing(folder), each=2, in_all=8)


def test_tiles_stand_at_quantiles_of_the_prior():
    """Each in the middle of an equal share of it: the cumulative probabilities are evenly spaced and symmetric."""
    np.testing.assert_allclose(stats.norm.cdf(grid()), (np.arange(TILES) + 0.5) / TILES)


def test_a_plane_is_decoded_at_its_codes(flat):
    """Two latents: the tile at the upper right is the decoder's image of their largest quantiles; no remark."""
    store, rows = flat
    (shown,) = shown_models(rows, store, each=3, in_all=3)
    plane = plane_of(shown.run, shown.model, shown.data)
    assert (plane.latents, plane.remark) == ((0, 1), "")
    with torch.no_grad():
        corner = shown.model.decode(
            torch.tensor([[grid()[-1], grid()[-1]]]).float(), torch.empty(1, 0)
        ).sigmoid()
    expected = mosaic(corner[None])
    side = expected.shape[0]
    difference = plane.picture[:side, -side:].astype(int) - expected
    assert np.abs(difference).max() <= 1, "rounding of one grey level"
    figure = drawn("manifold", rows, store)
    assert_readable(figure)
    assert [axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes] == ["z1z2"]


def test_planes_of_more_latents_say_so(swept):
    """The two with the most KL of three; a conditional model says what it was told."""
    folder, rows = swept
    figure = drawn("manifold", rows, Store(folder))
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[0] == "β-VAE, β = 1\ntwo of 3 latents"
    assert titles[-1].startswith("CVAE, β = 1\ntwo of 3 latents, given digit ")


def test_models_of_one_latent_have_no_plane(tmp_path):
    """Nothing to draw."""
    study = parse_study(PLANE | {"latents": 1, "steps": 2}, "line.toml")
    rows = sweep(study, out=tmp_path / "out", device="cpu", cohort_size=1)
    with look():
        assert FIGURES["manifold"].draw(rows, Store(tmp_path / "out")) is None


def test_clouds_are_codes_over_classes(models, swept):
    """The upper row has the latent that knows most: each image at its class, and the means of the classes."""
    codes = codes_of(models[0])
    best = int(codes.information[:, 0].argmax())
    figure = drawn("latent_factor_scatter", swept[1], Store(swept[0]))
    assert_readable(figure)
    cloud, means = figure.axes[0].lines
    np.testing.assert_allclose(cloud.get_ydata(), codes.mean[:, best])
    assert np.abs(cloud.get_xdata() - codes.factors[:, 0]).max() <= 0.3 + 1e-9
    assert means.get_ydata()[3] == pytest.approx(codes.mean[codes.factors[:, 0] == 3, best].mean())
    assert figure.axes[0].get_title("left").startswith(f"z{best + 1}, ")
    assert len(figure.axes) == 4, "two models of two rows; one that is told the only factor has none"


@pytest.mark.parametrize(
    ("values", "width", "named"),
    [
        (["square", "ellipse", "heart"], 1.05, [0, 1, 2]),
        (["cube", "cylinder", "sphere", "capsule"], 0.85, [0, 3]),
        ([0.5, 0.75, 1.0], 1.05, [0, 2]),
        ([0], 1.05, [0]),
    ],
)
def test_classes_that_are_words_are_all_named_where_they_fit(values, width, named):
    """Three shapes of dSprites do, four of 3D Shapes do not; numbers have their first and last."""
    assert named_classes(np.array(values), width) == named


def test_what_latents_know_is_what_the_row_says(models):
    """Where the row has the table, it stands instead of an estimate from fewer images."""
    table = np.arange(3.0)[:, None]
    models[0].arm.rows["mutual_information"] = [table] * len(models[0].arm.rows)
    np.testing.assert_array_equal(codes_of(models[0]).information, table)
    models[0].arm.rows["mutual_information"] = [table[:2]] * len(models[0].arm.rows)
    assert codes_of(models[0]).information.shape == (3, 1), "of another shape: estimated"


@pytest.mark.parametrize("frames", [2, FRAMES])
def test_films_have_their_frames_and_loop(models, frames):
    """For ever; every frame stays as long; the same bytes a second time."""
    found = film(models[0], frames=frames)
    with Image.open(io.BytesIO(found)) as picture:
        assert picture.n_frames == frames
        assert picture.info["loop"] == 0
        for number in range(frames):
            picture.seek(number)
            assert picture.info["duration"] == MILLISECONDS
    assert film(models[0], frames=frames) == found
    assert len(found) < 200_000


def test_a_film_shows_what_the_decoder_makes(models):
    """The second frame's tile of the strongest latent is the decoded code, to half of a level of the 32 greys."""
    shown, frames = models[0], 8
    codes = encoded(shown.run, shown.model, shown.data, JUDGED)
    code = codes.mean[:1].clone()
    code[0, codes.ranked[0]] = 2 * np.sin(2 * np.pi * 1.25 / frames)
    with torch.no_grad():
        expected = shown.model.decode(code, codes.condition[:1]).sigmoid()[0, 0].numpy() * 255
    with Image.open(io.BytesIO(film(shown, frames=frames))) as picture:
        picture.seek(1)
        seen = np.asarray(picture.convert("L"), dtype=float)
    side = 8 * 10
    tile = seen[48 : 48 + side, 8 + 2 * 96 : 8 + 2 * 96 + side][5::10, 5::10]
    assert np.abs(tile - expected).max() <= 255 / 31 / 2 + 1


def test_colours_of_a_film_stay():
    """Red stays red: one palette for all frames, made of the colours that there are."""
    frames = [np.full((20, 20, 3), (200, 30 * n, 0), dtype=np.uint8) for n in range(4)]
    with Image.open(io.BytesIO(gif(frames, 50))) as picture:
        for number, frame in enumerate(frames):
            picture.seek(number)
            seen = np.asarray(picture.convert("RGB"), dtype=int)
            assert np.abs(seen - frame).max() <= 8


def test_films_are_of_the_models_that_have_panels(swept):
    """Their names say what they are and can be files' names."""
    folder, rows = swept
    names = [name for name, _ in traversal_films(rows, Store(folder))]
    panels = drawn("traversals", rows, Store(folder)).axes
    assert len(names) == len(set(names)) == len(panels) == 3
    assert names[0].startswith("traversals-digits-beta_vae-1-seed0-")
    assert names[2].startswith("traversals-digits-given_digit-cvae-1-seed0-")


def test_names_of_films_stay_in_their_folder(models):
    """A data set that is a path becomes words."""
    import dataclasses

    shown = models[0]._replace(run=dataclasses.replace(models[0].run, data_set="../../etc/pass wd.npz"))
    assert film_name(shown).startswith("traversals-etc_pass_wd.npz-beta_vae-1-seed0-")
